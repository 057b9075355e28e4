//! The Task Tracker (3002): long-running jobs with progress over server-sent events, claim and
//! release, deadlines, retry.

mod cuid2;
mod input;
mod row;
mod shape;
mod tasks;
mod track;
mod work;

use task_domain::Origin;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::common::{Api, Shape};

pub const API: Api = Api {
    origin: Origin::TaskTracker,
    title: "Task Tracker",
    description: "The API of the Task Tracker, served by the Task Service.",
    routes,
    error: shape::Flat::body,
    redirects_slashes: false,
};

fn routes(config: &mut ServiceConfig<'_>) {
    config
        // The fixed words before the ids.
        .service(work::process_timeouts)
        .service(work::claim_next)
        .service(tasks::create_task)
        .service(tasks::create_task_with_slash)
        .service(tasks::get_task)
        .service(tasks::retry_task)
        .service(work::start_task)
        .service(work::complete_task)
        .service(work::fail_task)
        .service(work::time_task_out)
        .service(work::report_progress)
        .service(work::release_task)
        .service(track::track_task);
}
