//! SeedCore (8000): tasks that an organism or a worker runs, and facts.

mod facts;
mod system;
mod task;
mod tasks;

use task_domain::Origin;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::common::{Api, Detail, Shape};

pub const API: Api = Api {
    origin: Origin::Seedcore,
    title: "SeedCore",
    description: "The API of SeedCore, served by the Task Service. Queued tasks go to the configured organism, or wait for a worker of their type.",
    routes,
    error: Detail::body,
    redirects_slashes: true,
};

fn routes(config: &mut ServiceConfig<'_>) {
    config
        .service(tasks::create_task)
        .service(tasks::list_tasks)
        .service(tasks::get_task)
        .service(tasks::run_task)
        .service(tasks::cancel_task)
        .service(tasks::get_task_status)
        .service(facts::create_fact)
        .service(facts::search_facts)
        .service(facts::get_fact)
        .service(facts::patch_fact)
        .service(facts::delete_fact)
        .service(system::health)
        .service(system::card);
}
