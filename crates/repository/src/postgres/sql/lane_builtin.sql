-- One type of our own executors, of every tenant or only of tenant $8.
-- $1 to $3 are its lanes (type, priority, lowest turn) by priority, $4 how many are wanted, $5 is not
-- used. With one type the order of the index is the order of the claim, so rows are locked on the
-- way; the outer LIMIT stops the loop, so that no row is locked beyond what is wanted.
WITH candidates AS MATERIALIZED (
    SELECT x.*
    FROM unnest($1, $2, $3) AS l(task_type, priority, mark)
    CROSS JOIN LATERAL (
        SELECT s.tenant_id, s.id
        FROM task.task_states AS s
        WHERE s.claimable AND s.handler = 'builtin' AND ($8 IS NULL OR s.tenant_id = $8)
          AND s.task_type = l.task_type AND s.priority = l.priority AND s.turn >= l.mark
        ORDER BY s.turn, s.id
        LIMIT $4
        FOR UPDATE SKIP LOCKED
    ) AS x
    LIMIT $4
),
picked AS (
    SELECT tenant_id, id FROM candidates
),
