//! The Task Repository (8503): create, claim, complete and fail, for workers with an API key.

mod document;
mod system;
mod tasks;

use task_domain::Origin;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::common::{Api, Detail, Shape};

pub const API: Api = Api {
    origin: Origin::TaskRepository,
    title: "Task Repository",
    description: "The API of the Task Repository, served by the Task Service. Every call but `/` and `/health` needs `X-API-Key`.",
    routes,
    error: Detail::body,
    redirects_slashes: true,
};

fn routes(config: &mut ServiceConfig<'_>) {
    config.service(tasks::create_task).service(tasks::get_task).service(tasks::delete_task).service(system::card);
}
