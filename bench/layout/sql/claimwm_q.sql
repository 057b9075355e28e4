\set t :client_id % :types
WITH picked AS MATERIALIZED (
  SELECT s.* FROM unnest(:wm::bigint[]) WITH ORDINALITY AS l(mark, p)
    CROSS JOIN LATERAL (SELECT id AS id, priority, turn FROM que.task_executions WHERE tenant_id = 'default' AND handler = :handler::text AND task_type = 'type-' || :t::text AND claimable
      AND priority = l.p::smallint AND turn >= l.mark ORDER BY turn, id LIMIT :n FOR UPDATE SKIP LOCKED) s
  LIMIT :n
), leased AS (UPDATE que.task_executions SET status = 'running', claimable = false, lease_token = gen_random_uuid(), lease_expires_at = now() + interval '60 seconds', worker_id = 'worker-1', started_at = now()
  WHERE tenant_id = 'default' AND id = ANY (ARRAY(SELECT id FROM picked)) RETURNING *),
claimed AS (UPDATE que.user_tasks t SET status = 'running', event_seq = event_seq + 1
  FROM leased e WHERE t.tenant_id = 'default' AND t.id = e.task_row
  RETURNING t.id AS task_row, t.tenant_id, t.user_id, t.status, t.event_seq, t.name, t.config, e.execution_id, e.lease_token, e.id, e.priority, e.turn),
hist AS (INSERT INTO que.task_history (tenant_id, task_row, event_seq, actor, from_status, to_status, execution_id)
    SELECT tenant_id, task_row, event_seq - 0, 'worker', 'queued', status, execution_id FROM claimed),
evts AS (INSERT INTO que.outbox_events (tenant_id, task_row, seq, event_id, event_type, payload)
    SELECT tenant_id, task_row, event_seq - 0, public.uid7(), 'task.status_changed', public.payload(task_row::text, user_id, status) FROM claimed)
SELECT coalesce(c.id, 0) AS id, c.lease_token AS token, c.execution_id AS exec, c.name, c.config::text AS config, (SELECT array_agg(CASE WHEN c.id IS NULL THEN -1 WHEN w.p = c.priority THEN c.turn - :slack ELSE w.m END ORDER BY w.p)
          FROM unnest(:wm::bigint[]) WITH ORDINALITY AS w(m, p)) AS wm
FROM (VALUES (1)) one LEFT JOIN claimed c ON true
\gset
