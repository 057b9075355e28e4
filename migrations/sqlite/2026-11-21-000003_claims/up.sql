-- What a claim may ask for or be repeated by, and what the overviews of queues count.

-- The API that made the task, so that each drop-in API claims its own work. Never changes.
ALTER TABLE task_states ADD COLUMN origin TEXT NOT NULL DEFAULT 'task_service';
UPDATE task_states
SET origin = (SELECT d.origin FROM user_tasks AS d WHERE d.id = task_states.id);
-- What its worker called the claim that holds the lease; null without a lease.
ALTER TABLE task_states ADD COLUMN claim_request TEXT;

-- Tasks of the canonical API are in neither: they are claimed whatever made them.
CREATE INDEX task_states_claim_builtin_origin ON task_states (origin, priority, turn, id)
    WHERE claimable AND handler = 'builtin' AND origin <> 'task_service';
CREATE INDEX task_states_claim_worker_origin ON task_states (tenant_id, origin, task_type, priority, turn, id)
    WHERE claimable AND handler = 'worker' AND origin <> 'task_service';
CREATE INDEX task_states_claim_request ON task_states (tenant_id, worker_id, claim_request)
    WHERE claim_request IS NOT NULL;

CREATE INDEX task_executions_ended ON task_executions (completed_at);
