WITH p AS MATERIALIZED (SELECT id FROM bare.q WHERE status = 'queued' ORDER BY priority, run_at, id LIMIT 50 FOR UPDATE SKIP LOCKED)
UPDATE bare.q SET status = 'running' WHERE id = ANY (ARRAY(SELECT id FROM p)) RETURNING id;
