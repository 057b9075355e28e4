//! Claims that are repeated because their answer was lost.

use std::collections::HashSet;

use futures::future::join_all;
use task_domain::Task;
use task_domain::decide;
use task_protocols::{ClaimRequest, ClaimTaskRequest, ClaimedTask};

use crate::support::build::{new_task, queued, tenant};
use crate::support::{Stores, claim_this, claim_types, secs, token_of};

fn named(request_id: &str, max_tasks: i64) -> ClaimRequest {
    ClaimRequest { request_id: Some(request_id.into()), ..claim_types(&["garden"], max_tasks) }
}

fn tokens(tasks: &[Task]) -> Vec<(i64, task_domain::LeaseToken)> {
    tasks.iter().map(|task| (task.id, token_of(task))).collect()
}

async fn fill(stores: &Stores, count: usize) {
    for _ in 0..count {
        stores.create(queued()).await;
    }
}

pub(crate) async fn a_claim_repeated_under_its_request_id_gets_the_same_claims_while_they_live(stores: Stores) {
    assert!(stores.executions.claim(&named("r1", 3)).await.unwrap().is_empty());
    fill(&stores, 8).await;
    let first = stores.executions.claim(&named("r1", 3)).await.unwrap();
    assert_eq!(first.len(), 3, "an answer without claims stands for nothing");
    assert_eq!(tokens(&stores.executions.claim(&named("r1", 3)).await.unwrap()), tokens(&first));
    assert_eq!(stores.executions.claim(&named("r1", 2)).await.unwrap().len(), 2, "never more than asked");
    let other = stores.executions.claim(&named("r2", 1)).await.unwrap();
    assert!(!tokens(&first).contains(&tokens(&other)[0]));
    // A heartbeat and an edit of the task leave the claim what it is; what has ended is left out.
    let (kept, token) = (&first[0], token_of(&first[0]));
    stores.executions.heartbeat(&kept.tenant_id, &kept.task_id, token, Some(600)).await.unwrap().unwrap();
    stores.apply(kept, |task, moment| decide::pause(task, None, moment)).await;
    stores.complete(&first[1]).await;
    let token = token_of(&first[2]);
    stores.apply(&first[2], |task, moment| decide::release(task, token, None, secs(0), moment)).await;
    let repeat = stores.executions.claim(&named("r1", 3)).await.unwrap();
    assert_eq!(tokens(&repeat), tokens(&first[..1]));
    stores.complete(&repeat[0]).await;
    let anew = stores.executions.claim(&named("r1", 3)).await.unwrap();
    assert_eq!(anew.len(), 3, "none of the claims lives: it is a claim like any other");
    assert!(tokens(&anew).iter().all(|claim| !tokens(&first).contains(claim)));
}

pub(crate) async fn of_parallel_repeats_one_claims_and_all_get_the_same(stores: Stores) {
    for round in 0..5 {
        fill(&stores, 40).await;
        let id = format!("round {round}");
        let all = join_all((0..8).map(|_| {
            let (stores, request) = (stores.clone(), named(&id, 5));
            async move { tokens(&stores.executions.claim(&request).await.unwrap()) }
        }))
        .await;
        assert_eq!(all[0].len(), 5);
        assert_eq!(all.iter().collect::<HashSet<_>>().len(), 1);
    }
}

pub(crate) async fn a_claim_by_id_repeated_under_its_request_id_gets_the_same_claim(stores: Stores) {
    let task = stores.create(queued()).await;
    let request = ClaimTaskRequest { request_id: Some("r1".into()), ..claim_this(&task) };
    let all = join_all((0..8).map(|_| stores.executions.claim_task(&request))).await;
    let tokens: HashSet<_> = all
        .into_iter()
        .map(|outcome| match outcome.unwrap() {
            ClaimedTask::Claimed(task) => token_of(&task),
            refused => panic!("{refused:?}"),
        })
        .collect();
    assert_eq!(tokens.len(), 1);
    for other in [
        ClaimTaskRequest { request_id: None, ..request.clone() },
        ClaimTaskRequest { request_id: Some("r2".into()), ..request.clone() },
        ClaimTaskRequest { worker_id: "w2".into(), ..request },
    ] {
        assert!(matches!(stores.executions.claim_task(&other).await.unwrap(), ClaimedTask::NotClaimable(_)));
    }
}

pub(crate) async fn a_request_id_stands_for_one_worker_of_one_tenant(stores: Stores) {
    fill(&stores, 4).await;
    stores
        .create(task_domain::decide::NewTask { tenant_id: tenant("other"), run_immediately: true, ..new_task() })
        .await;
    let mine = stores.executions.claim(&named("r1", 2)).await.unwrap();
    let workers = ClaimRequest { worker_id: "w2".into(), ..named("r1", 2) };
    let others = stores.executions.claim(&workers).await.unwrap();
    let tenants = ClaimRequest { tenant_id: Some(tenant("other")), ..named("r1", 2) };
    let theirs = stores.executions.claim(&tenants).await.unwrap();
    let ids: HashSet<_> = mine.iter().chain(&others).chain(&theirs).map(|task| (&task.tenant_id, task.id)).collect();
    assert_eq!((mine.len(), others.len(), theirs.len(), ids.len()), (2, 2, 1, 5));
}

pub(crate) async fn a_repeat_is_given_no_type_that_it_does_not_ask_for(stores: Stores) {
    fill(&stores, 2).await;
    let of_types =
        |types: &[&str]| ClaimRequest { task_types: types.iter().map(|&t| t.into()).collect(), ..named("r1", 9) };
    let garden = stores.executions.claim(&named("r1", 9)).await.unwrap();
    assert!(stores.executions.claim(&of_types(&["kitchen"])).await.unwrap().is_empty());
    stores.create(task_domain::decide::NewTask { task_type: "kitchen".into(), ..queued() }).await;
    let kitchen = stores.executions.claim(&of_types(&["kitchen"])).await.unwrap();
    assert_eq!(kitchen.iter().map(|task| task.task_type.as_str()).collect::<Vec<_>>(), ["kitchen"]);
    assert_eq!(tokens(&stores.executions.claim(&of_types(&["garden"])).await.unwrap()), tokens(&garden));
    assert_eq!(stores.executions.claim(&of_types(&["garden", "kitchen"])).await.unwrap().len(), 3);
}
