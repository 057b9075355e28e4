-- Appends progress and extends leases. Arrays, sorted by task: $1 tenant, $2 task, $3 lease, $4 a
-- list of entries. Of more than $5 entries of a task the oldest go. One whose lease is not current
-- has no row in `held`; rows tell their number from 1.
WITH input AS MATERIALIZED (
    SELECT b.n, b.tenant_id, s.id, b.entries
    FROM unnest($1, $2, $3, $4) WITH ORDINALITY AS b(tenant_id, task_id, token, entries, n)
    CROSS JOIN LATERAL (
        SELECT d.id FROM task.user_tasks AS d WHERE d.tenant_id = b.tenant_id AND d.task_id = b.task_id LIMIT 1
    ) AS d
    -- Locked one after another in the order of the arrays, so that two batches never wait for each other.
    CROSS JOIN LATERAL (
        SELECT s.id FROM task.task_states AS s
        WHERE s.tenant_id = b.tenant_id AND s.id = d.id AND s.lease_token = b.token AND s.lease_expires_at > clock_timestamp()
        FOR NO KEY UPDATE
    ) AS s
),
-- What is locked stays as it was found, so only the key is looked at again.
held AS (
    UPDATE task.task_states AS s
    SET progress_seq = s.progress_seq + jsonb_array_length(i.entries),
        lease_expires_at = clock_timestamp() + make_interval(secs => s.lease_seconds)
    FROM input AS i
    WHERE s.tenant_id = i.tenant_id AND s.id = i.id
    RETURNING i.n, i.entries, s.tenant_id, s.id, s.execution_id, s.progress_seq, s.lease_expires_at, clock_timestamp() AS at
),
added AS (
    INSERT INTO task.task_progress (tenant_id, task_id, seq_id, execution_id, data, occurred_at)
    SELECT h.tenant_id, h.id, h.progress_seq - jsonb_array_length(h.entries) + e.n, h.execution_id, e.data, h.at
    FROM held AS h
    CROSS JOIN LATERAL jsonb_array_elements(h.entries) WITH ORDINALITY AS e(data, n)
),
trimmed AS (
    DELETE FROM task.task_progress AS p
    USING held AS h
    WHERE p.tenant_id = h.tenant_id AND p.task_id = h.id AND h.progress_seq > $5 AND p.seq_id <= h.progress_seq - $5
)
SELECT n, progress_seq, at, lease_expires_at FROM held
