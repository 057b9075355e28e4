-- Makes up to $1 queued executions claimable, or parks those under a limit, whose run_at has come; their lanes, for the watermark.
WITH due AS MATERIALIZED (
    SELECT tenant_id, id
    FROM task.task_states
    WHERE status = 'queued' AND NOT claimable AND NOT parked AND run_at <= now()
    ORDER BY run_at
    LIMIT $1
    FOR UPDATE SKIP LOCKED
)
UPDATE task.task_states AS s
SET claimable = NOT s.limited, parked = s.limited, turn = (extract(epoch FROM s.run_at) * 1000000)::bigint
FROM due AS d
WHERE s.tenant_id = d.tenant_id AND s.id = d.id
RETURNING s.tenant_id, s.handler, s.task_type, s.priority, s.turn, s.concurrency_key
