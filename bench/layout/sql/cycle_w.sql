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
WITH done AS (UPDATE wide.user_tasks SET status = 'completed', is_active = false, lease_token = NULL, lease_expires_at = NULL,
    event_seq = event_seq + 2, run_count = run_count + 1, success_count = success_count + 1, last_run_time = now(), last_result = '{"rows": 1200, "url": "https://example.org/result/1"}'::jsonb,
    total_credits = total_credits + credits_per_run
  WHERE tenant_id = 'default' AND id = :c_id AND lease_token = :c_token::uuid RETURNING *),
exec AS (UPDATE wide.task_executions e SET status = 'completed', result = '{"rows": 1200, "url": "https://example.org/result/1"}'::jsonb, completed_at = now(), duration_ms = 5, credits = 1.5
  FROM done d WHERE e.tenant_id = 'default' AND e.execution_id = d.execution_id),
hist AS (INSERT INTO wide.task_history (tenant_id, task_row, event_seq, actor, from_status, to_status, execution_id)
    SELECT tenant_id, id, event_seq - 1, 'worker', 'running', status, execution_id FROM done),
evts AS (INSERT INTO wide.outbox_events (tenant_id, task_row, seq, event_id, event_type, payload)
    SELECT tenant_id, id, event_seq - 1, public.uid7(), 'task.status_changed', public.payload(id::text, user_id, status) FROM done
    UNION ALL SELECT tenant_id, id, event_seq - 0, public.uid7(), 'task.executed', public.payload(id::text, user_id, status) FROM done)
SELECT count(*) FROM done;
