-- The highest position given: the relay notes it, a commit that publishes leaves it in its rows.
SELECT max(c.last_position, coalesce((SELECT e.position FROM outbox_events AS e WHERE e.position > 0 ORDER BY e.position DESC LIMIT 1), 0))
FROM outbox_cursor AS c
WHERE c.only_row = true
