-- Candidates of our own executors, of every tenant or only of tenant $8.
-- $1 to $3 are the lanes (type, priority, lowest turn); $5 how many are wanted; $10 the origin, if
-- it matters. They are only read here: within a priority the types are merged by turn, which no lock may be taken before. The
-- handler is a literal so that the partial index is used.
WITH candidates AS MATERIALIZED (
    SELECT c.*
    FROM generate_series(1, 10) AS p(priority)
    CROSS JOIN LATERAL (
        SELECT x.*
        FROM unnest($1, $2, $3) AS l(task_type, priority, mark)
        CROSS JOIN LATERAL (
            SELECT s.tenant_id, s.id, s.priority, s.turn
            FROM task.task_states AS s
            WHERE s.claimable AND s.handler = 'builtin' AND ($8 IS NULL OR s.tenant_id = $8)
              AND s.task_type = l.task_type AND s.priority = l.priority AND s.turn >= l.mark
              AND ($10 IS NULL OR s.origin = $10)
            ORDER BY s.turn, s.id
            LIMIT $5
        ) AS x
        WHERE l.priority = p.priority
        ORDER BY x.turn, x.id
        LIMIT $5
    ) AS c
    LIMIT $5
),
