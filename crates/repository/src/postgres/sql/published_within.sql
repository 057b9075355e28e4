-- Up to $3 events published within the last $2 seconds above position $1.
SELECT tenant_id, id, event_id, event_type, task_id, user_id, origin, seq, payload, occurred_at, position
FROM task.outbox_events
WHERE position > $1 AND published_at >= now() - make_interval(secs => $2)
ORDER BY position
LIMIT $3
