-- :rows queued tasks over 1,000 users, 4 types and the priorities 1, 3, 5, 8; 10,000 running ones; 200,000 for the priority probes.
\set ON_ERROR_STOP on
SET client_min_messages = warning;
SET synchronous_commit = off;
SET maintenance_work_mem = '512MB';
CREATE TEMP TABLE src AS
SELECT i AS id, 'default'::text AS tenant_id,
  ('01900000-0000-7000-8000-' || lpad(to_hex(i), 12, '0')) AS task_id,
  CASE WHEN i <= :rows + 10000 THEN 'user-' || (i % 1000) ELSE 'probe-' || (i % 1000) END AS user_id,
  'type-' || (CASE WHEN i <= :rows + 10000 THEN (i / 7) % 4 ELSE 0 END) AS task_type,
  CASE WHEN i <= :rows THEN 'builtin' WHEN i <= :rows + 10000 THEN 'beat' WHEN i <= :rows + 110000 THEN 'one' ELSE 'ten' END AS handler,
  (CASE WHEN i <= :rows + 10000 THEN (ARRAY[1,3,5,8])[1 + (i / 31) % 4] WHEN i <= :rows + 110000 THEN 5 ELSE 1 + i % 10 END)::smallint AS priority,
  (i > :rows AND i <= :rows + 10000) AS running,
  -- one due task a millisecond, ending now
  (extract(epoch FROM now()) * 1000000)::bigint - (:rows - i::bigint) * 1000 AS turn,
  jsonb_build_object('source', 's3://bucket/prefix/' || md5(i::text), 'format', 'parquet', 'columns', jsonb_build_array('a','b','c','d','e'),
     'notify', true, 'threshold', i % 97, 'callback', 'https://example.org/hooks/' || md5(i::text), 'template', 'weekly-summary',
     'options', jsonb_build_object('retries', 3, 'compress', 'zstd', 'region', 'eu-west-1')) AS config
FROM generate_series(1, :rows + 210000) i;

INSERT INTO bare.q (id, status, priority, run_at) SELECT id, 'queued', priority, to_timestamp(turn / 1e6) FROM src WHERE handler = 'builtin';
SELECT setval('bare.q_id_seq', :rows);

ALTER TABLE wide.user_tasks SET (fillfactor = 70);
ALTER TABLE wide.task_executions SET (fillfactor = 70);
INSERT INTO wide.user_tasks (id, tenant_id, task_id, user_id, origin, name, description, task_type, config, tags, labels, handler, retry,
  credits_per_run, created_at, updated_at, priority, status, claimable, is_active, turn, event_seq, execution_id, run_id, lease_token, lease_expires_at, queued_at)
SELECT id, tenant_id, task_id, user_id, 'task_service', 'Report ' || id, 'Builds the report of one user and sends it to the address on file.', task_type,
  config, ARRAY['report','daily'], '{"team":"data"}', handler, '{"max_attempts":3,"backoff":"exponential"}', 1.5, now(), now(), priority,
  CASE WHEN running THEN 'running' ELSE 'queued' END, NOT running, true, turn, 1, task_id::uuid, task_id::uuid,
  CASE WHEN running THEN md5(id::text)::uuid END, now() + interval '1 day', now() FROM src;
INSERT INTO wide.task_executions (id, tenant_id, task_row, execution_id, run_id, attempt, user_id, status, trigger_type, queued_at)
SELECT id, tenant_id, id, task_id::uuid, task_id::uuid, 1, user_id, CASE WHEN running THEN 'running' ELSE 'queued' END, 'created', now() FROM src;

INSERT INTO hot.user_tasks (id, tenant_id, task_id, user_id, origin, name, description, task_type, config, tags, labels, handler, retry,
  credits_per_run, created_at, updated_at)
SELECT id, tenant_id, task_id, user_id, 'task_service', 'Report ' || id, 'Builds the report of one user and sends it to the address on file.', task_type,
  config, ARRAY['report','daily'], '{"team":"data"}', handler, '{"max_attempts":3,"backoff":"exponential"}', 1.5, now(), now() FROM src;
ALTER TABLE hot.task_states SET (fillfactor = 70);
INSERT INTO hot.task_states (id, tenant_id, user_id, handler, task_type, priority, status, claimable, is_active, turn, event_seq, execution_id, run_id,
  attempt, lease_token, lease_expires_at, queued_at)
SELECT id, tenant_id, user_id, handler, task_type, priority, CASE WHEN running THEN 'running' ELSE 'queued' END, NOT running, true, turn, 1,
  task_id::uuid, task_id::uuid, 0, CASE WHEN running THEN md5(id::text)::uuid END, now() + interval '1 day', now() FROM src;

ALTER TABLE que.user_tasks SET (fillfactor = 70);
ALTER TABLE que.task_executions SET (fillfactor = 70);
INSERT INTO que.user_tasks (id, tenant_id, task_id, user_id, origin, name, description, task_type, config, tags, labels, handler, retry,
  credits_per_run, created_at, updated_at, status, is_active, event_seq)
SELECT id, tenant_id, task_id, user_id, 'task_service', 'Report ' || id, 'Builds the report of one user and sends it to the address on file.', task_type,
  config, ARRAY['report','daily'], '{"team":"data"}', handler, '{"max_attempts":3,"backoff":"exponential"}', 1.5, now(), now(),
  CASE WHEN running THEN 'running' ELSE 'queued' END, true, 1 FROM src;
INSERT INTO que.task_executions (id, tenant_id, task_row, execution_id, run_id, attempt, user_id, status, trigger_type, queued_at, turn, handler, task_type,
  priority, claimable, lease_token, lease_expires_at)
SELECT id, tenant_id, id, task_id::uuid, task_id::uuid, 1, user_id, CASE WHEN running THEN 'running' ELSE 'queued' END, 'created', now(), turn, handler,
  task_type, priority, NOT running, CASE WHEN running THEN md5(id::text)::uuid END, now() + interval '1 day' FROM src;

SELECT setval(pg_get_serial_sequence(t, 'id'), :rows + 300000)
FROM unnest(ARRAY['wide.user_tasks','wide.task_executions','hot.user_tasks','que.user_tasks','que.task_executions']) t;

CREATE INDEX q_claim ON bare.q (priority, run_at, id) WHERE status = 'queued';

ALTER TABLE wide.user_tasks ADD PRIMARY KEY (tenant_id, id);
CREATE UNIQUE INDEX ON wide.user_tasks (tenant_id, task_id);
CREATE INDEX ON wide.user_tasks (tenant_id, user_id, id);
CREATE INDEX ON wide.user_tasks (tenant_id, handler, task_type, priority, turn, id) WHERE claimable;
CREATE INDEX ON wide.user_tasks (tenant_id, id) WHERE lease_token IS NOT NULL;
CREATE INDEX ON wide.user_tasks (tenant_id, user_id) WHERE is_active;
CREATE INDEX ON wide.user_tasks (next_run_time) WHERE status = 'scheduled';
ALTER TABLE wide.task_executions ADD PRIMARY KEY (tenant_id, id);
CREATE UNIQUE INDEX ON wide.task_executions (tenant_id, execution_id);
CREATE INDEX ON wide.task_executions (tenant_id, task_row, id);

ALTER TABLE hot.user_tasks ADD PRIMARY KEY (tenant_id, id);
CREATE UNIQUE INDEX ON hot.user_tasks (tenant_id, task_id);
CREATE INDEX ON hot.user_tasks (tenant_id, user_id, id);
ALTER TABLE hot.task_states ADD PRIMARY KEY (tenant_id, id);
CREATE INDEX ON hot.task_states (tenant_id, handler, task_type, priority, turn, id) WHERE claimable;
CREATE INDEX ON hot.task_states (tenant_id, id) WHERE lease_token IS NOT NULL;
CREATE INDEX ON hot.task_states (tenant_id, user_id) WHERE is_active;
CREATE INDEX ON hot.task_states (next_run_time) WHERE status = 'scheduled';
ALTER TABLE hot.task_executions ADD PRIMARY KEY (tenant_id, id);
CREATE UNIQUE INDEX ON hot.task_executions (tenant_id, execution_id);
CREATE INDEX ON hot.task_executions (tenant_id, task_row, id);

ALTER TABLE que.user_tasks ADD PRIMARY KEY (tenant_id, id);
CREATE UNIQUE INDEX ON que.user_tasks (tenant_id, task_id);
CREATE INDEX ON que.user_tasks (tenant_id, user_id, id);
CREATE INDEX ON que.user_tasks (tenant_id, user_id) WHERE is_active;
-- not on status, so that queued -> running stays a HOT update of this row
CREATE INDEX ON que.user_tasks (next_run_time) WHERE next_run_time IS NOT NULL;
ALTER TABLE que.task_executions ADD PRIMARY KEY (tenant_id, id);
CREATE UNIQUE INDEX ON que.task_executions (tenant_id, execution_id);
CREATE INDEX ON que.task_executions (tenant_id, task_row, id);
CREATE INDEX ON que.task_executions (tenant_id, handler, task_type, priority, turn, id) WHERE claimable;
CREATE INDEX ON que.task_executions (tenant_id, id) WHERE lease_token IS NOT NULL;

DO $$ DECLARE t text; BEGIN FOREACH t IN ARRAY ARRAY['bare.q','wide.user_tasks','wide.task_executions','hot.task_states','que.user_tasks','que.task_executions'] LOOP
  EXECUTE 'ALTER TABLE ' || t || ' SET (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000, '
    'autovacuum_analyze_scale_factor = 0.05, autovacuum_vacuum_cost_limit = 2000)'; END LOOP; END $$;
VACUUM (ANALYZE);
CHECKPOINT;
