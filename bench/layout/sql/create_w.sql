\set u random(0, 999)
WITH made AS (INSERT INTO wide.user_tasks (tenant_id, task_id, user_id, origin, name, description, task_type, config, tags, labels, handler, retry, credits_per_run, created_at, updated_at, priority, status, claimable, is_active, turn, event_seq, execution_id, run_id, queued_at)
  VALUES ('default', public.uid7()::text, 'user-' || :u::text, 'task_service', 'Report of a user',
    'Builds the report of one user and sends it to the address on file.', 'type-0',
    '{"source": "s3/bucket/prefix/0123456789abcdef", "format": "parquet", "columns": ["a", "b", "c", "d", "e"], "notify": true, "threshold": 7, "callback": "https/example.org/hooks/0123456789abcdef0123456789abcdef", "template": "weekly-summary", "options": {"retries": 3, "compress": "zstd", "region": "eu-west-1"}}'::jsonb,
    ARRAY['report', 'daily'], '{"team": "data"}'::jsonb, 'builtin', '{"max_attempts": 3, "backoff": "exponential"}'::jsonb, 1.5, now(), now(), 5, 'queued', true, true, (extract(epoch FROM now()) * 1000000)::bigint, 1, public.uid7(), public.uid7(), now()) RETURNING *),
exec AS (INSERT INTO wide.task_executions (tenant_id, task_row, execution_id, run_id, attempt, user_id, status, trigger_type, queued_at)
  SELECT tenant_id, id, execution_id, run_id, 1, user_id, 'queued', 'created', now() FROM made),
hist AS (INSERT INTO wide.task_history (tenant_id, task_row, event_seq, actor, from_status, to_status, execution_id)
    SELECT tenant_id, id, event_seq - 0, 'worker', NULL, status, execution_id FROM made),
evts AS (INSERT INTO wide.outbox_events (tenant_id, task_row, seq, event_id, event_type, payload)
    SELECT tenant_id, id, event_seq - 0, public.uid7(), 'task.created', public.payload(id::text, user_id, status) FROM made)
SELECT id FROM made;
