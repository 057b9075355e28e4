//! The tables of `migrations/postgres`.

diesel::table! {
    task.user_tasks (tenant_id, id) {
        tenant_id -> Text,
        id -> BigInt,
        task_id -> Text,
        user_id -> Nullable<Text>,
        origin -> Text,
        handler -> Text,
        task_type -> Text,
        name -> Text,
        description -> Nullable<Text>,
        config -> Jsonb,
        metadata -> Nullable<Jsonb>,
        tags -> Jsonb,
        labels -> Jsonb,
        attributes -> Jsonb,
        priority -> SmallInt,
        schedule -> Nullable<Jsonb>,
        due_date -> Nullable<Timestamptz>,
        reminder_time -> Nullable<Timestamptz>,
        reminded_at -> Nullable<Timestamptz>,
        timeout_seconds -> Nullable<BigInt>,
        depends_on -> Jsonb,
        retry -> Jsonb,
        original_task_id -> Nullable<Text>,
        retry_count -> Integer,
        credits_per_run -> Double,
        version -> BigInt,
        created_at -> Timestamptz,
        deleted_at -> Nullable<Timestamptz>,
        on_dependency_failure -> Text,
        concurrency_key -> Nullable<Text>,
        max_concurrent -> Nullable<Integer>,
        key_id -> Nullable<Text>,
    }
}

diesel::table! {
    task.task_states (tenant_id, id) {
        tenant_id -> Text,
        id -> BigInt,
        user_id -> Nullable<Text>,
        handler -> Text,
        task_type -> Text,
        priority -> SmallInt,
        status -> Text,
        return_to -> Nullable<Text>,
        claimable -> Bool,
        is_active -> Bool,
        turn -> BigInt,
        event_seq -> BigInt,
        progress_seq -> BigInt,
        next_run_time -> Nullable<Timestamptz>,
        schedule_runs -> BigInt,
        total_credits -> Double,
        run_count -> BigInt,
        success_count -> BigInt,
        failure_count -> BigInt,
        last_run_time -> Nullable<Timestamptz>,
        last_success_time -> Nullable<Timestamptz>,
        last_error -> Nullable<Text>,
        last_result_execution -> Nullable<BigInt>,
        completed_at -> Nullable<Timestamptz>,
        updated_at -> Timestamptz,
        execution_no -> Nullable<BigInt>,
        execution_id -> Nullable<Uuid>,
        run_id -> Nullable<Uuid>,
        attempt -> Nullable<Integer>,
        failures -> Nullable<Integer>,
        lost_leases -> Nullable<Integer>,
        trigger_type -> Nullable<Text>,
        trigger_data -> Nullable<Jsonb>,
        worker_id -> Nullable<Text>,
        lease_token -> Nullable<Uuid>,
        lease_expires_at -> Nullable<Timestamptz>,
        lease_seconds -> Nullable<BigInt>,
        run_at -> Nullable<Timestamptz>,
        queued_at -> Nullable<Timestamptz>,
        started_at -> Nullable<Timestamptz>,
        timeout_at -> Nullable<Timestamptz>,
        attempt_created_at -> Nullable<Timestamptz>,
        origin -> Text,
        claim_request -> Nullable<Text>,
        key_id -> Nullable<Text>,
        concurrency_key -> Nullable<Text>,
        max_concurrent -> Nullable<Integer>,
        limited -> Bool,
        parked -> Bool,
    }
}

diesel::table! {
    task.task_dependencies (tenant_id, depends_on, task_id) {
        tenant_id -> Text,
        depends_on -> Text,
        task_id -> Text,
    }
}

diesel::table! {
    task.task_executions (tenant_id, task_id, id) {
        tenant_id -> Text,
        task_id -> BigInt,
        id -> BigInt,
        execution_id -> Uuid,
        run_id -> Uuid,
        attempt -> Integer,
        failures -> Integer,
        lost_leases -> Integer,
        user_id -> Nullable<Text>,
        status -> Text,
        trigger_type -> Text,
        trigger_data -> Nullable<Jsonb>,
        worker_id -> Nullable<Text>,
        lease_token -> Nullable<Uuid>,
        lease_expires_at -> Nullable<Timestamptz>,
        result -> Nullable<Jsonb>,
        error_message -> Nullable<Text>,
        error_details -> Nullable<Jsonb>,
        credits_consumed -> Double,
        tokens_used -> BigInt,
        api_calls_made -> BigInt,
        duration_ms -> Nullable<BigInt>,
        run_at -> Timestamptz,
        queued_at -> Timestamptz,
        started_at -> Nullable<Timestamptz>,
        completed_at -> Nullable<Timestamptz>,
        timeout_at -> Nullable<Timestamptz>,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    task.task_history (tenant_id, task_id, id) {
        tenant_id -> Text,
        task_id -> BigInt,
        id -> BigInt,
        action -> Text,
        actor -> Text,
        from_status -> Nullable<Text>,
        to_status -> Text,
        reason -> Nullable<Text>,
        execution_id -> Nullable<Uuid>,
        occurred_at -> Timestamptz,
        ended -> Nullable<Text>,
        progress_seq -> BigInt,
    }
}

diesel::table! {
    task.task_progress (tenant_id, task_id, seq_id) {
        tenant_id -> Text,
        task_id -> BigInt,
        seq_id -> BigInt,
        execution_id -> Uuid,
        data -> Jsonb,
        occurred_at -> Timestamptz,
    }
}

diesel::table! {
    // Named as diesel wants one; there is no index of it.
    task.outbox_events (id) {
        tenant_id -> Text,
        id -> BigInt,
        event_id -> Uuid,
        event_type -> Text,
        task_id -> Text,
        user_id -> Nullable<Text>,
        origin -> Text,
        seq -> BigInt,
        payload -> Jsonb,
        occurred_at -> Timestamptz,
        published_at -> Nullable<Timestamptz>,
        position -> Nullable<BigInt>,
    }
}

diesel::table! {
    task.outbox_cursor (only_row) {
        only_row -> Bool,
        last_position -> BigInt,
    }
}

diesel::table! {
    task.task_templates (id) {
        id -> BigInt,
        template_id -> Text,
        name -> Text,
        description -> Nullable<Text>,
        category -> Text,
        task_type -> Text,
        default_config -> Jsonb,
        required_fields -> Jsonb,
        optional_fields -> Jsonb,
        config_schema -> Nullable<Jsonb>,
        required_subscription_level -> Text,
        credits_per_run -> Double,
        tags -> Jsonb,
        metadata -> Nullable<Jsonb>,
        is_active -> Bool,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    task.task_conversations (tenant_id, id) {
        tenant_id -> Text,
        id -> BigInt,
        task_id -> BigInt,
        content -> Text,
        status -> Text,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    task.facts (tenant_id, id) {
        tenant_id -> Text,
        id -> Uuid,
        user_id -> Nullable<Text>,
        text -> Text,
        tags -> Jsonb,
        meta_data -> Jsonb,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    task.idempotency_keys (tenant_id, caller, key) {
        tenant_id -> Text,
        caller -> Text,
        key -> Text,
        fingerprint -> Text,
        task_id -> Text,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    task.inbox_events (event_id) {
        event_id -> Text,
        subject -> Text,
        received_at -> Timestamptz,
    }
}

diesel::table! {
    task.api_keys (tenant_id, id) {
        tenant_id -> Text,
        id -> Text,
        name -> Text,
        secret_hash -> Text,
        scopes -> Jsonb,
        task_types -> Jsonb,
        created_at -> Timestamptz,
        expires_at -> Nullable<Timestamptz>,
        revoked_at -> Nullable<Timestamptz>,
        last_used_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    task.user_limits (tenant_id, user_id) {
        tenant_id -> Text,
        user_id -> Text,
        event_level -> Nullable<Text>,
        event_at -> Nullable<Timestamptz>,
        gateway_level -> Nullable<Text>,
        updated_at -> Timestamptz,
    }
}

diesel::allow_tables_to_appear_in_same_query!(
    user_tasks,
    task_conversations,
    task_states,
    task_executions,
    task_history,
    task_progress,
    outbox_events
);
