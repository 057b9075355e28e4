\set u random(0, 999)
WITH def AS (INSERT INTO que.user_tasks (tenant_id, task_id, user_id, origin, name, description, task_type, config, tags, labels, handler, retry, credits_per_run, created_at, updated_at, status, is_active, event_seq) VALUES ('default', public.uid7()::text, 'user-' || :u::text, 'task_service', 'Report of a user',
    'Builds the report of one user and sends it to the address on file.', 'type-0',
    '{"source": "s3/bucket/prefix/0123456789abcdef", "format": "parquet", "columns": ["a", "b", "c", "d", "e"], "notify": true, "threshold": 7, "callback": "https/example.org/hooks/0123456789abcdef0123456789abcdef", "template": "weekly-summary", "options": {"retries": 3, "compress": "zstd", "region": "eu-west-1"}}'::jsonb,
    ARRAY['report', 'daily'], '{"team": "data"}'::jsonb, 'builtin', '{"max_attempts": 3, "backoff": "exponential"}'::jsonb, 1.5, now(), now(), 'queued', true, 1)
  RETURNING id, tenant_id, user_id, handler, task_type, status, event_seq),
exec AS (INSERT INTO que.task_executions (tenant_id, task_row, execution_id, run_id, attempt, user_id, status, trigger_type, queued_at, turn, handler, task_type, priority, claimable)
  SELECT tenant_id, id, public.uid7(), public.uid7(), 1, user_id, 'queued', 'created', now(), (extract(epoch FROM now()) * 1000000)::bigint, handler, task_type, 5, true FROM def RETURNING task_row, execution_id),
made AS (SELECT d.*, e.execution_id FROM def d JOIN exec e ON e.task_row = d.id),
hist AS (INSERT INTO que.task_history (tenant_id, task_row, event_seq, actor, from_status, to_status, execution_id)
    SELECT tenant_id, id, event_seq - 0, 'worker', NULL, status, execution_id FROM made),
evts AS (INSERT INTO que.outbox_events (tenant_id, task_row, seq, event_id, event_type, payload)
    SELECT tenant_id, id, event_seq - 0, public.uid7(), 'task.created', public.payload(id::text, user_id, status) FROM made)
SELECT id FROM made;
