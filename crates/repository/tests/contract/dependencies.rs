//! What blocked tasks wait for.

use task_domain::decide::{self, DependencyState, NewTask};
use task_domain::{Task, TaskId, TaskStatus, TenantId};

use crate::support::build::{hourly, new_task, queued, task_id, tenant, user};
use crate::support::{Stores, token_of};

async fn blocked(stores: &Stores, on: &[&Task]) -> Task {
    let depends_on = on.iter().map(|task| task.task_id.clone()).collect();
    stores.create(NewTask { depends_on, blocked: true, ..new_task() }).await
}

fn sorted(mut ids: Vec<TaskId>) -> Vec<String> {
    ids.sort_by_key(|id| id.to_string());
    ids.into_iter().map(|id| id.to_string()).collect()
}

fn names(tasks: &[&Task]) -> Vec<String> {
    sorted(tasks.iter().map(|task| task.task_id.clone()).collect())
}

pub(crate) async fn a_dependency_tells_how_it_stands(stores: Stores) {
    let waiting = stores.create(new_task()).await;
    let completed = stores.running(new_task()).await;
    stores.complete(&completed).await;
    let cancelled = stores.create(NewTask { user_id: Some(user("bob")), ..new_task() }).await;
    stores.apply(&cancelled, |task, moment| decide::cancel(task, None, moment)).await;
    let deleted = stores.create(new_task()).await;
    stores.apply(&deleted, decide::delete).await;
    let recurring = stores.running(NewTask { schedule: Some(hourly()), ..new_task() }).await;
    let elsewhere = stores.create(NewTask { tenant_id: tenant("other"), ..queued() }).await;
    let asked = |task: &Task| task.task_id.clone();
    let all = [&waiting, &completed, &cancelled, &deleted, &recurring, &elsewhere];
    let mut ids: Vec<TaskId> = all.map(asked).to_vec();
    ids.push(task_id("never"));
    let here = TenantId::default_tenant();
    let found = stores.dependencies.dependencies(&here, &ids).await.unwrap();
    let state = |task: &Task| found.iter().find(|d| d.task_id == task.task_id).map(|d| d.state);
    assert_eq!(found.len(), 5);
    assert_eq!(state(&waiting), Some(DependencyState::Waiting));
    assert_eq!(state(&completed), Some(DependencyState::Completed));
    assert_eq!(state(&cancelled), Some(DependencyState::Cancelled));
    assert_eq!(state(&deleted), Some(DependencyState::Deleted));
    assert_eq!(state(&recurring), Some(DependencyState::Waiting));
    let bobs = found.iter().find(|d| d.task_id == cancelled.task_id).unwrap();
    assert_eq!((&bobs.user_id, bobs.task_type.as_str()), (&Some(user("bob")), "garden"));
    assert_eq!(bobs.status, TaskStatus::Cancelled);
    let token = token_of(&recurring);
    stores.apply(&recurring, |task, moment| decide::complete(task, token, decide::Report::default(), moment)).await;
    let found = stores.dependencies.dependencies(&here, &[asked(&recurring)]).await.unwrap();
    assert_eq!(found[0].state, DependencyState::Completed, "a run of it has completed");
}

pub(crate) async fn those_that_wait_are_found_until_they_are_forgotten(stores: Stores) {
    let (one, two) = (stores.create(new_task()).await, stores.create(new_task()).await);
    let first = blocked(&stores, &[&one]).await;
    let both = blocked(&stores, &[&one, &two]).await;
    assert!(stores.timed.due().await.unwrap().blocked);
    let here = TenantId::default_tenant();
    let waiting = async |ended: &[&Task]| {
        let ended: Vec<TaskId> = ended.iter().map(|task| task.task_id.clone()).collect();
        sorted(stores.dependencies.waiting_for(&here, &ended).await.unwrap())
    };
    assert_eq!(waiting(&[&one]).await, names(&[&first, &both]));
    assert_eq!(waiting(&[&two]).await, names(&[&both]));
    assert_eq!(waiting(&[&one, &two]).await, names(&[&first, &both]));
    assert_eq!(waiting(&[&first]).await, [] as [String; 0]);
    let elsewhere = stores.dependencies.waiting_for(&tenant("other"), std::slice::from_ref(&one.task_id)).await;
    assert_eq!(elsewhere.unwrap(), []);
    stores.dependencies.forget(&here, &both.task_id).await.unwrap();
    assert_eq!(waiting(&[&one, &two]).await, names(&[&first]));
}

pub(crate) async fn blocked_tasks_are_gone_over_page_by_page(stores: Stores) {
    let one = stores.create(new_task()).await;
    let mut all = Vec::new();
    for n in 0..5 {
        let depends_on = vec![one.task_id.clone()];
        let tenant_id = tenant(if n % 2 == 0 { "a" } else { "b" });
        all.push(stores.create(NewTask { tenant_id, depends_on, blocked: true, ..new_task() }).await);
    }
    let gone = stores.create(NewTask { tenant_id: tenant("a"), blocked: true, ..new_task() }).await;
    stores.apply(&gone, decide::delete).await;
    let freed = blocked(&stores, &[&one]).await;
    assert_eq!(stores.apply(&freed, decide::unblock).await.status, TaskStatus::Queued);
    let (mut place, mut seen) = (None, Vec::new());
    loop {
        let page = stores.dependencies.blocked_after(place.clone(), 2).await.unwrap();
        let Some(last) = page.last() else { break };
        place = Some((last.tenant_id.clone(), last.id));
        assert!(page.len() <= 2);
        assert!(page.iter().all(|task| task.depends_on == [one.task_id.clone()] && task.user_id == one.user_id));
        seen.extend(page.into_iter().map(|task| task.task_id));
    }
    let wanted: Vec<TaskId> = [0, 2, 4, 1, 3].map(|n: usize| all[n].task_id.clone()).to_vec();
    assert_eq!(seen, wanted);
}
