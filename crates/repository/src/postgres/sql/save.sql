-- Saves changes of existing tasks: $1 is an array of the documents that save.rs writes, each of
-- another task and sorted by task. A change whose guard does not hold has no row in `hot`, so nothing
-- of it happens and its number (from 1) is not returned.
WITH input AS MATERIALIZED (
    SELECT c.n, c.doc,
           (c.doc->>'expected_seq')::bigint AS expected_seq,
           (c.doc->>'held')::uuid AS held,
           (c.doc->>'expired')::uuid AS expired,
           (c.doc->>'completed')::bigint AS completed,
           (c.doc->>'moves')::boolean AS moves,
           s.*
    FROM jsonb_array_elements($1) WITH ORDINALITY AS c(doc, n)
    CROSS JOIN LATERAL jsonb_populate_record(null::task.task_states, c.doc->'state') AS s
),
-- Rows are locked one after another in the order of the array, so that two batches never wait for each other.
locked AS MATERIALIZED (
    SELECT i.n, s.id
    FROM input AS i
    CROSS JOIN LATERAL (
        SELECT s.id FROM task.task_states AS s
        WHERE s.tenant_id = i.tenant_id AND s.id = i.id AND s.event_seq = i.expected_seq FOR NO KEY UPDATE
    ) AS s
),
-- What belongs to the store or to a concurrent heartbeat or progress entry stays as it stands:
-- progress_seq, and the end of a lease that the change does not end.
hot AS (
    UPDATE task.task_states AS s
    SET priority = i.priority,
        status = i.status,
        return_to = i.return_to,
        claimable = i.claimable,
        is_active = i.is_active,
        -- What is not queued anew keeps its place, unless it changes the lane.
        turn = CASE WHEN i.moves OR s.priority <> i.priority THEN i.turn ELSE s.turn END,
        event_seq = i.event_seq,
        next_run_time = i.next_run_time,
        schedule_runs = i.schedule_runs,
        total_credits = i.total_credits,
        run_count = i.run_count,
        success_count = i.success_count,
        failure_count = i.failure_count,
        last_run_time = i.last_run_time,
        last_success_time = i.last_success_time,
        last_error = i.last_error,
        last_result_execution = coalesce(i.completed, s.last_result_execution),
        completed_at = i.completed_at,
        updated_at = i.updated_at,
        execution_no = CASE
            WHEN s.execution_id = i.execution_id THEN s.execution_no
            WHEN i.execution_no = 0 THEN nextval('task.execution_no')
            ELSE i.execution_no
        END,
        execution_id = i.execution_id,
        run_id = i.run_id,
        attempt = i.attempt,
        failures = i.failures,
        lost_leases = i.lost_leases,
        trigger_type = i.trigger_type,
        trigger_data = i.trigger_data,
        worker_id = i.worker_id,
        lease_token = i.lease_token,
        lease_expires_at = CASE WHEN s.lease_token = i.lease_token THEN s.lease_expires_at ELSE i.lease_expires_at END,
        lease_seconds = CASE WHEN s.lease_token = i.lease_token THEN s.lease_seconds ELSE i.lease_seconds END,
        run_at = i.run_at,
        queued_at = i.queued_at,
        started_at = i.started_at,
        timeout_at = i.timeout_at,
        attempt_created_at = i.attempt_created_at,
        concurrency_key = i.concurrency_key,
        max_concurrent = i.max_concurrent,
        limited = i.limited,
        parked = i.parked,
        claim_request = CASE WHEN s.lease_token = i.lease_token THEN s.claim_request END
    FROM locked AS l
    JOIN input AS i ON i.n = l.n
    WHERE s.tenant_id = i.tenant_id
      AND s.id = i.id
      AND s.event_seq = i.expected_seq
      AND (i.held IS NULL OR (s.lease_token = i.held AND s.lease_expires_at > clock_timestamp()))
      AND (i.expired IS NULL OR (s.lease_token = i.expired AND s.lease_expires_at <= clock_timestamp()))
    RETURNING i.n, i.doc, s.tenant_id, s.id, s.turn, s.progress_seq
),
definition AS (
    UPDATE task.user_tasks AS d
    SET name = t.name,
        description = t.description,
        config = t.config,
        metadata = t.metadata,
        tags = t.tags,
        labels = t.labels,
        attributes = t.attributes,
        priority = t.priority,
        schedule = t.schedule,
        due_date = t.due_date,
        reminder_time = t.reminder_time,
        reminded_at = t.reminded_at,
        timeout_seconds = t.timeout_seconds,
        depends_on = t.depends_on,
        retry = t.retry,
        credits_per_run = t.credits_per_run,
        version = t.version,
        deleted_at = t.deleted_at,
        concurrency_key = t.concurrency_key,
        max_concurrent = t.max_concurrent
    FROM hot AS h
    CROSS JOIN LATERAL jsonb_populate_record(null::task.user_tasks, h.doc->'task') AS t
    WHERE jsonb_typeof(h.doc->'task') = 'object' AND d.tenant_id = h.tenant_id AND d.id = h.id
),
finished AS (
    INSERT INTO task.task_executions (
        tenant_id, task_id, id, execution_id, run_id, attempt, failures, lost_leases, user_id, status, trigger_type,
        trigger_data, worker_id, lease_token, lease_expires_at, result, error_message, error_details, credits_consumed,
        tokens_used, api_calls_made, duration_ms, run_at, queued_at, started_at, completed_at, timeout_at, created_at)
    -- Without a number when the caller never read the task that it had made.
    SELECT h.tenant_id, h.id, coalesce(nullif(e.id, 0), nextval('task.execution_no')), e.execution_id, e.run_id, e.attempt, e.failures, e.lost_leases, e.user_id, e.status, e.trigger_type,
        e.trigger_data, e.worker_id, e.lease_token, e.lease_expires_at, e.result, e.error_message, e.error_details, e.credits_consumed,
        e.tokens_used, e.api_calls_made, e.duration_ms, e.run_at, e.queued_at, e.started_at, e.completed_at, e.timeout_at, e.created_at
    FROM hot AS h
    CROSS JOIN LATERAL jsonb_populate_record(null::task.task_executions, h.doc->'finished') AS e
    WHERE jsonb_typeof(h.doc->'finished') = 'object'
),
history AS (
    INSERT INTO task.task_history (tenant_id, task_id, action, actor, from_status, to_status, reason, execution_id, occurred_at, ended, progress_seq)
    SELECT h.tenant_id, h.id, r.action, r.actor, r.from_status, r.to_status, r.reason, r.execution_id, r.occurred_at, r.ended, h.progress_seq
    FROM hot AS h
    CROSS JOIN LATERAL jsonb_populate_record(null::task.task_history, h.doc->'history') AS r
    ORDER BY h.n
),
-- Ids are given after the rows of `hot` are locked and in this order, so within a task they rise with seq.
events AS (
    INSERT INTO task.outbox_events (tenant_id, event_id, event_type, task_id, user_id, origin, seq, payload, occurred_at)
    SELECT e.tenant_id, e.event_id, e.event_type, e.task_id, e.user_id, e.origin, e.seq, e.payload, e.occurred_at
    FROM hot AS h
    CROSS JOIN LATERAL jsonb_populate_recordset(null::task.outbox_events, h.doc->'events') AS e
    ORDER BY h.n, e.seq
)
SELECT n, id, turn FROM hot
