-- Removes executions, progress and history of up to $4 tasks that ended more than $1 seconds ago, in
-- the order of their ends after ($2, $3); the last result stays. Answers the end and number of the last.
WITH old AS MATERIALIZED (
    SELECT tenant_id, id, completed_at, last_result_execution FROM task.task_states
    WHERE completed_at < now() - make_interval(secs => $1) AND completed_at >= $2 AND (completed_at, id) > ($2, $3)
    ORDER BY completed_at, id LIMIT $4 FOR UPDATE
),
history AS (DELETE FROM task.task_history AS x USING old AS o WHERE x.tenant_id = o.tenant_id AND x.task_id = o.id),
progress AS (DELETE FROM task.task_progress AS x USING old AS o WHERE x.tenant_id = o.tenant_id AND x.task_id = o.id),
executions AS (
    DELETE FROM task.task_executions AS x USING old AS o
    WHERE x.tenant_id = o.tenant_id AND x.task_id = o.id AND x.id IS DISTINCT FROM o.last_result_execution
)
SELECT completed_at, id FROM old ORDER BY completed_at DESC, id DESC LIMIT 1
