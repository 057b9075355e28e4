-- Of each task $2 (bigint ids) of tenant $1 the execution that ended last.
SELECT e.*
FROM unnest($2) AS t(id)
CROSS JOIN LATERAL (
    SELECT x.*
    FROM task.task_executions AS x
    WHERE x.tenant_id = $1 AND x.task_id = t.id
    ORDER BY x.id DESC
    LIMIT 1
) AS e
