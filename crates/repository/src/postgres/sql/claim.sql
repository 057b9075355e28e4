-- Follows what makes `candidates` and `picked`. Leases the picked rows for $7 seconds, in their order
-- to the workers $6, the last of which gets the rest; $9 is what the worker calls this claim, if anything.
moment AS MATERIALIZED (
    SELECT clock_timestamp() AS at
),
claimed AS (
    UPDATE task.task_states AS s
    SET status = 'running',
        claimable = false,
        lease_token = gen_random_uuid(),
        lease_expires_at = m.at + make_interval(secs => $7),
        lease_seconds = $7,
        claim_request = $9,
        worker_id = ($6)[least(array_position(ARRAY(SELECT id FROM picked), s.id), cardinality($6))],
        attempt = s.attempt + 1,
        started_at = m.at,
        event_seq = s.event_seq + 1,
        updated_at = m.at
    FROM moment AS m
    -- Not a join: whatever the planner believes of the number picked, this is an index scan. Ids are
    -- unique over all tenants.
    WHERE s.tenant_id = ANY (ARRAY(SELECT tenant_id FROM picked)) AND s.id = ANY (ARRAY(SELECT id FROM picked))
    RETURNING s.*
),
history AS (
    INSERT INTO task.task_history (tenant_id, task_id, action, actor, from_status, to_status, execution_id, occurred_at, progress_seq)
    SELECT tenant_id, id, 'claim', 'worker:' || worker_id, 'queued', status, execution_id, updated_at, progress_seq FROM claimed
),
-- The payload is what task_domain's Event writes.
events AS (
    INSERT INTO task.outbox_events (tenant_id, event_id, event_type, task_id, user_id, origin, seq, payload, occurred_at)
    SELECT e.tenant_id, e.event_id, 'task.status_changed', e.task_id, e.user_id, e.origin, e.event_seq,
           jsonb_build_object(
               'event_id', e.event_id,
               'tenant_id', e.tenant_id,
               'origin', e.origin,
               'seq', e.event_seq,
               'occurred_at', to_char(e.updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
               'task_id', e.task_id,
               'user_id', e.user_id,
               'task_type', e.task_type,
               'old_status', 'queued',
               'new_status', e.status,
               'execution_id', e.execution_id,
               'reason', null),
           e.updated_at
    FROM (
        SELECT gen_random_uuid() AS event_id, d.task_id, d.task_type, d.origin, c.tenant_id, c.user_id, c.event_seq, c.status, c.execution_id, c.updated_at
        FROM claimed AS c
        JOIN task.user_tasks AS d ON d.tenant_id = c.tenant_id AND d.id = c.id
        OFFSET 0
    ) AS e
)
-- One row at least, so that the caller learns whether there were candidates.
SELECT n.candidates, d.*, c.*
FROM (SELECT count(*) AS candidates FROM candidates) AS n
LEFT JOIN (claimed AS c JOIN task.user_tasks AS d ON d.tenant_id = c.tenant_id AND d.id = c.id) ON true
ORDER BY c.priority, c.turn, c.id
