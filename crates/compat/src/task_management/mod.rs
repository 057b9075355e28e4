//! Task Management (12000): tasks with conversations, processed in the background.

mod conversations;
mod dto;
mod system;
mod tasks;

use task_domain::Origin;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::common::{Api, Detail, Shape};

/// The background loop that processes its tasks.
pub const WORKER: &str = "task_management_worker";

pub const API: Api = Api {
    origin: Origin::TaskManagement,
    title: "Task Management",
    description: "The API of Task Management, served by the Task Service. Created tasks are processed in the background.",
    routes,
    error: Detail::body,
    redirects_slashes: true,
};

fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(tasks::create_task)
        .service(tasks::list_tasks)
        .service(tasks::get_task)
        .service(tasks::put_task)
        .service(tasks::delete_task)
        .service(conversations::create_conversation)
        .service(conversations::list_conversations)
        .service(conversations::put_conversation)
        .service(system::detailed_health)
        .service(system::health)
        .service(system::get_status)
        .service(system::metrics)
        .service(system::get_info);
}
