-- Which of the types $2, each of the tenant at the same place in $1, have work for outside workers.
-- One index probe each: the handler is a literal so that the partial index is used, and the order is
-- the index's, so that the planner does not read the table instead.
SELECT l.tenant_id, l.task_type
FROM unnest($1, $2) AS l(tenant_id, task_type)
CROSS JOIN LATERAL (
    SELECT 1
    FROM task.task_states AS s
    WHERE s.claimable AND s.handler = 'worker' AND s.tenant_id = l.tenant_id AND s.task_type = l.task_type
    ORDER BY s.priority, s.turn, s.id
    LIMIT 1
) AS x
