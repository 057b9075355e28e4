//! Services, loops and the state of the API.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use task_domain::Origin;
use task_domain::types::{self, CONVERSATION};
use task_protocols::background::Background;
use task_server::{ApiState, EventFeed, Metrics, ServiceInfo};
use task_service::{
    AnalyticsService, ClaimDispatcher, ConversationService, Dependencies, ExecutorPool, ExplainService, FactService,
    InboundEvents, KeyService, LevelSources, Levels, LimitsPolicy, Notifier, OverviewService, PoolConfig, PoolParts,
    Pulse, Reaper, Reminders, Retention, Saver, Scheduler, TaskService, TaskServiceParts, TemplateService,
    TrackService, TrackServiceParts, WorkerControl, WorkerService, endings,
};
use tokio::sync::Semaphore;

use super::engine::Stores;
use super::neighbours::Neighbours;
use super::{Bus, auth, executors, health, inbound, loops};
use crate::config::Settings;
use crate::error::StartError;

/// At shutdown, running executions may finish for so long before they are given back.
const DRAIN: Duration = Duration::from_secs(3);

/// Makes the services, starts the loops in `work` (those that must outlive it in `last`), and hands over what the API needs.
pub(crate) async fn wire(
    settings: &Settings,
    stores: &Stores,
    bus: &Bus,
    instance_id: String,
    work: &Background,
    last: &Background,
) -> Result<ApiState, StartError> {
    let neighbours = Neighbours::of(&settings.neighbours)?;
    let hints = Arc::clone(&bus.hints);
    let (notifier, notices) = Notifier::new(neighbours.notifications.clone(), neighbours.calendar.clone());
    let (endings, ended) = endings();
    let saver = Saver::new(Arc::clone(&stores.tasks), Arc::clone(&hints))
        .with_notices(notices)
        .telling(endings)
        .under(settings.concurrency.type_limits());
    let executors = Arc::new(executors::registry(settings, stores, &neighbours)?);
    let levels = Arc::new(levels(settings, stores, &neighbours, work));
    let dependencies = Dependencies::new(saver.clone(), Arc::clone(&stores.dependencies), Arc::clone(&levels));
    let keys = Arc::new(KeyService::new(Arc::clone(&stores.api_keys), Arc::clone(&stores.tasks), work.clone()));
    let metrics = Metrics::new().map_err(|e| StartError::Internal(e.to_string()))?;
    let handler =
        InboundEvents::new(saver.clone(), Arc::clone(&stores.inbox), Arc::clone(&stores.levels), Arc::clone(&levels));
    inbound::start(&settings.inbound, bus, handler, &metrics, work);
    let tasks = Arc::new(TaskService::new(TaskServiceParts {
        saver: saver.clone(),
        executions: Arc::clone(&stores.executions),
        executors: executors.clone(),
        dependencies: dependencies.clone(),
        levels: Arc::clone(&levels),
        history: Arc::clone(&stores.history),
        progress: Arc::clone(&stores.progress),
        stopping: work.stopping(),
    }));
    let workers = WorkerService::new(saver.clone(), Arc::clone(&stores.executions), Arc::clone(&stores.progress));
    let pool = PoolConfig {
        concurrency: settings.executor.concurrency,
        lease: Duration::from_secs(settings.executor.lease_seconds),
        timeout: Duration::from_secs(settings.executor.timeout_seconds),
        worker_id: format!("builtin-{instance_id}"),
        drain: DRAIN,
        task_types: types::BUILTIN.iter().map(|t| (*t).to_owned()).collect(),
        origin: None,
    };
    let pulse = Arc::new(Pulse::new(Arc::clone(&stores.timed)));
    let parts = PoolParts { workers: workers.clone(), executors, hints: Arc::clone(&hints), beat: pulse.beat() };
    loops::start_scheduler(
        work,
        pulse.beat(),
        Scheduler::new(saver.clone(), Arc::clone(&stores.timed), Arc::clone(&levels)),
    );
    let reminders = Reminders::new(saver.clone(), Arc::clone(&stores.timed), neighbours.notifications);
    loops::start_reminders(work, pulse.beat(), reminders);
    let reaper = Arc::new(Reaper::new(saver, Arc::clone(&stores.timed)));
    loops::start_reaper(work, pulse.beat(), Arc::clone(&reaper));
    let claims = ClaimDispatcher::new(workers.clone(), Arc::clone(&hints), work.clone());
    loops::start_claims(work, claims.clone());
    let control = Arc::new(WorkerControl::new(Arc::clone(&hints)));
    loops::start_worker_control(work, Arc::clone(&control));
    loops::start_notifier(last, notifier);
    loops::start_dependencies(work, pulse.beat(), dependencies, ended);
    for (name, config) in pools(settings, pool) {
        loops::start_pool(work, name, ExecutorPool::new(parts.clone(), work.clone(), config));
    }
    // Last, so that its first look is heard by all.
    loops::start_pulse(work, pulse);
    let retention = settings.retention.config();
    loops::start_retention(work, Retention::new(Arc::clone(&stores.retention), Arc::clone(&stores.outbox), retention));
    let tracks = Arc::new(TrackService::new(TrackServiceParts {
        tasks: Arc::clone(&stores.tasks),
        executions: Arc::clone(&stores.executions),
        tracks: Arc::clone(&stores.tracks),
        keys: Arc::clone(&keys),
        stopping: work.stopping(),
    }));
    loops::start_tracks(work, Arc::clone(&tracks), Arc::clone(&hints));
    let feed = Arc::new(EventFeed::default());
    loops::start_event_feed(work, Arc::clone(&feed), Arc::clone(&stores.outbox), Arc::clone(&hints));
    let info = ServiceInfo {
        name: settings.service.name.clone(),
        version: env!("CARGO_PKG_VERSION"),
        instance_id,
        engine: stores.name,
        bus: bus.name,
        started_at: stores.tasks.now().await?,
        started: Instant::now(),
        executor_concurrency: settings.executor.concurrency,
        executor_pools: BTreeMap::from(pool_sizes(settings)),
    };
    Ok(ApiState {
        templates: Arc::new(TemplateService::new(Arc::clone(&stores.templates), levels)),
        analytics: Arc::new(AnalyticsService::new(Arc::clone(&stores.analytics), Arc::clone(&stores.tasks))),
        conversations: Arc::new(ConversationService::new(Arc::clone(&stores.conversations), Arc::clone(&tasks))),
        explain: ExplainService::new(
            Arc::clone(&tasks),
            Arc::clone(&stores.explain),
            Arc::clone(&stores.dependencies),
            workers.seen().clone(),
        ),
        facts: Arc::new(FactService::new(Arc::clone(&stores.facts), Arc::clone(&stores.tasks))),
        tasks,
        tracks,
        workers,
        claims,
        reaper,
        control,
        overview: OverviewService::new(Arc::clone(&stores.overview)),
        store: Arc::clone(&stores.tasks),
        outbox: Arc::clone(&stores.outbox),
        pools: Arc::clone(&stores.pools),
        dependencies: health::dependencies(settings, stores, bus)?,
        hints,
        feed,
        streams: Arc::new(Semaphore::new(settings.service.max_streams.min(Semaphore::MAX_PERMITS))),
        background: work.clone(),
        auth: auth::config(settings),
        keys,
        info,
        metrics,
    })
}

fn levels(settings: &Settings, stores: &Stores, neighbours: &Neighbours, work: &Background) -> Levels {
    let policy = LimitsPolicy { limits: settings.limits.levels.clone(), default_level: settings.limits.default_level };
    let sources = LevelSources {
        store: Arc::clone(&stores.levels),
        accounts: Arc::clone(&neighbours.accounts),
        background: work.clone(),
    };
    Levels::new(policy, sources)
}

/// Conversations of Task Management are worked at by a pool of their own, so that they neither wait
/// for other tasks nor are in their way; those that the canonical API made by one beside it.
fn pools(settings: &Settings, all: PoolConfig) -> [(&'static str, PoolConfig); 3] {
    let conversations = |origin: Origin, concurrency: usize| PoolConfig {
        concurrency,
        worker_id: format!("{}-{origin}", all.worker_id),
        task_types: vec![CONVERSATION.to_owned()],
        origin: Some(origin),
        ..all.clone()
    };
    let [.., (_, one_by_one)] = pool_sizes(settings);
    let of_others = conversations(Origin::TaskService, all.concurrency);
    let of_task_management = conversations(Origin::TaskManagement, one_by_one);
    let others = all.task_types.iter().filter(|task_type| *task_type != CONVERSATION).cloned().collect();
    [
        ("executor_pool", PoolConfig { task_types: others, ..all }),
        ("conversation_pool", of_others),
        (task_compat::task_management::WORKER, of_task_management),
    ]
}

/// Executions that each pool runs at the same time; an `executor.concurrency` of 0 turns all three off.
fn pool_sizes(settings: &Settings) -> [(&'static str, usize); 3] {
    let most = settings.executor.concurrency;
    let one_by_one = if most == 0 { 0 } else { settings.drop_in.task_management_concurrency };
    [("executor_pool", most), ("conversation_pool", most), (task_compat::task_management::WORKER, one_by_one)]
}
