-- What a user has used. $1 tenant, $2 user, $3 the task's bigint id (0: a new one), $4 start of the
-- day, $5 a minute ago, $6 to $8 which of the three figures are wanted. A run is counted once,
-- however many of its attempts are finished; its current attempt is in task_states.
SELECT CASE WHEN $6 THEN (
           SELECT count(*) FROM task.task_states WHERE tenant_id = $1 AND user_id = $2 AND is_active
       ) ELSE 0 END,
       CASE WHEN $7 THEN (
           SELECT count(*) FROM (
               SELECT run_id FROM task.task_executions WHERE tenant_id = $1 AND user_id = $2 AND queued_at >= $4
               UNION
               SELECT run_id FROM task.task_states
               WHERE tenant_id = $1 AND user_id = $2 AND is_active AND execution_id IS NOT NULL AND queued_at >= $4
           ) AS runs
       ) ELSE 0 END,
       CASE WHEN $8 THEN (
           SELECT count(*) FROM (
               SELECT run_id FROM task.task_executions
               WHERE tenant_id = $1 AND user_id = $2 AND queued_at > $5 AND task_id = $3 AND trigger_type = 'manual'
               UNION
               SELECT run_id FROM task.task_states
               WHERE tenant_id = $1 AND id = $3 AND execution_id IS NOT NULL AND trigger_type = 'manual' AND queued_at > $5
           ) AS runs
       ) ELSE 0 END
