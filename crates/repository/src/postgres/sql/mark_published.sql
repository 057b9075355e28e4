-- Marks the events $1 and numbers them in this order after $2; no row when one of them is named twice or not unpublished any
-- more, and then nothing of it may be kept. Compared with an array, not joined: whatever the planner believes, they are found
-- by the index of unpublished ids. The row of outbox_cursor is locked by the statement before, so that this one sees what
-- others marked.
WITH marked AS (
    UPDATE task.outbox_events AS e
    SET published_at = clock_timestamp(), position = $2 + array_position($1, e.id)
    WHERE e.id = ANY ($1) AND e.published_at IS NULL
    RETURNING 1
)
UPDATE task.outbox_cursor SET last_position = $2 + cardinality($1)
WHERE (SELECT count(*) FROM marked) = cardinality($1)
