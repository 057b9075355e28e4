-- Candidates of our own executors among what the drop-in API $10 made, of every tenant or only of
-- tenant $8. $1 are the types, none = every type; $2 and $3 are not used; $5 how many are wanted.
-- Handler and the canonical origin are literals so that the partial index is used.
WITH candidates AS MATERIALIZED (
    SELECT s.tenant_id, s.id, s.priority, s.turn
    FROM task.task_states AS s
    WHERE s.claimable AND s.handler = 'builtin' AND s.origin <> 'task_service' AND s.origin = $10
      AND ($8 IS NULL OR s.tenant_id = $8)
      AND (cardinality($1) = 0 OR s.task_type = ANY ($1))
    ORDER BY s.priority, s.turn, s.id
    LIMIT $5
),
