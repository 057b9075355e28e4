-- What saves send: rows in binary, of types of their own, so that nothing is parsed as JSON. Instances of two versions may
-- run side by side, so none of these types is ever altered: what needs other columns gets a type of another name.
CREATE TYPE task.saved_event AS (
    event_id uuid, event_type text, task_id text, user_id text, origin text, seq bigint, payload jsonb, occurred_at timestamptz);
CREATE TYPE task.saved_execution AS (
    id bigint, execution_id uuid, run_id uuid, attempt integer, failures integer, lost_leases integer, user_id text, status text,
    trigger_type text, trigger_data jsonb, worker_id text, lease_token uuid, lease_expires_at timestamptz, result jsonb,
    error_message text, error_details jsonb, credits_consumed double precision, tokens_used bigint, api_calls_made bigint,
    duration_ms bigint, run_at timestamptz, queued_at timestamptz, started_at timestamptz, completed_at timestamptz,
    timeout_at timestamptz, created_at timestamptz);
-- A change of a task that is there.
CREATE TYPE task.saved_change AS (
    tenant_id text, id bigint, expected_seq bigint, held uuid, expired uuid, completed bigint, moves boolean,
    priority smallint, status text, return_to text, claimable boolean, is_active boolean, turn bigint, event_seq bigint,
    next_run_time timestamptz, schedule_runs bigint, total_credits double precision, run_count bigint, success_count bigint,
    failure_count bigint, last_run_time timestamptz, last_success_time timestamptz, last_error text, completed_at timestamptz,
    updated_at timestamptz, execution_no bigint, execution_id uuid, run_id uuid, attempt integer, failures integer,
    lost_leases integer, trigger_type text, trigger_data jsonb, worker_id text, lease_token uuid, lease_expires_at timestamptz,
    lease_seconds bigint, run_at timestamptz, queued_at timestamptz, started_at timestamptz, timeout_at timestamptz,
    attempt_created_at timestamptz, limited boolean, parked boolean, concurrency_key text, max_concurrent integer,
    action text, actor text, from_status text, to_status text, reason text, of_execution uuid, occurred_at timestamptz, ended text,
    definition jsonb, finished task.saved_execution, events task.saved_event[]);
-- A new task.
CREATE TYPE task.created_task AS (
    tenant_id text, task_id text, user_id text, origin text, handler text, task_type text, name text, description text,
    config jsonb, metadata jsonb, tags jsonb, labels jsonb, attributes jsonb, task_priority smallint, schedule jsonb,
    due_date timestamptz, reminder_time timestamptz, reminded_at timestamptz, timeout_seconds bigint, depends_on jsonb,
    retry jsonb, original_task_id text, retry_count integer, credits_per_run double precision, version bigint,
    created_at timestamptz, deleted_at timestamptz, on_dependency_failure text, concurrency_key text, max_concurrent integer,
    key_id text, claimed_as text,
    priority smallint, status text, return_to text, claimable boolean, is_active boolean, turn bigint, event_seq bigint,
    next_run_time timestamptz, schedule_runs bigint, total_credits double precision, run_count bigint, success_count bigint,
    failure_count bigint, last_run_time timestamptz, last_success_time timestamptz, last_error text, completed_at timestamptz,
    updated_at timestamptz, execution_no bigint, execution_id uuid, run_id uuid, attempt integer, failures integer,
    lost_leases integer, trigger_type text, trigger_data jsonb, worker_id text, lease_token uuid, lease_expires_at timestamptz,
    lease_seconds bigint, run_at timestamptz, queued_at timestamptz, started_at timestamptz, timeout_at timestamptz,
    attempt_created_at timestamptz, limited boolean, parked boolean,
    action text, actor text, from_status text, to_status text, reason text, of_execution uuid, occurred_at timestamptz, ended text,
    conversations jsonb, events task.saved_event[]);

-- Events are found by id while they are unpublished and by position afterwards, by an index each. A third one was written
-- twice an event, when it came and when it was published, and asked by nobody.
ALTER TABLE task.outbox_events DROP CONSTRAINT outbox_events_pkey;
