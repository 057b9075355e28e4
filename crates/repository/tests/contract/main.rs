//! The promises of the store traits, kept by both engines: every function listed here runs as
//! `sqlite::…` and as `postgres::…`, each on a database of its own.
//!
//! On PostgreSQL the database's clock decides, so what must have run out is saved as of a moment
//! in the past; nothing sleeps.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod analytics;
mod api_keys;
mod claim_origin;
mod claim_repeat;
mod claim_seats;
mod claim_shape;
mod claim_task;
mod claims;
mod concurrency;
mod conversations;
mod delayed;
mod dependencies;
mod drop_ins;
mod encryption;
mod executions;
mod explain;
mod facts;
mod fair_share;
mod fencing;
mod history;
mod idempotency;
mod leases;
mod levels;
mod list;
mod model;
mod outbox;
mod overview;
mod parallel;
mod plans;
mod progress;
mod publishing;
mod quota;
mod retention;
mod save;
mod support;
mod tasks;
mod templates;
mod tenants;
mod timed;
mod track;

/// Makes a test of each engine of every function named. One that is forgotten here is dead code.
macro_rules! contract {
    ($($module:ident: $($promise:ident)+;)+) => {
        mod sqlite {
            $(mod $module {
                $(#[tokio::test(flavor = "multi_thread")]
                async fn $promise() {
                    crate::$module::$promise(crate::support::engines::sqlite().await).await;
                })+
            })+
        }
        mod postgres {
            $(mod $module {
                $(#[tokio::test(flavor = "multi_thread")]
                async fn $promise() {
                    crate::$module::$promise(crate::support::engines::postgres().await).await;
                })+
            })+
        }
    };
}

contract! {
    drop_ins:
        a_task_is_found_by_its_number_in_its_tenant_until_it_is_deleted
        live_tasks_of_an_origin_are_counted_by_status_and_type
        a_list_takes_any_of_several_statuses_most_urgent_first
        a_list_is_filtered_by_texts_among_the_attributes
        the_execution_that_ended_last_is_read_of_many_tasks_at_once
        entries_are_counted_of_a_page_where_it_is_asked_for
        a_task_is_read_with_the_execution_that_ended_last_unless_one_is_under_way
        the_total_of_a_list_is_the_same_on_every_page;
    tasks:
        the_stores_clock_is_utc_with_microseconds_and_goes_forward
        a_created_task_is_found_exactly_as_it_was_decided
        an_edit_of_every_field_is_found_as_decided
        a_task_is_found_with_its_last_result_and_lists_leave_it_out
        what_is_not_there_is_none
        a_deleted_task_is_gone_from_every_read
        a_deleted_task_is_never_due_and_never_claimed
        an_id_is_taken_for_ever_in_its_tenant_and_free_in_another
        of_many_creates_with_one_id_exactly_one_is_saved;
    list:
        a_list_is_newest_first_and_says_whether_more_follow
        every_condition_of_a_filter_must_hold
        tags_labels_texts_and_times_are_found
        every_order_is_total_and_its_pages_fit_together
        a_listed_task_is_what_is_found_but_for_its_last_result
        a_list_shows_the_status_that_is_current
        keyset_pages_neither_skip_nor_repeat_while_200_are_inserted;
    history:
        every_command_leaves_one_entry_in_order
        the_latest_entries_come_newest_first
        the_history_of_another_tenant_or_a_deleted_task_is_not_read;
    save:
        a_saved_change_is_found_with_its_attempt_and_its_events
        a_change_of_a_task_that_moved_meanwhile_is_stale_and_leaves_nothing
        the_same_change_is_saved_once
        a_change_of_a_task_that_never_was_is_stale
        of_concurrent_saves_exactly_one_wins
        a_heartbeat_is_neither_a_conflict_nor_undone
        a_pause_does_not_undo_a_heartbeat_either
        a_progress_entry_is_neither_a_conflict_nor_undone
        a_lease_guard_that_does_not_hold_is_stale
        the_reapers_save_re_checks_the_lease
        an_expired_lease_is_reaped_once;
    claims:
        what_the_organism_does_of_seedcore_is_claimed_as_organism
        sixteen_claimers_share_2000_tasks_with_one_winner_each_and_none_left
        a_cancel_beside_claims_always_wins_in_the_end
        claims_come_by_priority_then_in_the_order_of_queueing
        what_comes_back_below_what_was_claimed_is_not_passed_over
        a_released_task_keeps_its_place
        a_claim_takes_only_the_types_it_names
        the_types_of_a_claim_are_one_queue
        builtin_and_worker_claims_never_take_each_others_work
        a_tenants_claim_takes_its_own_work_and_one_without_a_tenant_takes_any
        only_what_is_queued_is_claimable
        the_lease_of_a_claim_is_as_long_as_asked_by_the_stores_clock;
    fair_share:
        a_late_owners_ten_tasks_do_not_wait_for_2000_of_another
        work_of_another_type_does_not_wait_either
        weights_decide_how_often_an_owner_is_served
        an_owner_has_the_weight_of_its_level
        an_owners_own_tasks_keep_their_order
        delayed_attempts_take_turns_with_what_others_queued
        a_refused_create_costs_its_owner_no_turn;
    claim_task:
        a_task_claimed_by_its_id_is_what_the_domain_decides_and_a_read_finds
        of_parallel_claims_of_one_task_exactly_one_wins
        by_its_id_only_what_is_queued_due_and_of_the_handler_is_claimed
        another_tenants_or_apis_task_is_not_found_by_its_id;
    claim_origin:
        a_claim_of_an_origin_takes_only_what_that_api_made
        a_claim_of_an_origin_leaves_other_claims_their_order
        a_builtin_claim_of_an_origin_may_take_every_type
        of_parallel_claims_of_an_origin_each_task_has_one_winner;
    claim_seats:
        a_claim_of_several_workers_serves_them_in_their_order
        parallel_claims_of_several_workers_give_nobody_too_much
        the_types_that_have_work_are_told;
    overview:
        the_queues_count_what_waits_runs_and_has_ended
        live_leases_are_those_that_have_not_run_out;
    claim_repeat:
        a_claim_repeated_under_its_request_id_gets_the_same_claims_while_they_live
        of_parallel_repeats_one_claims_and_all_get_the_same
        a_claim_by_id_repeated_under_its_request_id_gets_the_same_claim
        a_request_id_stands_for_one_worker_of_one_tenant
        a_repeat_is_given_no_type_that_it_does_not_ask_for;
    delayed:
        a_delayed_attempt_becomes_claimable_when_its_time_has_come
        release_delayed_takes_no_more_than_its_limit_and_nothing_paused;
    claim_shape:
        a_claim_leaves_the_task_and_the_events_that_the_domain_decides
        every_claim_has_its_own_event_id_and_token;
    dependencies:
        a_dependency_tells_how_it_stands
        those_that_wait_are_found_until_they_are_forgotten
        blocked_tasks_are_gone_over_page_by_page;
    concurrency:
        sixteen_claimers_never_hold_more_than_three_of_500_tasks_of_a_key
        tasks_behind_a_full_key_are_claimed
        every_end_of_a_lease_makes_room
        what_is_let_through_and_taken_back_makes_room
        a_delayed_task_waits_for_its_time_and_then_for_room
        each_task_has_its_own_limit_and_they_go_in_order
        a_task_comes_under_a_limit_with_a_run_and_leaves_it_with_another
        a_read_tells_whether_a_claim_may_take_the_task;
    leases:
        a_heartbeat_extends_the_lease_by_its_length_or_as_asked
        a_heartbeat_changes_the_lease_and_nothing_else
        a_heartbeat_of_a_paused_tasks_running_attempt_is_accepted
        an_expired_lease_cannot_be_revived
        a_heartbeat_of_no_current_lease_is_none;
    fencing:
        a_thousand_stale_completes_change_nothing
        a_thousand_stale_failures_change_nothing
        a_thousand_stale_releases_change_nothing
        a_thousand_stale_progress_entries_change_nothing
        a_thousand_stale_heartbeats_change_nothing
        a_thousand_stale_marks_change_no_conversation
        a_zombie_never_wins_over_the_current_holder;
    quota:
        of_1000_parallel_creates_of_one_user_exactly_20_are_saved
        users_and_tenants_have_limits_of_their_own
        finished_and_deleted_tasks_free_their_place_and_reopening_takes_it_again
        an_edit_of_an_active_task_is_not_limited
        of_parallel_executes_exactly_the_daily_limit_is_saved
        the_daily_limit_counts_runs_of_the_user_and_the_day
        the_rate_limit_counts_manual_runs_of_the_task_within_a_minute
        parallel_executes_of_one_task_are_accepted_exactly_to_its_rate;
    progress:
        an_append_stores_its_entries_in_order_and_extends_the_lease
        progress_is_listed_from_a_position_up_to_a_limit
        fifty_parallel_appenders_leave_no_hole
        progress_is_kept_and_goes_on_through_release_further_attempts_and_finish
        an_append_without_the_current_lease_stores_nothing;
    parallel:
        of_200_parallel_creates_of_20_users_each_gets_exactly_its_limit
        creates_that_are_refused_for_their_id_take_nothing_of_the_limit
        of_parallel_completes_exactly_those_with_a_current_token_are_accepted
        of_changes_of_one_task_at_the_same_time_one_is_saved_and_none_is_lost
        a_change_that_cannot_be_stored_fails_alone
        heartbeats_and_progress_of_many_tasks_at_the_same_time_are_told_apart;
    outbox:
        an_empty_outbox_says_so
        unpublished_events_come_by_id_and_of_one_task_by_seq
        positions_are_given_in_the_order_of_the_ids_without_holes
        two_concurrent_markers_leave_no_hole_and_no_position_twice
        two_relays_beside_writers_keep_the_order_of_each_task
        published_events_are_read_from_a_position_up_to_a_limit
        events_are_read_by_tenant_user_and_type
        a_published_event_is_read_as_it_was_decided
        the_last_position_before_a_window_is_found
        a_purge_removes_old_published_events_and_keeps_the_unpublished
        one_relay_at_a_time_holds_the_lock_until_it_is_dropped;
    executions:
        executions_are_listed_newest_first_with_the_current_one
        executions_are_filtered_by_status
        pages_of_executions_go_over_the_current_and_the_finished_ones
        an_execution_is_found_by_its_id_while_active_and_when_finished
        a_number_of_an_execution_stays_when_it_is_claimed_and_finished
        a_token_leads_to_the_execution_that_ended_with_it
        a_token_is_looked_for_among_the_recent_executions;
    timed:
        due_tasks_are_the_scheduled_ones_whose_time_has_come
        expired_leases_are_those_that_ran_out_paused_tasks_included
        runs_past_their_deadline_are_found_queued_running_and_paused
        reminders_are_those_of_tasks_that_are_not_done_each_once
        a_task_that_cannot_be_read_keeps_no_other_waiting
        nothing_is_due_in_an_empty_store;
    api_keys:
        a_key_is_found_exactly_as_it_was_added
        keys_are_listed_by_tenant_oldest_first
        a_key_is_revoked_once_and_only_by_its_tenant
        a_used_key_says_when
        a_store_says_whether_any_key_is_of_use;
    levels:
        a_level_is_known_by_its_source
        the_youngest_event_wins_in_whatever_order_they_come
        a_store_says_whether_it_knows_any_level
        an_inbound_event_is_noted_once;
    retention:
        records_of_ended_tasks_go_and_their_last_result_stays
        old_executions_and_history_go_of_a_recurring_task_too
        much_progress_goes_a_bounded_number_of_entries_at_a_time
        a_reopened_task_keeps_its_progress_until_it_has_ended_again
        deleted_tasks_go_whole_after_their_time
        a_deleted_task_stays_while_another_was_created_to_wait_for_it
        an_ended_task_waits_for_nothing
        what_an_earlier_task_of_that_id_waited_for_is_no_obstacle
        idempotency_keys_and_inbox_ids_go_by_their_age
        a_sweep_reaches_every_tenant_and_touches_no_other_task;
    tenants:
        tasks_of_another_tenant_are_neither_found_nor_listed
        a_change_saved_under_another_tenant_reaches_nothing
        claims_and_leases_stay_in_their_tenant
        executions_of_another_tenant_are_not_read
        progress_of_another_tenant_is_not_read_and_counts_apart
        events_of_another_tenant_are_not_read;
    templates:
        the_nine_templates_come_by_category_and_name;
    conversations:
        an_entry_is_found_as_it_was_added
        entries_come_oldest_first_from_a_position_up_to_a_limit
        an_edit_changes_what_is_given
        a_mark_changes_and_counts_those_with_another_status
        entries_go_one_by_one_and_with_their_task
        a_new_task_has_its_entries_from_the_start_or_is_not_there
        conversations_of_another_tenant_are_neither_read_nor_changed;
    facts:
        a_fact_is_found_as_it_was_added
        a_search_sees_what_its_scope_says
        a_search_finds_parts_of_text_and_metadata_in_either_case
        a_search_takes_pattern_characters_as_they_are
        a_tag_is_found_whole_and_together_with_a_text
        pages_are_newest_first_and_the_total_is_of_all
        an_edit_replaces_only_what_is_given
        facts_of_another_tenant_are_neither_read_nor_changed;
    analytics:
        live_tasks_are_counted_by_status_and_type
        ended_executions_are_summed_by_hour_and_status
        only_the_window_counts
        figures_of_other_users_and_tenants_are_not_counted;
    idempotency:
        of_parallel_creates_under_one_key_exactly_one_is_saved
        a_repeat_tells_the_task_and_the_fingerprint_of_the_first
        a_key_is_its_callers_and_its_tenants_own
        what_was_not_created_leaves_no_key_behind
        a_repeat_is_told_even_when_the_limit_is_used_up
        a_swept_key_is_free_again
        a_key_that_is_swept_at_any_moment_is_repeated_or_free;
    explain:
        a_place_counts_what_a_claim_takes_before_it
        a_parked_task_tells_how_full_its_key_is
        the_activity_of_a_type_is_what_runs_and_ended_lately;
    track:
        a_change_knows_how_many_entries_came_before_it_and_how_the_attempt_ended
        a_completed_attempt_leaves_its_result_a_null_too
        a_page_starts_after_its_position_and_keeps_to_its_limits
        an_edit_is_no_change_of_status_but_moves_the_head
        a_progress_position_knows_the_changes_before_its_entry
        heads_come_in_the_order_asked_and_not_of_what_is_gone
        past_the_most_that_are_kept_the_oldest_entries_go_and_the_numbers_go_on;
    model:
        random_command_sequences_leave_what_the_pure_model_says;
}
