-- Saves changes of existing tasks: $1 is an array of task.saved_change, each of another task and sorted by task. A change whose
-- guard does not hold has no row in `hot`, so nothing of it happens and its number (from 1) is not returned.
-- Rows are locked one after another in the order of the array, so that two batches never wait for each other.
-- Not unnest($1): the planner would look at the array, and plan anew for each length.
WITH locked AS MATERIALIZED (
    SELECT i.*
    FROM unnest((SELECT $1::task.saved_change[])) WITH ORDINALITY AS i
    CROSS JOIN LATERAL (
        SELECT FROM task.task_states AS s
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
    FROM locked AS i
    WHERE s.tenant_id = i.tenant_id
      AND s.id = i.id
      AND s.event_seq = i.expected_seq
      AND (i.held IS NULL OR (s.lease_token = i.held AND s.lease_expires_at > clock_timestamp()))
      AND (i.expired IS NULL OR (s.lease_token = i.expired AND s.lease_expires_at <= clock_timestamp()))
    RETURNING i.ordinality, s.tenant_id, s.id, s.turn, s.progress_seq, i.definition, i.finished, i.events,
        i.action, i.actor, i.from_status, i.to_status, i.reason, i.of_execution, i.occurred_at, i.ended
),
