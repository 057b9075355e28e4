-- Makes queued executions whose run_at has come claimable, or parks those under a limit: $1 to $3 are
-- tenants, tasks and turns. Their lanes, for the watermark.
UPDATE task.task_states AS s
SET claimable = NOT s.limited, parked = s.limited, turn = d.turn
FROM unnest($1, $2, $3) AS d(tenant_id, id, turn)
WHERE s.tenant_id = d.tenant_id AND s.id = d.id
RETURNING s.tenant_id, s.handler, s.task_type, s.priority, s.turn, s.concurrency_key
