-- Task $2 of tenant $1, and, while no attempt is under way, the one that ended last. Read as
-- tasks.rs reads every task.
SELECT t.*, s.*,
    (SELECT x.result FROM task.task_executions AS x
     WHERE x.tenant_id = s.tenant_id AND x.task_id = s.id AND x.id = s.last_result_execution),
    clock_timestamp(),
    e.*
FROM task.user_tasks AS t
JOIN task.task_states AS s ON s.tenant_id = t.tenant_id AND s.id = t.id
LEFT JOIN LATERAL (
    SELECT x.*
    FROM task.task_executions AS x
    WHERE s.execution_no IS NULL AND x.tenant_id = s.tenant_id AND x.task_id = s.id
    ORDER BY x.id DESC
    LIMIT 1
) AS e ON true
WHERE t.tenant_id = $1 AND t.task_id = $2 AND t.deleted_at IS NULL
