-- The least that a service with an outbox must commit: one task row and one event row.
CREATE TABLE tasks (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id    text        NOT NULL,
    name       text        NOT NULL,
    status     text        NOT NULL,
    config     jsonb       NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE INDEX tasks_by_user ON tasks (user_id, id);
CREATE TABLE events (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    task_id      bigint      NOT NULL,
    payload      jsonb       NOT NULL,
    published_at timestamptz
);
CREATE INDEX events_unpublished ON events (id) WHERE published_at IS NULL;
