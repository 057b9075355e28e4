UPDATE bare.q SET status = 'running' FROM (SELECT id FROM bare.q WHERE status = 'queued' ORDER BY priority, run_at, id LIMIT 1 FOR UPDATE SKIP LOCKED) p
WHERE q.id = p.id RETURNING q.id
\gset c_
UPDATE bare.q SET status = 'completed' WHERE id = :c_id AND status = 'running';
