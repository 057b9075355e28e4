\set t :client_id % :types
WITH picked AS MATERIALIZED (
  SELECT s.* FROM unnest(:wm::bigint[]) WITH ORDINALITY AS l(mark, p)
    CROSS JOIN LATERAL (SELECT id AS id, priority, turn FROM hot.task_states WHERE tenant_id = 'default' AND handler = :handler::text AND task_type = 'type-' || :t::text AND claimable
      AND priority = l.p::smallint AND turn >= l.mark ORDER BY turn, id LIMIT :n FOR UPDATE SKIP LOCKED) s
  LIMIT :n
), claimed AS (UPDATE hot.task_states SET status = 'running', claimable = false, lease_token = gen_random_uuid(), lease_expires_at = now() + interval '60 seconds', worker_id = 'worker-1', attempt = attempt + 1,
    started_at = now(), event_seq = event_seq + 1
  WHERE tenant_id = 'default' AND id = ANY (ARRAY(SELECT id FROM picked)) RETURNING *),
hist AS (INSERT INTO hot.task_history (tenant_id, task_row, event_seq, actor, from_status, to_status, execution_id)
    SELECT tenant_id, id, event_seq - 0, 'worker', 'queued', status, execution_id FROM claimed),
evts AS (INSERT INTO hot.outbox_events (tenant_id, task_row, seq, event_id, event_type, payload)
    SELECT tenant_id, id, event_seq - 0, public.uid7(), 'task.status_changed', public.payload(id::text, user_id, status) FROM claimed)
SELECT coalesce(c.id, 0) AS id, c.lease_token AS token, c.execution_id AS exec, d.name, d.config::text AS config
FROM (VALUES (1)) one LEFT JOIN claimed c ON true LEFT JOIN hot.user_tasks d ON d.tenant_id = 'default' AND d.id = c.id
\gset c_
WITH done AS (UPDATE hot.task_states SET status = 'completed', is_active = false, lease_token = NULL, lease_expires_at = NULL,
    event_seq = event_seq + 2, run_count = run_count + 1, success_count = success_count + 1, last_run_time = now(),
    last_execution = nextval('hot.task_executions_id_seq'), total_credits = total_credits + 1.5
  WHERE tenant_id = 'default' AND id = :c_id AND lease_token = :c_token::uuid RETURNING *),
exec AS (INSERT INTO hot.task_executions (id, tenant_id, task_row, execution_id, run_id, attempt, user_id, status, trigger_type, worker_id, result,
    credits, duration_ms, queued_at, started_at, completed_at)
  SELECT last_execution, tenant_id, id, execution_id, run_id, attempt, user_id, 'completed', 'created', worker_id, '{"rows": 1200, "url": "https://example.org/result/1"}'::jsonb, 1.5, 5, queued_at,
    started_at, now() FROM done),
hist AS (INSERT INTO hot.task_history (tenant_id, task_row, event_seq, actor, from_status, to_status, execution_id)
    SELECT tenant_id, id, event_seq - 1, 'worker', 'running', status, execution_id FROM done),
evts AS (INSERT INTO hot.outbox_events (tenant_id, task_row, seq, event_id, event_type, payload)
    SELECT tenant_id, id, event_seq - 1, public.uid7(), 'task.status_changed', public.payload(id::text, user_id, status) FROM done
    UNION ALL SELECT tenant_id, id, event_seq - 0, public.uid7(), 'task.executed', public.payload(id::text, user_id, status) FROM done)
SELECT count(*) FROM done;
