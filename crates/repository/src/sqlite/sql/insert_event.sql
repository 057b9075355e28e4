-- ?10: when the commit publishes it, at the next position; null where the relay does.
INSERT INTO outbox_events (tenant_id, event_id, event_type, task_id, user_id, origin, seq, payload, occurred_at, published_at, position)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, CASE WHEN ?10 IS NOT NULL THEN 1 + (
    SELECT max(c.last_position, coalesce((SELECT e.position FROM outbox_events AS e WHERE e.position > 0 ORDER BY e.position DESC LIMIT 1), 0))
    FROM outbox_cursor AS c) END)
