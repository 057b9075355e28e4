-- Dependencies between tasks, limits on how many run at once, and who takes turns.

ALTER TABLE user_tasks ADD COLUMN on_dependency_failure TEXT NOT NULL DEFAULT 'fail';
-- So many tasks of one key run at once, per tenant.
ALTER TABLE user_tasks ADD COLUMN concurrency_key TEXT;
ALTER TABLE user_tasks ADD COLUMN max_concurrent INTEGER;
-- The API key whose own work it is; null for a user's.
ALTER TABLE user_tasks ADD COLUMN key_id TEXT;

ALTER TABLE task_states ADD COLUMN key_id TEXT;
ALTER TABLE task_states ADD COLUMN concurrency_key TEXT;
ALTER TABLE task_states ADD COLUMN max_concurrent INTEGER;
-- Under a limit: it has a concurrency_key.
ALTER TABLE task_states ADD COLUMN limited BOOLEAN NOT NULL DEFAULT false;
-- Queued and due, but held back from the claims because its limit is reached.
ALTER TABLE task_states ADD COLUMN parked BOOLEAN NOT NULL DEFAULT false;

DROP INDEX task_states_delayed;
CREATE INDEX task_states_delayed ON task_states (run_at) WHERE status = 'queued' AND NOT claimable AND NOT parked;
CREATE INDEX task_states_blocked ON task_states (tenant_id, id) WHERE status = 'blocked';
-- Tasks without a limit are in none of these.
CREATE INDEX task_states_parked_key ON task_states (tenant_id, concurrency_key, priority, turn, id)
    WHERE parked AND concurrency_key IS NOT NULL;
CREATE INDEX task_states_admitted_key ON task_states (tenant_id, concurrency_key)
    WHERE limited AND concurrency_key IS NOT NULL AND (claimable OR lease_token IS NOT NULL);

-- Who waits for whom, by the tasks' names: found from the one that ends. Rows of tasks that do not
-- wait any more are removed when they are met.
CREATE TABLE task_dependencies (
    tenant_id  TEXT NOT NULL,
    depends_on TEXT NOT NULL,
    task_id    TEXT NOT NULL,
    PRIMARY KEY (tenant_id, depends_on, task_id)
);
