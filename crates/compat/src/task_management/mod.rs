//! Task Management (12000): tasks with conversations, processed in the background.

mod system;

use task_domain::Origin;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::common::{Api, Detail, Shape};

pub const API: Api = Api {
    origin: Origin::TaskManagement,
    title: "Task Management",
    description: "The API of Task Management, served by the Task Service.",
    routes,
    error: Detail::body,
    redirects_slashes: true,
};

fn routes(config: &mut ServiceConfig<'_>) {
    config.service(system::health);
}
