-- Marks the events $1 that are still unpublished and numbers them in this order. The row of
-- outbox_cursor is locked by the statement before, so that this one sees what others marked.
WITH wanted AS (
    SELECT id, min(n) AS n FROM unnest($1) WITH ORDINALITY AS w(id, n) GROUP BY id
),
numbered AS MATERIALIZED (
    SELECT e.tenant_id, e.id, row_number() OVER (ORDER BY w.n) AS number
    FROM wanted AS w
    JOIN task.outbox_events AS e ON e.id = w.id
    WHERE e.published_at IS NULL
),
marked AS (
    UPDATE task.outbox_events AS e
    SET published_at = clock_timestamp(), position = $2 + n.number
    FROM numbered AS n
    WHERE e.tenant_id = n.tenant_id AND e.id = n.id
    RETURNING 1
)
UPDATE task.outbox_cursor SET last_position = $2 + (SELECT count(*) FROM marked)
