//! Claims that take only what one of the APIs made.

use std::collections::HashSet;

use futures::future::join_all;
use task_domain::decide::NewTask;
use task_domain::types::CONVERSATION;
use task_domain::{Handler, Origin, Priority};
use task_protocols::ClaimRequest;

use crate::support::build::{queued, tenant};
use crate::support::{Stores, claim_of, claim_types};

const ORIGINS: [Origin; 3] = [Origin::TaskService, Origin::TaskRepository, Origin::TaskTracker];

pub(crate) async fn a_claim_of_an_origin_takes_only_what_that_api_made(stores: Stores) {
    for handler in [Handler::Worker, Handler::Builtin] {
        for kinds in [&["garden"][..], &["garden", "kitchen"], &[CONVERSATION]] {
            let mut made = Vec::new();
            for n in 0..12 {
                let new =
                    NewTask { origin: ORIGINS[n % 3], handler, task_type: kinds[n % kinds.len()].into(), ..queued() };
                made.push(stores.create(new).await);
            }
            for origin in ORIGINS {
                let request = ClaimRequest { origin: Some(origin), handler, ..claim_types(kinds, 3) };
                let elsewhere = ClaimRequest { tenant_id: Some(tenant("other")), ..request.clone() };
                assert!(stores.executions.claim(&elsewhere).await.unwrap().is_empty());
                let mut got = Vec::new();
                for _ in 0..3 {
                    got.extend(stores.executions.claim(&request).await.unwrap().iter().map(|task| task.id));
                }
                // Types that were not claimed together have no order among them.
                got.sort_unstable();
                let own: Vec<i64> = made.iter().filter(|task| task.origin == origin).map(|task| task.id).collect();
                assert_eq!(got, own, "{handler} {origin}");
            }
        }
    }
}

/// What such a claim takes or passes over moves nobody else's place to look.
pub(crate) async fn a_claim_of_an_origin_leaves_other_claims_their_order(stores: Stores) {
    let mut wanted = Vec::new();
    for n in 0..9 {
        let new =
            NewTask { origin: ORIGINS[n % 3], priority: [Priority::URGENT, Priority::default()][n % 2], ..queued() };
        let task = stores.create(new).await;
        if task.origin != Origin::TaskTracker {
            wanted.push((task.priority, task.id));
        }
    }
    let tracker = ClaimRequest { origin: Some(Origin::TaskTracker), ..claim_types(&["garden"], 10) };
    assert_eq!(stores.executions.claim(&tracker).await.unwrap().len(), 3);
    wanted.sort_unstable();
    let got: Vec<i64> =
        stores.executions.claim(&claim_types(&["garden"], 10)).await.unwrap().iter().map(|task| task.id).collect();
    assert_eq!(got, wanted.iter().map(|(_, id)| *id).collect::<Vec<_>>());
}

pub(crate) async fn a_builtin_claim_of_an_origin_may_take_every_type(stores: Stores) {
    let mut own = HashSet::new();
    for n in 0..9 {
        let new = NewTask {
            tenant_id: tenant(["a", "b"][n % 2]),
            origin: ORIGINS[n % 3],
            handler: Handler::Builtin,
            task_type: format!("type {n}"),
            ..queued()
        };
        let task = stores.create(new).await;
        if task.origin == Origin::TaskRepository {
            own.insert((task.tenant_id, task.id));
        }
    }
    let request = ClaimRequest {
        tenant_id: None,
        handler: Handler::Builtin,
        origin: Some(Origin::TaskRepository),
        ..claim_types(&[], 10)
    };
    assert!(stores.executions.claim(&ClaimRequest { origin: None, ..request.clone() }).await.unwrap().is_empty());
    let got = stores.executions.claim(&request).await.unwrap();
    assert_eq!(got.into_iter().map(|task| (task.tenant_id, task.id)).collect::<HashSet<_>>(), own);
}

pub(crate) async fn of_parallel_claims_of_an_origin_each_task_has_one_winner(stores: Stores) {
    let new = || NewTask { origin: Origin::TaskTracker, ..queued() };
    let task = stores.create(new()).await;
    for _ in 1..100 {
        stores.create(new()).await;
    }
    let claims = join_all((0..25).map(|n| {
        let (stores, task) = (stores.clone(), &task);
        let request = ClaimRequest {
            origin: Some(Origin::TaskTracker),
            worker_id: format!("w{n}"),
            max_tasks: 4,
            ..claim_of(task)
        };
        async move { stores.executions.claim(&request).await.unwrap() }
    }))
    .await;
    let all: Vec<i64> = claims.into_iter().flatten().map(|task| task.id).collect();
    assert_eq!(all.len(), all.iter().collect::<HashSet<_>>().len(), "never two winners");
    let rest = ClaimRequest { origin: Some(Origin::TaskTracker), max_tasks: 100, ..claim_of(&task) };
    assert_eq!(all.len() + stores.executions.claim(&rest).await.unwrap().len(), 100, "none is lost");
}
