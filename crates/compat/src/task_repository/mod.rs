//! The Task Repository (8503): create, claim, complete and fail, for workers with an API key.

mod document;
mod list;
mod system;
mod tasks;
mod update;
mod work;

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
    config
        .service(tasks::create_task)
        .service(list::list_tasks)
        .service(list::list_pending_tasks)
        .service(tasks::get_task)
        .service(update::put_task)
        .service(update::patch_status)
        .service(update::post_status)
        .service(tasks::delete_task)
        .service(work::claim_task)
        .service(work::complete_task)
        .service(work::fail_task)
        .service(system::stats)
        .service(system::health)
        .service(system::card)
        .service(system::api_card);
}
