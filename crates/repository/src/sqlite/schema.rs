//! The tables of `migrations/sqlite`, columns in the same order as on PostgreSQL.

diesel::table! {
    user_tasks (id) {
        tenant_id -> Text,
        id -> BigInt,
        task_id -> Text,
        user_id -> Nullable<Text>,
        origin -> Text,
        handler -> Text,
        task_type -> Text,
        name -> Text,
        description -> Nullable<Text>,
        config -> Text,
        metadata -> Nullable<Text>,
        tags -> Text,
        labels -> Text,
        attributes -> Text,
        priority -> SmallInt,
        schedule -> Nullable<Text>,
        due_date -> Nullable<BigInt>,
        reminder_time -> Nullable<BigInt>,
        reminded_at -> Nullable<BigInt>,
        timeout_seconds -> Nullable<BigInt>,
        depends_on -> Text,
        retry -> Text,
        original_task_id -> Nullable<Text>,
        retry_count -> Integer,
        credits_per_run -> Double,
        version -> BigInt,
        created_at -> BigInt,
        deleted_at -> Nullable<BigInt>,
        on_dependency_failure -> Text,
        concurrency_key -> Nullable<Text>,
        max_concurrent -> Nullable<Integer>,
        key_id -> Nullable<Text>,
    }
}

diesel::table! {
    task_states (tenant_id, id) {
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
        next_run_time -> Nullable<BigInt>,
        schedule_runs -> BigInt,
        total_credits -> Double,
        run_count -> BigInt,
        success_count -> BigInt,
        failure_count -> BigInt,
        last_run_time -> Nullable<BigInt>,
        last_success_time -> Nullable<BigInt>,
        last_error -> Nullable<Text>,
        last_result_execution -> Nullable<BigInt>,
        completed_at -> Nullable<BigInt>,
        updated_at -> BigInt,
        execution_no -> Nullable<BigInt>,
        execution_id -> Nullable<Text>,
        run_id -> Nullable<Text>,
        attempt -> Nullable<Integer>,
        failures -> Nullable<Integer>,
        lost_leases -> Nullable<Integer>,
        trigger_type -> Nullable<Text>,
        trigger_data -> Nullable<Text>,
        worker_id -> Nullable<Text>,
        lease_token -> Nullable<Text>,
        lease_expires_at -> Nullable<BigInt>,
        lease_seconds -> Nullable<BigInt>,
        run_at -> Nullable<BigInt>,
        queued_at -> Nullable<BigInt>,
        started_at -> Nullable<BigInt>,
        timeout_at -> Nullable<BigInt>,
        attempt_created_at -> Nullable<BigInt>,
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
    execution_no (only_row) {
        only_row -> Bool,
        last -> BigInt,
    }
}

diesel::table! {
    task_dependencies (tenant_id, depends_on, task_id) {
        tenant_id -> Text,
        depends_on -> Text,
        task_id -> Text,
    }
}

diesel::table! {
    task_executions (tenant_id, task_id, id) {
        tenant_id -> Text,
        task_id -> BigInt,
        id -> BigInt,
        execution_id -> Text,
        run_id -> Text,
        attempt -> Integer,
        failures -> Integer,
        lost_leases -> Integer,
        user_id -> Nullable<Text>,
        status -> Text,
        trigger_type -> Text,
        trigger_data -> Nullable<Text>,
        worker_id -> Nullable<Text>,
        lease_token -> Nullable<Text>,
        lease_expires_at -> Nullable<BigInt>,
        result -> Nullable<Text>,
        error_message -> Nullable<Text>,
        error_details -> Nullable<Text>,
        credits_consumed -> Double,
        tokens_used -> BigInt,
        api_calls_made -> BigInt,
        duration_ms -> Nullable<BigInt>,
        run_at -> BigInt,
        queued_at -> BigInt,
        started_at -> Nullable<BigInt>,
        completed_at -> Nullable<BigInt>,
        timeout_at -> Nullable<BigInt>,
        created_at -> BigInt,
    }
}

diesel::table! {
    task_history (id) {
        tenant_id -> Text,
        task_id -> BigInt,
        id -> BigInt,
        action -> Text,
        actor -> Text,
        from_status -> Nullable<Text>,
        to_status -> Text,
        reason -> Nullable<Text>,
        execution_id -> Nullable<Text>,
        occurred_at -> BigInt,
        ended -> Nullable<Text>,
        progress_seq -> BigInt,
    }
}

diesel::table! {
    task_progress (tenant_id, task_id, seq_id) {
        tenant_id -> Text,
        task_id -> BigInt,
        seq_id -> BigInt,
        execution_id -> Text,
        data -> Text,
        occurred_at -> BigInt,
    }
}

diesel::table! {
    outbox_events (id) {
        tenant_id -> Text,
        id -> BigInt,
        event_id -> Text,
        event_type -> Text,
        task_id -> Text,
        user_id -> Nullable<Text>,
        origin -> Text,
        seq -> BigInt,
        payload -> Text,
        occurred_at -> BigInt,
        published_at -> Nullable<BigInt>,
        position -> Nullable<BigInt>,
    }
}

diesel::table! {
    outbox_cursor (only_row) {
        only_row -> Bool,
        last_position -> BigInt,
    }
}

diesel::table! {
    task_templates (id) {
        id -> BigInt,
        template_id -> Text,
        name -> Text,
        description -> Nullable<Text>,
        category -> Text,
        task_type -> Text,
        default_config -> Text,
        required_fields -> Text,
        optional_fields -> Text,
        config_schema -> Nullable<Text>,
        required_subscription_level -> Text,
        credits_per_run -> Double,
        tags -> Text,
        metadata -> Nullable<Text>,
        is_active -> Bool,
        created_at -> BigInt,
        updated_at -> BigInt,
    }
}

diesel::table! {
    task_conversations (id) {
        tenant_id -> Text,
        id -> BigInt,
        task_id -> BigInt,
        content -> Text,
        status -> Text,
        created_at -> BigInt,
        updated_at -> BigInt,
    }
}

diesel::table! {
    facts (tenant_id, id) {
        tenant_id -> Text,
        id -> Text,
        user_id -> Nullable<Text>,
        text -> Text,
        tags -> Text,
        meta_data -> Text,
        created_at -> BigInt,
        updated_at -> BigInt,
    }
}

diesel::table! {
    idempotency_keys (tenant_id, caller, key) {
        tenant_id -> Text,
        caller -> Text,
        key -> Text,
        fingerprint -> Text,
        task_id -> Text,
        created_at -> BigInt,
    }
}

diesel::table! {
    inbox_events (event_id) {
        event_id -> Text,
        subject -> Text,
        received_at -> BigInt,
    }
}

diesel::table! {
    api_keys (tenant_id, id) {
        tenant_id -> Text,
        id -> Text,
        name -> Text,
        secret_hash -> Text,
        scopes -> Text,
        task_types -> Text,
        created_at -> BigInt,
        expires_at -> Nullable<BigInt>,
        revoked_at -> Nullable<BigInt>,
        last_used_at -> Nullable<BigInt>,
    }
}

diesel::table! {
    user_limits (tenant_id, user_id) {
        tenant_id -> Text,
        user_id -> Text,
        event_level -> Nullable<Text>,
        event_at -> Nullable<BigInt>,
        gateway_level -> Nullable<Text>,
        updated_at -> BigInt,
    }
}

diesel::allow_tables_to_appear_in_same_query!(
    user_tasks,
    task_dependencies,
    task_conversations,
    task_states,
    task_executions,
    task_history,
    task_progress,
    outbox_events
);
