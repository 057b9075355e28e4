-- Appends the entries $4 to the progress of task $2 of tenant $1 and extends the lease $3. Of more
-- than $5 entries the oldest go.
WITH held AS (
    UPDATE task.task_states
    SET progress_seq = progress_seq + jsonb_array_length($4),
        lease_expires_at = clock_timestamp() + make_interval(secs => lease_seconds)
    WHERE tenant_id = $1
      AND id = (SELECT id FROM task.user_tasks WHERE tenant_id = $1 AND task_id = $2)
      AND lease_token = $3
      AND lease_expires_at > clock_timestamp()
    RETURNING tenant_id, id, execution_id, progress_seq, lease_expires_at, clock_timestamp() AS at
),
added AS (
    INSERT INTO task.task_progress (tenant_id, task_id, seq_id, execution_id, data, occurred_at)
    SELECT h.tenant_id, h.id, h.progress_seq - jsonb_array_length($4) + e.n, h.execution_id, e.data, h.at
    FROM held AS h
    CROSS JOIN LATERAL jsonb_array_elements($4) WITH ORDINALITY AS e(data, n)
),
trimmed AS (
    DELETE FROM task.task_progress AS p
    USING held AS h
    WHERE p.tenant_id = h.tenant_id AND p.task_id = h.id AND h.progress_seq > $5 AND p.seq_id <= h.progress_seq - $5
)
SELECT progress_seq, at, lease_expires_at FROM held
