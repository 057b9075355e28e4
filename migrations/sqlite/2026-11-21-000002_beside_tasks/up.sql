-- What stands beside the tasks: templates, conversations, facts, keys, and what makes repeats safe.

-- The same for every tenant: they come with the service.
CREATE TABLE task_templates (
    id                          INTEGER           NOT NULL PRIMARY KEY AUTOINCREMENT,
    template_id                 TEXT             NOT NULL UNIQUE,
    name                        TEXT             NOT NULL,
    description                 TEXT,
    category                    TEXT             NOT NULL,
    task_type                   TEXT             NOT NULL,
    default_config              TEXT             NOT NULL,
    required_fields             TEXT             NOT NULL,
    optional_fields             TEXT             NOT NULL,
    config_schema               TEXT,
    required_subscription_level TEXT             NOT NULL,
    credits_per_run             DOUBLE           NOT NULL,
    tags                        TEXT             NOT NULL,
    metadata                    TEXT,
    is_active                   BOOLEAN          NOT NULL,
    created_at                  BIGINT           NOT NULL,
    updated_at                  BIGINT           NOT NULL
);
INSERT INTO task_templates (template_id, name, description, category, task_type, default_config, required_fields, optional_fields, required_subscription_level, credits_per_run, tags, is_active, created_at, updated_at) VALUES
    ('tpl_todo_basic', 'Basic Todo', 'A todo with a due date', 'productivity', 'todo', '{"priority": "medium"}', '["name", "due_date"]', '["description", "tags"]', 'free', 0, '[]', true, CAST(strftime('%s', 'now') AS INTEGER) * 1000000, CAST(strftime('%s', 'now') AS INTEGER) * 1000000),
    ('tpl_reminder_simple', 'Simple Reminder', 'A reminder at a given time', 'productivity', 'reminder', '{"notification_type": "in_app"}', '["name", "reminder_time"]', '["description"]', 'free', 0.1, '[]', true, CAST(strftime('%s', 'now') AS INTEGER) * 1000000, CAST(strftime('%s', 'now') AS INTEGER) * 1000000),
    ('tpl_daily_weather', 'Daily Weather Report', 'The weather of a place, every day', 'monitoring', 'daily_weather', '{"time": "08:00", "location": "auto"}', '["location"]', '["units", "time"]', 'free', 0.5, '[]', true, CAST(strftime('%s', 'now') AS INTEGER) * 1000000, CAST(strftime('%s', 'now') AS INTEGER) * 1000000),
    ('tpl_daily_news', 'Daily News Digest', 'The news of some categories, every day', 'monitoring', 'daily_news', '{"categories": ["tech", "business"], "time": "09:00"}', '["categories"]', '["sources", "time"]', 'basic', 1.0, '[]', true, CAST(strftime('%s', 'now') AS INTEGER) * 1000000, CAST(strftime('%s', 'now') AS INTEGER) * 1000000),
    ('tpl_calendar_event', 'Calendar Event', 'An event in the calendar', 'calendar', 'calendar_event', '{"reminder_before": 15, "recurring": false}', '["name", "start_time", "end_time"]', '["location", "attendees", "recurring"]', 'basic', 0.2, '[]', true, CAST(strftime('%s', 'now') AS INTEGER) * 1000000, CAST(strftime('%s', 'now') AS INTEGER) * 1000000),
    ('tpl_price_tracker', 'Price Tracker', 'Watches the price of a product', 'monitoring', 'price_tracker', '{"check_interval": "daily", "alert_threshold": 10}', '["product_url", "target_price"]', '["check_interval", "alert_threshold"]', 'pro', 2.0, '[]', true, CAST(strftime('%s', 'now') AS INTEGER) * 1000000, CAST(strftime('%s', 'now') AS INTEGER) * 1000000),
    ('tpl_news_monitor', 'News Monitor', 'Watches the news for keywords', 'monitoring', 'news_monitor', '{"check_interval": "hourly", "notification": "email"}', '["keywords"]', '["sources", "check_interval", "notification"]', 'pro', 3.0, '[]', true, CAST(strftime('%s', 'now') AS INTEGER) * 1000000, CAST(strftime('%s', 'now') AS INTEGER) * 1000000),
    ('tpl_weather_alert', 'Weather Alert', 'Watches the weather of a place', 'alerts', 'weather_alert', '{"severity": ["warning", "watch"], "location": "auto"}', '["location"]', '["severity", "notification"]', 'pro', 1.5, '[]', true, CAST(strftime('%s', 'now') AS INTEGER) * 1000000, CAST(strftime('%s', 'now') AS INTEGER) * 1000000),
    ('tpl_custom_webhook', 'Custom Webhook', 'Calls a URL on a schedule', 'custom', 'custom', '{"method": "POST", "headers": {}}', '["webhook_url", "schedule"]', '["method", "headers", "body"]', 'enterprise', 5.0, '[]', true, CAST(strftime('%s', 'now') AS INTEGER) * 1000000, CAST(strftime('%s', 'now') AS INTEGER) * 1000000);

CREATE TABLE task_conversations (
    tenant_id  TEXT        NOT NULL,
    id         INTEGER     NOT NULL PRIMARY KEY AUTOINCREMENT,
    task_id    BIGINT      NOT NULL,
    content    TEXT        NOT NULL,
    status     TEXT        NOT NULL,
    created_at BIGINT      NOT NULL,
    updated_at BIGINT      NOT NULL
);
CREATE INDEX task_conversations_by_task ON task_conversations (tenant_id, task_id, id);

CREATE TABLE facts (
    tenant_id  TEXT        NOT NULL,
    id         TEXT        NOT NULL,
    -- Null: made by a key, the tenant's.
    user_id    TEXT,
    text       TEXT        NOT NULL,
    tags       TEXT        NOT NULL,
    meta_data  TEXT        NOT NULL,
    created_at BIGINT      NOT NULL,
    updated_at BIGINT      NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX facts_by_owner ON facts (tenant_id, user_id, created_at DESC, id DESC);
-- What a repeated create is answered with.
CREATE TABLE idempotency_keys (
    tenant_id   TEXT        NOT NULL,
    caller      TEXT        NOT NULL,
    key         TEXT        NOT NULL,
    fingerprint TEXT        NOT NULL,
    task_id     TEXT        NOT NULL,
    created_at  BIGINT      NOT NULL,
    PRIMARY KEY (tenant_id, caller, key)
);
CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at);

-- In-bound events that were handled.
CREATE TABLE inbox_events (
    event_id    TEXT        PRIMARY KEY,
    subject     TEXT        NOT NULL,
    received_at BIGINT      NOT NULL
);
CREATE INDEX inbox_events_age ON inbox_events (received_at);

CREATE TABLE api_keys (
    tenant_id    TEXT        NOT NULL,
    id           TEXT        NOT NULL,
    name         TEXT        NOT NULL,
    secret_hash  TEXT        NOT NULL,
    scopes       TEXT        NOT NULL,
    task_types   TEXT        NOT NULL,
    created_at   BIGINT      NOT NULL,
    expires_at   BIGINT     ,
    revoked_at   BIGINT     ,
    last_used_at BIGINT     ,
    PRIMARY KEY (tenant_id, id)
);
-- A key is found before its tenant is known.
CREATE UNIQUE INDEX api_keys_id ON api_keys (id);

-- A user's subscription level, as last heard of.
CREATE TABLE user_limits (
    tenant_id          TEXT        NOT NULL,
    user_id            TEXT        NOT NULL,
    -- From `subscription.changed`, which wins; and when that happened.
    event_level        TEXT,
    event_at           BIGINT     ,
    -- From the gateway's header.
    gateway_level      TEXT,
    updated_at         BIGINT      NOT NULL,
    PRIMARY KEY (tenant_id, user_id)
);

-- Retention looks for what is old.
CREATE INDEX user_tasks_deleted ON user_tasks (deleted_at) WHERE deleted_at IS NOT NULL;
CREATE INDEX task_states_ended ON task_states (completed_at) WHERE completed_at IS NOT NULL;
CREATE INDEX user_tasks_reminder ON user_tasks (reminder_time)
    WHERE reminder_time IS NOT NULL AND reminded_at IS NULL AND deleted_at IS NULL;
