-- Removes executions, progress and history of up to $2 tasks that ended more than $1 seconds ago; the
-- last result stays. A task whose history is gone was swept before.
WITH old AS MATERIALIZED (
    SELECT s.tenant_id, s.id, s.last_result_execution FROM task.task_states AS s
    WHERE s.completed_at < now() - make_interval(secs => $1)
      AND EXISTS (SELECT 1 FROM task.task_history AS h WHERE h.tenant_id = s.tenant_id AND h.task_id = s.id)
    ORDER BY s.completed_at LIMIT $2 FOR UPDATE SKIP LOCKED
),
history AS (DELETE FROM task.task_history AS x USING old AS o WHERE x.tenant_id = o.tenant_id AND x.task_id = o.id),
progress AS (DELETE FROM task.task_progress AS x USING old AS o WHERE x.tenant_id = o.tenant_id AND x.task_id = o.id),
executions AS (
    DELETE FROM task.task_executions AS x USING old AS o
    WHERE x.tenant_id = o.tenant_id AND x.task_id = o.id AND x.id IS DISTINCT FROM o.last_result_execution
)
SELECT count(*) FROM old
