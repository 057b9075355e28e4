-- What a claim may ask for or be repeated by, and what the overviews of queues count.

-- The API that made the task, so that each drop-in API claims its own work. Never changes.
ALTER TABLE task.task_states ADD COLUMN origin text NOT NULL DEFAULT 'task_service';
UPDATE task.task_states AS s
SET origin = d.origin
FROM task.user_tasks AS d
WHERE d.tenant_id = s.tenant_id AND d.id = s.id AND d.origin <> 'task_service';
-- What its worker called the claim that holds the lease; null without a lease.
ALTER TABLE task.task_states ADD COLUMN claim_request text;

-- Tasks of the canonical API are in neither: they are claimed whatever made them.
CREATE INDEX task_states_claim_builtin_origin ON task.task_states (origin, priority, turn, id)
    WHERE claimable AND handler = 'builtin' AND origin <> 'task_service';
CREATE INDEX task_states_claim_worker_origin ON task.task_states (tenant_id, origin, task_type, priority, turn, id)
    WHERE claimable AND handler = 'worker' AND origin <> 'task_service';
CREATE INDEX task_states_claim_request ON task.task_states (tenant_id, worker_id, claim_request)
    WHERE claim_request IS NOT NULL;

-- Rows are only ever added, in the order of their ends: block ranges tell the last minutes apart
-- and cost next to nothing to keep.
CREATE INDEX task_executions_ended ON task.task_executions USING brin (completed_at)
    WITH (pages_per_range = 32, autosummarize = on);
