events AS (
    INSERT INTO task.outbox_events (tenant_id, event_id, event_type, task_id, user_id, origin, seq, payload, occurred_at)
    SELECT p.tenant_id, e.event_id, e.event_type, e.task_id, e.user_id, e.origin, e.seq, e.payload, e.occurred_at
    FROM placed AS p
    CROSS JOIN LATERAL unnest(p.events) AS e
)
SELECT ordinality, id, turn FROM placed
