-- The lowest kept and the highest given position. When all published events are purged, the lowest
-- is the one that comes next.
SELECT coalesce(
           (SELECT position FROM task.outbox_events WHERE position IS NOT NULL ORDER BY position LIMIT 1),
           CASE WHEN c.last_position = 0 THEN 0 ELSE c.last_position + 1 END),
       c.last_position
FROM task.outbox_cursor AS c
