-- Goes over up to $4 executions that ended more than $1 seconds ago, in the order of their ends after
-- ($2, $3), and removes them but for the last result of each task. Answers the end and number of the
-- last.
WITH old AS MATERIALIZED (
    SELECT tenant_id, task_id, id, completed_at FROM task.task_executions
    WHERE completed_at < now() - make_interval(secs => $1) AND completed_at >= $2 AND (completed_at, id) > ($2, $3)
    ORDER BY completed_at, id LIMIT $4
),
gone AS (
    DELETE FROM task.task_executions AS x USING old AS o
    WHERE x.tenant_id = o.tenant_id AND x.task_id = o.task_id AND x.id = o.id
      AND NOT EXISTS (
          SELECT 1 FROM task.task_states AS s
          WHERE s.tenant_id = o.tenant_id AND s.id = o.task_id AND s.last_result_execution = o.id)
)
SELECT completed_at, id FROM old ORDER BY completed_at DESC, id DESC LIMIT 1
