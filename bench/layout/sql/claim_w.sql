\set t :client_id % :types
WITH picked AS MATERIALIZED (
  SELECT s.* FROM unnest(:wm::bigint[]) WITH ORDINALITY AS l(mark, p)
    CROSS JOIN LATERAL (SELECT id AS id, priority, turn FROM wide.user_tasks WHERE tenant_id = 'default' AND handler = :handler::text AND task_type = 'type-' || :t::text AND claimable
      AND priority = l.p::smallint AND turn >= l.mark ORDER BY turn, id LIMIT :n FOR UPDATE SKIP LOCKED) s
  LIMIT :n
), claimed AS (UPDATE wide.user_tasks SET status = 'running', claimable = false, lease_token = gen_random_uuid(), lease_expires_at = now() + interval '60 seconds', worker_id = 'worker-1', attempt = attempt + 1,
    started_at = now(), event_seq = event_seq + 1
  WHERE tenant_id = 'default' AND id = ANY (ARRAY(SELECT id FROM picked)) RETURNING *),
exec AS (UPDATE wide.task_executions e SET status = 'running', worker_id = c.worker_id, attempt = c.attempt, started_at = now()
  FROM claimed c WHERE e.tenant_id = 'default' AND e.execution_id = c.execution_id),
hist AS (INSERT INTO wide.task_history (tenant_id, task_row, event_seq, actor, from_status, to_status, execution_id)
    SELECT tenant_id, id, event_seq - 0, 'worker', 'queued', status, execution_id FROM claimed),
evts AS (INSERT INTO wide.outbox_events (tenant_id, task_row, seq, event_id, event_type, payload)
    SELECT tenant_id, id, event_seq - 0, public.uid7(), 'task.status_changed', public.payload(id::text, user_id, status) FROM claimed)
SELECT coalesce(c.id, 0) AS id, c.lease_token AS token, c.execution_id AS exec, c.name, c.config::text AS config
FROM (VALUES (1)) one LEFT JOIN claimed c ON true
\gset c_
