-- The same tables as on PostgreSQL. Instants are microseconds since 1970 (UTC), JSON and UUIDs text.

-- What the owner wrote: read often, changed seldom, never touched by a run.
CREATE TABLE user_tasks (
    tenant_id             TEXT      NOT NULL,
    id                    INTEGER   NOT NULL PRIMARY KEY AUTOINCREMENT,
    task_id               TEXT      NOT NULL,
    user_id               TEXT,
    origin                TEXT      NOT NULL,
    handler               TEXT      NOT NULL,
    task_type             TEXT      NOT NULL,
    name                  TEXT      NOT NULL,
    description           TEXT,
    config                TEXT      NOT NULL,
    metadata              TEXT,
    tags                  TEXT      NOT NULL,
    labels                TEXT      NOT NULL,
    attributes            TEXT      NOT NULL,
    priority              SMALLINT  NOT NULL,
    schedule              TEXT,
    due_date              BIGINT,
    reminder_time         BIGINT,
    reminded_at           BIGINT,
    timeout_seconds       BIGINT,
    depends_on            TEXT      NOT NULL,
    retry                 TEXT      NOT NULL,
    original_task_id      TEXT,
    retry_count           INTEGER   NOT NULL,
    credits_per_run       DOUBLE    NOT NULL,
    version               BIGINT    NOT NULL,
    created_at            BIGINT    NOT NULL,
    deleted_at            BIGINT
);
CREATE UNIQUE INDEX user_tasks_task_id ON user_tasks (tenant_id, task_id);
CREATE INDEX user_tasks_by_user ON user_tasks (tenant_id, user_id, id) WHERE deleted_at IS NULL;

-- Where the task stands and who holds it: one narrow row a task, the only one that claims, leases
-- and heartbeats touch.
CREATE TABLE task_states (
    tenant_id             TEXT      NOT NULL,
    id                    BIGINT    NOT NULL,
    user_id               TEXT,
    handler               TEXT      NOT NULL,
    task_type             TEXT      NOT NULL,
    priority              SMALLINT  NOT NULL,
    status                TEXT      NOT NULL,
    return_to             TEXT,
    -- True exactly while a worker may claim it: queued, due, not held back.
    claimable             BOOLEAN   NOT NULL,
    -- Neither terminal nor deleted: counts against the owner's active_tasks.
    is_active             BOOLEAN   NOT NULL,
    -- Claim order within a priority: microseconds of run_at.
    turn                  BIGINT    NOT NULL,
    event_seq             BIGINT    NOT NULL,
    progress_seq          BIGINT    NOT NULL,
    next_run_time         BIGINT,
    schedule_runs         BIGINT    NOT NULL,
    total_credits         DOUBLE    NOT NULL,
    run_count             BIGINT    NOT NULL,
    success_count         BIGINT    NOT NULL,
    failure_count         BIGINT    NOT NULL,
    last_run_time         BIGINT,
    last_success_time     BIGINT,
    last_error            TEXT,
    last_result_execution BIGINT,
    completed_at          BIGINT,
    updated_at            BIGINT    NOT NULL,
    -- The current attempt, while there is one.
    execution_no          BIGINT,
    execution_id          TEXT,
    run_id                TEXT,
    attempt               INTEGER,
    failures              INTEGER,
    lost_leases           INTEGER,
    trigger_type          TEXT,
    trigger_data          TEXT,
    worker_id             TEXT,
    lease_token           TEXT,
    lease_expires_at      BIGINT,
    lease_seconds         BIGINT,
    run_at                BIGINT,
    queued_at             BIGINT,
    started_at            BIGINT,
    timeout_at            BIGINT,
    attempt_created_at    BIGINT,
    PRIMARY KEY (tenant_id, id)
);
-- One claim index a handler: our executors take any tenant's work, outside workers their own tenant's.
CREATE INDEX task_states_claim_builtin ON task_states (task_type, priority, turn, id) WHERE claimable AND handler = 'builtin';
CREATE INDEX task_states_claim_worker ON task_states (tenant_id, task_type, priority, turn, id) WHERE claimable AND handler = 'worker';
CREATE INDEX task_states_leased ON task_states (tenant_id, id) WHERE lease_token IS NOT NULL;
-- Executions are also looked up by their own id.
CREATE UNIQUE INDEX task_states_execution ON task_states (tenant_id, execution_id) WHERE execution_id IS NOT NULL;
CREATE INDEX task_states_active ON task_states (tenant_id, user_id) WHERE is_active AND user_id IS NOT NULL;
CREATE INDEX task_states_due ON task_states (next_run_time) WHERE status = 'scheduled';
CREATE INDEX task_states_deadline ON task_states (timeout_at) WHERE timeout_at IS NOT NULL;
CREATE INDEX task_states_delayed ON task_states (run_at) WHERE status = 'queued' AND NOT claimable;

-- The last number given to an execution.
CREATE TABLE execution_no (
    only_row              BOOLEAN   NOT NULL PRIMARY KEY DEFAULT true CHECK (only_row),
    last                  BIGINT    NOT NULL
);
INSERT INTO execution_no (last) VALUES (0);

-- Attempts that reached their outcome; rows are only ever added.
CREATE TABLE task_executions (
    tenant_id             TEXT      NOT NULL,
    task_id               BIGINT    NOT NULL,
    id                    BIGINT    NOT NULL,
    execution_id          TEXT      NOT NULL,
    run_id                TEXT      NOT NULL,
    attempt               INTEGER   NOT NULL,
    failures              INTEGER   NOT NULL,
    lost_leases           INTEGER   NOT NULL,
    user_id               TEXT,
    status                TEXT      NOT NULL,
    trigger_type          TEXT      NOT NULL,
    trigger_data          TEXT,
    worker_id             TEXT,
    lease_token           TEXT,
    lease_expires_at      BIGINT,
    result                TEXT,
    error_message         TEXT,
    error_details         TEXT,
    credits_consumed      DOUBLE    NOT NULL,
    tokens_used           BIGINT    NOT NULL,
    api_calls_made        BIGINT    NOT NULL,
    duration_ms           BIGINT,
    run_at                BIGINT    NOT NULL,
    queued_at             BIGINT    NOT NULL,
    started_at            BIGINT,
    completed_at          BIGINT,
    timeout_at            BIGINT,
    created_at            BIGINT    NOT NULL,
    PRIMARY KEY (tenant_id, task_id, id)
);
CREATE UNIQUE INDEX task_executions_execution_id ON task_executions (tenant_id, execution_id);
CREATE INDEX task_executions_by_user ON task_executions (tenant_id, user_id, queued_at) WHERE user_id IS NOT NULL;

CREATE TABLE task_history (
    tenant_id             TEXT      NOT NULL,
    task_id               BIGINT    NOT NULL,
    id                    INTEGER   NOT NULL PRIMARY KEY AUTOINCREMENT,
    action                TEXT      NOT NULL,
    actor                 TEXT      NOT NULL,
    from_status           TEXT,
    to_status             TEXT      NOT NULL,
    reason                TEXT,
    execution_id          TEXT,
    occurred_at           BIGINT    NOT NULL
);
CREATE INDEX task_history_by_task ON task_history (tenant_id, task_id, id);

CREATE TABLE task_progress (
    tenant_id             TEXT      NOT NULL,
    task_id               BIGINT    NOT NULL,
    seq_id                BIGINT    NOT NULL,
    execution_id          TEXT      NOT NULL,
    data                  TEXT      NOT NULL,
    occurred_at           BIGINT    NOT NULL,
    PRIMARY KEY (tenant_id, task_id, seq_id)
);

CREATE TABLE outbox_events (
    tenant_id             TEXT      NOT NULL,
    id                    INTEGER   NOT NULL PRIMARY KEY AUTOINCREMENT,
    event_id              TEXT      NOT NULL,
    event_type            TEXT      NOT NULL,
    task_id               TEXT      NOT NULL,
    user_id               TEXT,
    origin                TEXT      NOT NULL,
    seq                   BIGINT    NOT NULL,
    payload               TEXT      NOT NULL,
    occurred_at           BIGINT    NOT NULL,
    published_at          BIGINT,
    -- Gapless number in the order of publication.
    position              BIGINT
);
CREATE INDEX outbox_events_unpublished ON outbox_events (id) WHERE published_at IS NULL;
CREATE UNIQUE INDEX outbox_events_position ON outbox_events (position) WHERE position IS NOT NULL;

-- The last position given; its row lock makes positions gapless.
CREATE TABLE outbox_cursor (
    only_row              BOOLEAN   PRIMARY KEY DEFAULT true CHECK (only_row),
    last_position         BIGINT    NOT NULL
);
INSERT INTO outbox_cursor (last_position) VALUES (0);
