-- The highest position published more than $1 seconds ago. Positions rise with the time of
-- publication: from the newest back, only what was published since is looked at.
SELECT position FROM task.outbox_events
WHERE position IS NOT NULL AND published_at < now() - make_interval(secs => $1)
ORDER BY position DESC
LIMIT 1
