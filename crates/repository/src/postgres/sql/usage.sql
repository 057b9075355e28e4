-- What users have used, one row for each of the changes asked about, in their order. Arrays: $1
-- tenant, $2 user, $3 the task's bigint id (0: a new one), $4 start of the day, $5 a minute ago, $6
-- to $8 which of the three figures are wanted. A run is counted once, however many of its attempts
-- are finished; its current attempt is in task_states.
SELECT CASE WHEN c.want_active THEN (
           SELECT count(*) FROM task.task_states WHERE tenant_id = c.tenant_id AND user_id = c.user_id AND is_active
       ) ELSE 0 END,
       CASE WHEN c.want_runs THEN (
           SELECT count(*) FROM (
               SELECT run_id FROM task.task_executions
               WHERE tenant_id = c.tenant_id AND user_id = c.user_id AND queued_at >= c.day_start
               UNION
               SELECT run_id FROM task.task_states
               WHERE tenant_id = c.tenant_id AND user_id = c.user_id AND is_active AND execution_id IS NOT NULL
                 AND queued_at >= c.day_start
           ) AS runs
       ) ELSE 0 END,
       CASE WHEN c.want_manual THEN (
           SELECT count(*) FROM (
               SELECT run_id FROM task.task_executions
               WHERE tenant_id = c.tenant_id AND user_id = c.user_id AND queued_at > c.minute_ago AND task_id = c.id
                 AND trigger_type = 'manual'
               UNION
               SELECT run_id FROM task.task_states
               WHERE tenant_id = c.tenant_id AND id = c.id AND execution_id IS NOT NULL AND trigger_type = 'manual'
                 AND queued_at > c.minute_ago
           ) AS runs
       ) ELSE 0 END
FROM unnest($1, $2, $3, $4, $5, $6, $7, $8) WITH ORDINALITY
    AS c(tenant_id, user_id, id, day_start, minute_ago, want_active, want_runs, want_manual, n)
ORDER BY c.n
