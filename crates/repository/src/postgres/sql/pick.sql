-- Follows one of candidates_*.sql: locks at most $4 of the candidates, in their order. Rows that
-- another claimer holds are passed over, those that it has taken meanwhile fail the re-check.
picked AS MATERIALIZED (
    SELECT s.tenant_id, s.id
    FROM candidates AS c
    JOIN task.task_states AS s ON s.tenant_id = c.tenant_id AND s.id = c.id
    WHERE s.claimable
    ORDER BY c.priority, c.turn, c.id
    LIMIT $4
    FOR UPDATE OF s SKIP LOCKED
),
