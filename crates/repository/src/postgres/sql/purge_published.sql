-- Removes up to $2 events published more than $1 seconds ago. Positions rise with the time of
-- publication, so the oldest are looked at and no scan goes on through the young ones.
WITH oldest AS MATERIALIZED (
    SELECT position, published_at FROM task.outbox_events WHERE position IS NOT NULL ORDER BY position LIMIT $2
)
DELETE FROM task.outbox_events AS e
USING oldest AS o
WHERE e.position = o.position AND o.published_at < now() - make_interval(secs => $1)
