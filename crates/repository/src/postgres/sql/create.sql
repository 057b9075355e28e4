-- Saves new tasks: $1 is an array of the documents that save.rs writes. A task whose id is taken
-- has no row in `made`, so nothing of it happens and its number (from 1) is not returned.
WITH input AS MATERIALIZED (
    SELECT c.n, c.doc, c.doc->'task'->>'tenant_id' AS tenant_id, c.doc->'task'->>'task_id' AS task_id
    FROM jsonb_array_elements($1) WITH ORDINALITY AS c(doc, n)
),
made AS (
    INSERT INTO task.user_tasks (
        tenant_id, task_id, user_id, origin, handler, task_type, name, description, config, metadata, tags, labels, attributes,
        priority, schedule, due_date, reminder_time, reminded_at, timeout_seconds, depends_on, retry, original_task_id,
        retry_count, credits_per_run, version, created_at, deleted_at, on_dependency_failure, concurrency_key, max_concurrent, key_id)
    SELECT t.tenant_id, t.task_id, t.user_id, t.origin, t.handler, t.task_type, t.name, t.description, t.config, t.metadata, t.tags, t.labels, t.attributes,
        t.priority, t.schedule, t.due_date, t.reminder_time, t.reminded_at, t.timeout_seconds, t.depends_on, t.retry, t.original_task_id,
        t.retry_count, t.credits_per_run, t.version, t.created_at, t.deleted_at, t.on_dependency_failure, t.concurrency_key, t.max_concurrent, t.key_id
    FROM input AS i
    CROSS JOIN LATERAL jsonb_populate_record(null::task.user_tasks, i.doc->'task') AS t
    ORDER BY i.n
    ON CONFLICT (tenant_id, task_id) DO NOTHING
    RETURNING tenant_id, id, task_id
),
placed AS MATERIALIZED (
    SELECT m.tenant_id, m.id, i.n, i.doc FROM made AS m JOIN input AS i ON i.tenant_id = m.tenant_id AND i.task_id = m.task_id
),
hot AS (
    INSERT INTO task.task_states (
        tenant_id, id, user_id, handler, task_type, priority, status, return_to, claimable, is_active, turn, event_seq, progress_seq,
        next_run_time, schedule_runs, total_credits, run_count, success_count, failure_count, last_run_time, last_success_time,
        last_error, completed_at, updated_at, execution_no, execution_id, run_id, attempt, failures, lost_leases, trigger_type,
        trigger_data, run_at, queued_at, started_at, timeout_at, attempt_created_at, origin, key_id, concurrency_key,
        max_concurrent, limited, parked)
    SELECT p.tenant_id, p.id, s.user_id, s.handler, s.task_type, s.priority, s.status, s.return_to, s.claimable, s.is_active, s.turn, s.event_seq, 0,
        s.next_run_time, s.schedule_runs, s.total_credits, s.run_count, s.success_count, s.failure_count, s.last_run_time, s.last_success_time,
        s.last_error, s.completed_at, s.updated_at, CASE WHEN s.execution_no = 0 THEN nextval('task.execution_no') ELSE s.execution_no END,
        s.execution_id, s.run_id, s.attempt, s.failures, s.lost_leases, s.trigger_type,
        s.trigger_data, s.run_at, s.queued_at, s.started_at, s.timeout_at, s.attempt_created_at, s.origin, s.key_id, s.concurrency_key,
        s.max_concurrent, s.limited, s.parked
    FROM placed AS p
    CROSS JOIN LATERAL jsonb_populate_record(null::task.task_states, p.doc->'state') AS s
),
history AS (
    INSERT INTO task.task_history (tenant_id, task_id, action, actor, from_status, to_status, reason, execution_id, occurred_at)
    SELECT p.tenant_id, p.id, r.action, r.actor, r.from_status, r.to_status, r.reason, r.execution_id, r.occurred_at
    FROM placed AS p
    CROSS JOIN LATERAL jsonb_populate_record(null::task.task_history, p.doc->'history') AS r
    ORDER BY p.n
),
dependencies AS (
    INSERT INTO task.task_dependencies (tenant_id, depends_on, task_id)
    SELECT DISTINCT p.tenant_id, d.depends_on, p.doc->'task'->>'task_id'
    FROM placed AS p
    CROSS JOIN LATERAL jsonb_array_elements_text(p.doc->'task'->'depends_on') AS d(depends_on)
    ON CONFLICT DO NOTHING
),
conversations AS (
    INSERT INTO task.task_conversations (tenant_id, task_id, content, status, created_at, updated_at)
    SELECT p.tenant_id, p.id, c.entry->>'content', c.entry->>'status', t.created_at, t.created_at
    FROM placed AS p
    CROSS JOIN LATERAL jsonb_populate_record(null::task.user_tasks, p.doc->'task') AS t
    CROSS JOIN LATERAL jsonb_array_elements(p.doc->'conversations') WITH ORDINALITY AS c(entry, k)
    ORDER BY p.n, c.k
),
events AS (
    INSERT INTO task.outbox_events (tenant_id, event_id, event_type, task_id, user_id, origin, seq, payload, occurred_at)
    SELECT e.tenant_id, e.event_id, e.event_type, e.task_id, e.user_id, e.origin, e.seq, e.payload, e.occurred_at
    FROM placed AS p
    CROSS JOIN LATERAL jsonb_populate_recordset(null::task.outbox_events, p.doc->'events') AS e
    ORDER BY p.n, e.seq
)
SELECT n, id, (doc->'state'->>'turn')::bigint FROM placed
