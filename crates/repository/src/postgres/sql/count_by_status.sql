-- How many live tasks of tenant $1 drop-in API $2 has, by status and type: what there is, without
-- what was deleted and is not swept yet. The first part reads an index only.
SELECT c.status, c.task_type, sum(c.n)::bigint
FROM (
    SELECT s.status, s.task_type, count(*) AS n
    FROM task.task_states AS s
    WHERE s.tenant_id = $1 AND s.origin = $2 AND s.origin <> 'task_service'
    GROUP BY s.status, s.task_type
    UNION ALL
    SELECT s.status, s.task_type, -count(*)
    FROM task.user_tasks AS d
    JOIN task.task_states AS s ON s.tenant_id = d.tenant_id AND s.id = d.id
    WHERE d.tenant_id = $1 AND d.origin = $2 AND d.deleted_at IS NOT NULL
    GROUP BY s.status, s.task_type
) AS c
GROUP BY c.status, c.task_type
HAVING sum(c.n) > 0
