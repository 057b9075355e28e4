-- Removes up to $2 ids of in-bound events older than $1 seconds.
DELETE FROM task.inbox_events WHERE event_id IN (
    SELECT event_id FROM task.inbox_events WHERE received_at < now() - make_interval(secs => $1) ORDER BY received_at LIMIT $2
)
