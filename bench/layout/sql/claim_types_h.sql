WITH cand AS MATERIALIZED (
  SELECT c.* FROM generate_series(1, 10) AS g(p) CROSS JOIN LATERAL (
    SELECT x.* FROM unnest(:types::text[], :prios::smallint[], :marks::bigint[]) AS l(task_type, priority, mark)
    CROSS JOIN LATERAL (SELECT s.id, s.priority, s.turn FROM hot.task_states s
      WHERE s.tenant_id = 'default' AND s.handler = :handler::text AND s.task_type = l.task_type AND s.priority = l.priority
        AND s.claimable AND s.turn >= l.mark ORDER BY s.turn, s.id LIMIT :n::bigint + :spare::bigint) x
    WHERE l.priority = g.p ORDER BY x.turn, x.id LIMIT :n::bigint + :spare::bigint) c
  LIMIT :n::bigint + :spare::bigint),
picked AS MATERIALIZED (SELECT s.id FROM cand JOIN hot.task_states s ON s.tenant_id = 'default' AND s.id = cand.id
  WHERE s.claimable ORDER BY cand.priority, cand.turn, cand.id LIMIT :n::bigint FOR UPDATE OF s SKIP LOCKED),
claimed AS (UPDATE hot.task_states SET status = 'running', claimable = false, lease_token = gen_random_uuid(), lease_expires_at = now() + interval '60 seconds', worker_id = 'worker-1', attempt = attempt + 1,
    started_at = now(), event_seq = event_seq + 1
  WHERE tenant_id = 'default' AND id = ANY (ARRAY(SELECT id FROM picked)) RETURNING *),
hist AS (INSERT INTO hot.task_history (tenant_id, task_row, event_seq, actor, from_status, to_status, execution_id)
    SELECT tenant_id, id, event_seq - 0, 'worker', 'queued', status, execution_id FROM claimed),
evts AS (INSERT INTO hot.outbox_events (tenant_id, task_row, seq, event_id, event_type, payload)
    SELECT tenant_id, id, event_seq - 0, public.uid7(), 'task.status_changed', public.payload(id::text, user_id, status) FROM claimed)
SELECT coalesce(c.id, 0) AS id, c.lease_token AS token, c.execution_id AS exec, d.name, d.config::text AS config
FROM (VALUES (1)) one LEFT JOIN claimed c ON true LEFT JOIN hot.user_tasks d ON d.tenant_id = 'default' AND d.id = c.id;
