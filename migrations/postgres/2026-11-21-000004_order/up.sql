-- Dependencies between tasks, limits on how many run at once, and who takes turns.

ALTER TABLE task.user_tasks
    ADD COLUMN on_dependency_failure text NOT NULL DEFAULT 'fail',
    -- So many tasks of one key run at once, per tenant.
    ADD COLUMN concurrency_key text,
    ADD COLUMN max_concurrent integer,
    -- The API key whose own work it is; null for a user's.
    ADD COLUMN key_id text;

ALTER TABLE task.task_states
    ADD COLUMN key_id text,
    ADD COLUMN concurrency_key text,
    ADD COLUMN max_concurrent integer,
    -- Under a limit: it has a concurrency_key.
    ADD COLUMN limited boolean NOT NULL DEFAULT false,
    -- Queued and due, but held back from the claims because its limit is reached.
    ADD COLUMN parked boolean NOT NULL DEFAULT false;

DROP INDEX task.task_states_delayed;
CREATE INDEX task_states_delayed ON task.task_states (run_at) WHERE status = 'queued' AND NOT claimable AND NOT parked;
CREATE INDEX task_states_blocked ON task.task_states (tenant_id, id) WHERE status = 'blocked';
-- Tasks without a limit are in none of these.
CREATE INDEX task_states_parked_key ON task.task_states (tenant_id, concurrency_key, priority, turn, id)
    WHERE parked AND concurrency_key IS NOT NULL;
CREATE INDEX task_states_admitted_key ON task.task_states (tenant_id, concurrency_key)
    WHERE limited AND concurrency_key IS NOT NULL AND (claimable OR lease_token IS NOT NULL);

-- Who waits for whom, by the tasks' names: found from the one that ends. Rows of tasks that do not
-- wait any more are removed when they are met.
CREATE TABLE task.task_dependencies (
    tenant_id  text NOT NULL,
    depends_on text NOT NULL,
    task_id    text NOT NULL,
    PRIMARY KEY (tenant_id, depends_on, task_id)
);
