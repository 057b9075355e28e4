WITH picked AS MATERIALIZED (
  SELECT s.* FROM generate_series(1, 10) AS g(p)
  CROSS JOIN LATERAL (
    SELECT l.task_type, h.turn FROM unnest(:types::text[], :prios::smallint[], :marks::bigint[]) AS l(task_type, priority, mark)
    CROSS JOIN LATERAL (SELECT t.turn, t.id FROM hot.task_states t
      WHERE t.tenant_id = 'default' AND t.handler = :handler::text AND t.task_type = l.task_type AND t.priority = l.priority
        AND t.claimable AND t.turn >= l.mark ORDER BY t.turn, t.id LIMIT 1) h
    WHERE l.priority = g.p ORDER BY h.turn, h.id) lane
  CROSS JOIN LATERAL (SELECT t.id, t.priority, t.turn FROM hot.task_states t
      WHERE t.tenant_id = 'default' AND t.handler = :handler::text AND t.task_type = lane.task_type AND t.priority = g.p::smallint
        AND t.claimable AND t.turn >= lane.turn ORDER BY t.turn, t.id LIMIT :n::bigint FOR UPDATE SKIP LOCKED) s
  LIMIT :n::bigint),
claimed AS (UPDATE hot.task_states SET status = 'running', claimable = false, lease_token = gen_random_uuid(), lease_expires_at = now() + interval '60 seconds', worker_id = 'worker-1', attempt = attempt + 1,
    started_at = now(), event_seq = event_seq + 1
  WHERE tenant_id = 'default' AND id = ANY (ARRAY(SELECT id FROM picked)) RETURNING *),
hist AS (INSERT INTO hot.task_history (tenant_id, task_row, event_seq, actor, from_status, to_status, execution_id)
    SELECT tenant_id, id, event_seq - 0, 'worker', 'queued', status, execution_id FROM claimed),
evts AS (INSERT INTO hot.outbox_events (tenant_id, task_row, seq, event_id, event_type, payload)
    SELECT tenant_id, id, event_seq - 0, public.uid7(), 'task.status_changed', public.payload(id::text, user_id, status) FROM claimed)
SELECT coalesce(c.id, 0) AS id, c.lease_token AS token, c.execution_id AS exec, d.name, d.config::text AS config
FROM (VALUES (1)) one LEFT JOIN claimed c ON true LEFT JOIN hot.user_tasks d ON d.tenant_id = 'default' AND d.id = c.id;
