//! The background loops, supervised.

use std::sync::Arc;

use task_protocols::background::Background;
use task_protocols::{Due, HintBus, OutboxStore};
use task_server::EventFeed;
use task_service::{
    Beat, ClaimDispatcher, Dependencies, EndedTasks, ExecutorPool, Notifier, Pulse, Reaper, Reminders, Retention,
    Scheduler, ServiceError, TrackService, WorkerControl,
};
use tokio_util::sync::CancellationToken;

/// Due tasks that one look of the scheduler takes.
const BATCH: i64 = 200;

pub(crate) fn start_pulse(background: &Background, pulse: Arc<Pulse>) {
    background.supervise("pulse", move |stop| {
        let pulse = Arc::clone(&pulse);
        async move { pulse.run(stop).await }
    });
}

pub(crate) fn start_scheduler(background: &Background, beat: Beat, scheduler: Scheduler) {
    let scheduler = Arc::new(scheduler);
    background.supervise("scheduler", move |stop| {
        let (scheduler, mut beat) = (Arc::clone(&scheduler), beat.clone());
        async move {
            while is_due(&mut beat, &stop, |due| due.schedules).await {
                // A full batch means that more is due: ten thousand daily tasks share one minute.
                loop {
                    match scheduler.tick(BATCH).await {
                        Ok(handled) if handled as i64 >= BATCH && !stop.is_cancelled() => {}
                        outcome => break log("scheduler", outcome.map(drop)),
                    }
                }
            }
        }
    });
}

pub(crate) fn start_reaper(background: &Background, beat: Beat, reaper: Arc<Reaper>) {
    background.supervise("reaper", move |stop| {
        let (reaper, mut beat) = (Arc::clone(&reaper), beat.clone());
        async move {
            while is_due(&mut beat, &stop, |due| due.leases || due.deadlines || due.delayed).await {
                log("reaper", reaper.tick().await.map(drop));
            }
        }
    });
}

/// Lets blocked tasks go on.
pub(crate) fn start_dependencies(background: &Background, beat: Beat, dependencies: Dependencies, ended: EndedTasks) {
    let shared = Arc::new((dependencies, ended));
    background.supervise("dependencies", move |stop| {
        let shared = Arc::clone(&shared);
        let beat = beat.clone();
        async move { shared.0.run(&shared.1, beat, stop).await }
    });
}

pub(crate) fn start_reminders(background: &Background, beat: Beat, reminders: Reminders) {
    let reminders = Arc::new(reminders);
    background.supervise("reminders", move |stop| {
        let (reminders, mut beat) = (Arc::clone(&reminders), beat.clone());
        async move {
            while is_due(&mut beat, &stop, |due| due.reminders).await {
                log("reminders", reminders.tick(BATCH).await.map(drop));
            }
        }
    });
}

pub(crate) fn start_notifier(background: &Background, notifier: Notifier) {
    let notifier = Arc::new(notifier);
    background.supervise("notifier", move |stop| {
        let notifier = Arc::clone(&notifier);
        async move { notifier.run(stop).await }
    });
}

pub(crate) fn start_pool(background: &Background, name: &'static str, pool: ExecutorPool) {
    if pool.is_off() {
        return;
    }
    let pool = Arc::new(pool);
    background.supervise(name, move |stop| {
        let pool = Arc::clone(&pool);
        async move { pool.run(stop).await }
    });
}

/// Claims for the callers that wait.
pub(crate) fn start_claims(background: &Background, claims: ClaimDispatcher) {
    background.supervise("claims", move |stop| {
        let claims = claims.clone();
        async move { claims.run(stop).await }
    });
}

/// Tells workers what is taken from them.
pub(crate) fn start_worker_control(background: &Background, control: Arc<WorkerControl>) {
    background.supervise("worker_control", move |stop| {
        let control = Arc::clone(&control);
        async move { control.run(stop).await }
    });
}

/// Reads published events for the streams of this instance.
pub(crate) fn start_event_feed(
    background: &Background,
    feed: Arc<EventFeed>,
    outbox: Arc<dyn OutboxStore>,
    hints: Arc<dyn HintBus>,
) {
    background.supervise("event_feed", move |stop| {
        let (feed, outbox, hints) = (Arc::clone(&feed), Arc::clone(&outbox), Arc::clone(&hints));
        async move { feed.run(outbox, hints, stop).await }
    });
}

/// Reads for the streams of this instance.
pub(crate) fn start_tracks(background: &Background, tracks: Arc<TrackService>, hints: Arc<dyn HintBus>) {
    background.supervise("tracks", move |stop| {
        let (tracks, hints) = (Arc::clone(&tracks), Arc::clone(&hints));
        async move { tracks.run(hints, stop).await }
    });
}

/// Removes what is older than it is to be kept.
pub(crate) fn start_retention(background: &Background, retention: Retention) {
    let retention = Arc::new(retention);
    background.supervise("retention", move |stop| {
        let retention = Arc::clone(&retention);
        async move { retention.run(stop).await }
    });
}

/// Waits until there is something to do; `false` when it is time to stop.
async fn is_due(beat: &mut Beat, stop: &CancellationToken, concerns: fn(&Due) -> bool) -> bool {
    tokio::select! {
        () = beat.wait(concerns) => true,
        () = stop.cancelled() => false,
    }
}

/// A tick that failed is tried again a second later; the log must not flood meanwhile.
fn log(name: &'static str, outcome: Result<(), ServiceError>) {
    if let Err(error) = outcome {
        tracing::warn!(loop_name = name, error = &error as &dyn std::error::Error, "tick failed; trying again");
    }
}
