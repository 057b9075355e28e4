-- Of the last $4 executions of task $2 of tenant $1 the one that held the lease $3.
SELECT e.*
FROM (
    SELECT x.*
    FROM task.task_executions AS x
    WHERE x.tenant_id = $1 AND x.task_id = (SELECT t.id FROM task.user_tasks AS t WHERE t.tenant_id = $1 AND t.task_id = $2)
    ORDER BY x.id DESC
    LIMIT $4
) AS e
WHERE e.lease_token = $3
LIMIT 1
