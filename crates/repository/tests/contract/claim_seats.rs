//! Claims of several workers at once, and the question whether there is any work.

use std::collections::{HashMap, HashSet};

use futures::future::join_all;
use task_domain::Handler;
use task_domain::decide::{self, NewTask};
use task_protocols::Seat;

use crate::support::build::{new_task, queued, tenant};
use crate::support::{Stores, claim_types, secs};

fn seats(wanted: &[(&str, i64)]) -> Vec<Seat> {
    wanted.iter().map(|&(worker_id, max_tasks)| Seat { worker_id: worker_id.into(), max_tasks }).collect()
}

pub(crate) async fn a_claim_of_several_workers_serves_them_in_their_order(stores: Stores) {
    let start = stores.now().await - secs(1000);
    let mut made = Vec::new();
    for n in 0..5 {
        made.push(stores.create_at(queued(), start + secs(n)).await.id);
    }
    let wanted = seats(&[("a", 2), ("b", 1), ("a", 1), ("c", 4)]);
    let claimed = stores.executions.claim_seats(&claim_types(&["garden"], 1), &wanted).await.unwrap();
    let got: Vec<_> = claimed
        .iter()
        .map(|task| (task.id, task.current.as_ref().and_then(|e| e.worker_id.clone()).unwrap()))
        .collect();
    let workers = ["a", "a", "b", "a", "c"];
    assert_eq!(got, made.iter().copied().zip(workers.map(str::to_owned)).collect::<Vec<_>>());
    for task in &claimed {
        assert_eq!(stores.load(task).await, *task);
        let history = stores.history.list_history(&task.tenant_id, &task.task_id, 0, 10).await.unwrap();
        let worker = task.current.as_ref().and_then(|e| e.worker_id.clone()).unwrap();
        assert_eq!(history.last().unwrap().entry.actor, format!("worker:{worker}"));
    }
    assert!(stores.executions.claim_seats(&claim_types(&["garden"], 1), &wanted).await.unwrap().is_empty());
}

pub(crate) async fn parallel_claims_of_several_workers_give_nobody_too_much(stores: Stores) {
    let now = stores.now().await;
    let changes: Vec<_> = (0..300)
        .map(|n| {
            let task_type = ["garden", "kitchen"][n % 2].to_owned();
            decide::create(NewTask { task_type, ..queued() }, &crate::support::moment(now)).unwrap()
        })
        .collect();
    join_all(changes.iter().map(|change| stores.save(change))).await;
    let all = join_all((0..8usize).map(|n| {
        let stores = stores.clone();
        async move {
            let names = [format!("{n}a"), format!("{n}b"), format!("{n}c")];
            let wanted = seats(&[(&names[0], 20), (&names[1], 5), (&names[2], 10)]);
            let types = if n % 2 == 0 { &["garden"][..] } else { &["garden", "kitchen"] };
            let claimed = stores.executions.claim_seats(&claim_types(types, 1), &wanted).await.unwrap();
            let mut counts: HashMap<String, i64> = HashMap::new();
            for task in &claimed {
                *counts.entry(task.current.as_ref().unwrap().worker_id.clone().unwrap()).or_default() += 1;
            }
            assert!(wanted.iter().all(|seat| counts.get(&seat.worker_id).copied().unwrap_or(0) <= seat.max_tasks));
            claimed.into_iter().map(|task| task.id).collect::<Vec<_>>()
        }
    }))
    .await;
    let ids: Vec<i64> = all.into_iter().flatten().collect();
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len(), "never two winners");
}

pub(crate) async fn the_types_that_have_work_are_told(stores: Stores) {
    stores.create(queued()).await;
    stores.create(NewTask { tenant_id: tenant("other"), task_type: "kitchen".into(), ..queued() }).await;
    stores.create(NewTask { task_type: "resting".into(), ..new_task() }).await;
    stores.create(NewTask { task_type: "ours".into(), handler: Handler::Builtin, ..queued() }).await;
    let default = task_domain::TenantId::default_tenant();
    let ask: Vec<_> = ["garden", "kitchen", "resting", "ours", "nothing"]
        .iter()
        .flat_map(|name| [(default.clone(), (*name).to_owned()), (tenant("other"), (*name).to_owned())])
        .collect();
    let told: HashSet<_> = stores.executions.claimable_types(&ask).await.unwrap().into_iter().collect();
    assert_eq!(told, HashSet::from([(default, "garden".to_owned()), (tenant("other"), "kitchen".to_owned())]));
    assert!(stores.executions.claimable_types(&[]).await.unwrap().is_empty());
    stores.executions.claim(&claim_types(&["garden"], 1)).await.unwrap();
    let left = stores.executions.claimable_types(&ask).await.unwrap();
    assert_eq!(left, [(tenant("other"), "kitchen".to_owned())]);
}
