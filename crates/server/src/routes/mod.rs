//! The routes, one file for each kind of thing.

use std::time::Duration;

pub(crate) mod analytics;
pub(crate) mod conversations;
pub(crate) mod events;
pub(crate) mod executions;
pub(crate) mod facts;
pub(crate) mod keys;
pub(crate) mod query;
pub(crate) mod system;
pub(crate) mod tasks;
pub(crate) mod templates;
pub(crate) mod workers;

use utoipa_actix_web::service_config::ServiceConfig;

/// Longest wait of an `execute` for its outcome.
const EXECUTE_WAIT: Duration = Duration::from_secs(30);

/// Every route of the canonical API, collected into the OpenAPI document as it is registered. A request is compared with one after
/// another, so those that come most often stand first.
pub(crate) fn configure(config: &mut ServiceConfig<'_>) {
    config
        .service(tasks::create::create_task)
        .service(workers::claim::claim_tasks)
        .service(workers::report::complete)
        .service(workers::lease::heartbeat)
        .service(workers::lease::progress)
        .service(workers::batch::complete_batch)
        .service(workers::batch::heartbeat_batch)
        .service(tasks::get::get_task)
        .service(tasks::batch::create_batch)
        .service(tasks::from_template::create_from_template)
        .service(tasks::list::list_tasks)
        .service(tasks::update::put_task)
        .service(tasks::update::patch_task)
        .service(tasks::delete::delete_task)
        .service(tasks::commands::cancel_task)
        .service(tasks::commands::pause_task)
        .service(tasks::commands::resume_task)
        .service(tasks::commands::retry_task)
        .service(tasks::explain::explain_task)
        .service(tasks::record::get_status)
        .service(tasks::record::list_history)
        .service(tasks::record::list_progress)
        .service(tasks::track::track_task)
        .service(executions::execute_task)
        .service(executions::list_executions)
        .service(executions::get_execution)
        .service(conversations::create_conversation)
        .service(conversations::list_conversations)
        .service(conversations::get_conversation)
        .service(conversations::put_conversation)
        .service(conversations::delete_conversation)
        .service(templates::list_templates)
        .service(templates::get_template)
        .service(analytics::get_analytics)
        .service(facts::create_fact)
        .service(facts::search_facts)
        .service(facts::get_fact)
        .service(facts::patch_fact)
        .service(facts::delete_fact)
        .service(workers::claim::claim_task)
        .service(workers::lease::release)
        .service(workers::report::fail)
        .service(workers::timeouts::process_timeouts)
        .service(workers::control::control)
        .service(workers::overview::list_workers)
        .service(workers::overview::list_queues)
        .service(events::stream_events)
        .service(keys::create_key)
        .service(keys::list_keys)
        .service(keys::revoke_key)
        .service(system::health)
        .service(system::detailed_health)
        .service(system::status)
        .service(system::metrics);
}
