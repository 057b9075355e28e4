//! What only the drop-in APIs ask for.

use task_domain::decide::{self, NewTask};
use task_domain::{Conversation, Origin, Priority, Task, TaskId, TaskStatus, TenantId};
use task_protocols::{TaskFilter, TaskSort};

use crate::support::Stores;
use crate::support::build::{new_task, object, queued, tenant};

fn of_repository(new: NewTask) -> NewTask {
    NewTask { origin: Origin::TaskRepository, user_id: None, ..new }
}

fn filter() -> TaskFilter {
    TaskFilter { origin: Some(Origin::TaskRepository), ..TaskFilter::of(TenantId::default_tenant()) }
}

pub(crate) async fn a_task_is_found_by_its_number_in_its_tenant_until_it_is_deleted(stores: Stores) {
    let task = stores.running(new_task()).await;
    let task = stores.complete(&task).await;
    let by_number = async |tenant_id: &TenantId| stores.tasks.find_by_number(tenant_id, task.id).await.unwrap();
    let (loaded, entries) = by_number(&task.tenant_id).await.unwrap();
    assert_eq!((loaded.task, entries), (stores.load(&task).await, 0));
    for n in 1..=2 {
        let added = stores.beside.conversations.add_conversation(&task.tenant_id, &task.task_id, "a", "active");
        added.await.unwrap().unwrap();
        assert_eq!(by_number(&task.tenant_id).await.map(|(_, entries)| entries), Some(n));
    }
    assert_eq!(by_number(&tenant("other")).await, None);
    assert_eq!(stores.tasks.find_by_number(&task.tenant_id, task.id + 1).await.unwrap(), None);
    stores.apply(&task, decide::delete).await;
    assert_eq!(by_number(&task.tenant_id).await, None);
}

pub(crate) async fn live_tasks_of_an_origin_are_counted_by_status_and_type(stores: Stores) {
    for _ in 0..2 {
        stores.create(of_repository(queued())).await;
    }
    stores.create(of_repository(NewTask { task_type: "kitchen".into(), ..queued() })).await;
    stores.running(of_repository(new_task())).await;
    let gone = stores.create(of_repository(queued())).await;
    stores.apply(&gone, decide::delete).await;
    let done = stores.running(of_repository(new_task())).await;
    stores.complete(&done).await;
    stores.apply(&done, decide::delete).await;
    stores.apply(&stores.create(of_repository(new_task())).await, decide::delete).await;
    stores.create(queued()).await;
    stores.create(of_repository(NewTask { tenant_id: tenant("other"), ..queued() })).await;
    let ours = TenantId::default_tenant();
    let mut counts = stores.tasks.count_by_status(&ours, Origin::TaskRepository).await.unwrap();
    counts.sort();
    let expected =
        [(TaskStatus::Queued, "garden", 2), (TaskStatus::Queued, "kitchen", 1), (TaskStatus::Running, "garden", 1)];
    assert_eq!(counts, expected.map(|(status, task_type, count)| (status, task_type.to_owned(), count)));
}

pub(crate) async fn a_list_takes_any_of_several_statuses_most_urgent_first(stores: Stores) {
    let with =
        |number: i64, new: NewTask| of_repository(NewTask { priority: Priority::from_number(number).unwrap(), ..new });
    let late = stores.create(with(7, queued())).await;
    let first = stores.create(with(2, new_task())).await;
    let second = stores.create(with(2, queued())).await;
    let running = stores.running(with(1, new_task())).await;
    stores.create(NewTask { priority: Priority::URGENT, ..queued() }).await;
    let list = async |statuses: &[TaskStatus]| {
        let filter = TaskFilter { statuses: statuses.to_vec(), sort: TaskSort::Priority, count: true, ..filter() };
        let page = stores.tasks.list(&filter).await.unwrap();
        assert_eq!(page.total, Some(page.tasks.len() as i64));
        page.tasks.iter().map(|task| task.id).collect::<Vec<_>>()
    };
    assert_eq!(list(&TaskStatus::WAITING).await, [first.id, second.id, late.id]);
    assert_eq!(list(&[TaskStatus::Running]).await, [running.id]);
    assert_eq!(list(&[TaskStatus::Running, TaskStatus::Queued]).await, [running.id, second.id, late.id]);
    assert_eq!(list(&[]).await, [running.id, first.id, second.id, late.id]);
}

pub(crate) async fn a_list_is_filtered_by_texts_among_the_attributes(stores: Stores) {
    let make = async |attributes: serde_json::Value| {
        stores.create(of_repository(NewTask { attributes: object(attributes), ..queued() })).await.id
    };
    let both = make(serde_json::json!({"tenant_id": "acme", "service": "chat"})).await;
    let one = make(serde_json::json!({"tenant_id": "acme", "tags": {"service": "chat"}})).await;
    make(serde_json::json!({"tenant_id": 7})).await;
    let list = async |pairs: &[(&str, &str)]| {
        let attributes = pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        let page = stores.tasks.list(&TaskFilter { attributes, sort: TaskSort::Oldest, ..filter() }).await.unwrap();
        page.tasks.iter().map(|task| task.id).collect::<Vec<_>>()
    };
    assert_eq!(list(&[("tenant_id", "acme")]).await, [both, one]);
    assert_eq!(list(&[("tenant_id", "acme"), ("service", "chat")]).await, [both]);
    assert_eq!(list(&[("tenant_id", "7")]).await, [0_i64; 0]);
}

pub(crate) async fn the_execution_that_ended_last_is_read_of_many_tasks_at_once(stores: Stores) {
    let twice = stores.running(new_task()).await;
    let twice = stores.complete(&twice).await;
    let twice = stores.apply(&twice, |task, moment| decide::set_status(task, TaskStatus::Queued, moment)).await;
    let now = stores.now().await;
    let twice = stores.claim_at(&twice, now, 60).await;
    let twice = stores.complete(&twice).await;
    let never = stores.create(queued()).await;
    let once = stores.running(new_task()).await;
    let once = stores.complete(&once).await;
    let pair = |task: &Task| (task.id, task.task_id.clone());
    let tasks = [pair(&twice), pair(&never), pair(&once)];
    let ended = stores.executions.last_ended(&twice.tenant_id, &tasks).await.unwrap();
    let mut found: Vec<(TaskId, i32)> = ended.iter().map(|e| (e.task_id.clone(), e.attempt)).collect();
    found.sort();
    let mut expected = vec![(twice.task_id.clone(), 1), (once.task_id.clone(), 1)];
    expected.sort();
    assert_eq!(found, expected);
    let newest = ended.iter().find(|e| e.task_id == twice.task_id).unwrap();
    assert_eq!(newest.started_at, Some(now));
    assert!(stores.executions.last_ended(&tenant("other"), &tasks).await.unwrap().is_empty());
}

pub(crate) async fn entries_are_counted_of_a_page_where_it_is_asked_for(stores: Stores) {
    let two = stores.create(of_repository(new_task())).await;
    stores.create(of_repository(new_task())).await;
    for content in ["a", "b"] {
        let added =
            stores.beside.conversations.add_conversation(&two.tenant_id, &two.task_id, content, Conversation::ACTIVE);
        added.await.unwrap().unwrap();
    }
    let page = async |conversations: bool| {
        stores.tasks.list(&TaskFilter { conversations, ..filter() }).await.unwrap().conversations
    };
    assert_eq!(page(true).await, [0, 2]);
    assert_eq!(page(false).await, [0, 0]);
}

pub(crate) async fn a_task_is_read_with_the_execution_that_ended_last_unless_one_is_under_way(stores: Stores) {
    let read = async |task: &Task| {
        let (loaded, last) = stores.tasks.find_with_last(&task.tenant_id, &task.task_id).await.unwrap().unwrap();
        assert_eq!(loaded.task, stores.load(task).await);
        last
    };
    let never = stores.create(new_task()).await;
    assert_eq!(read(&never).await, None);
    let task = stores.running(new_task()).await;
    assert_eq!(read(&task).await, None);
    let task = stores.complete(&task).await;
    let ended = stores.executions.last_ended(&task.tenant_id, &[(task.id, task.task_id.clone())]).await.unwrap().pop();
    assert!(ended.is_some());
    assert_eq!(read(&task).await, ended);
    let again = stores.apply(&task, |task, moment| decide::set_status(task, TaskStatus::Queued, moment)).await;
    assert_eq!(read(&again).await, None);
    assert_eq!(stores.tasks.find_with_last(&tenant("other"), &task.task_id).await.unwrap(), None);
    stores.apply(&task, decide::delete).await;
    assert_eq!(stores.tasks.find_with_last(&task.tenant_id, &task.task_id).await.unwrap(), None);
}

pub(crate) async fn the_total_of_a_list_is_the_same_on_every_page(stores: Stores) {
    for _ in 0..3 {
        stores.create(of_repository(queued())).await;
    }
    stores.create(of_repository(NewTask { task_type: "kitchen".into(), ..queued() })).await;
    stores.running(of_repository(new_task())).await;
    stores.apply(&stores.create(of_repository(queued())).await, decide::delete).await;
    stores.create(queued()).await;
    let total =
        async |filter: TaskFilter| stores.tasks.list(&TaskFilter { count: true, ..filter }).await.unwrap().total;
    for (offset, limit) in [(0, 1), (0, 5), (0, 9), (2, 1), (2, 9), (5, 1), (9, 9)] {
        let page = TaskFilter { offset, limit, ..filter() };
        assert_eq!(total(page.clone()).await, Some(5), "offset {offset}, limit {limit}");
        let waiting = TaskFilter { statuses: TaskStatus::WAITING.to_vec(), ..page.clone() };
        assert_eq!(total(waiting).await, Some(4), "waiting, offset {offset}, limit {limit}");
        let running = TaskFilter { status: Some(TaskStatus::Running), ..page.clone() };
        assert_eq!(total(running).await, Some(1), "running, offset {offset}, limit {limit}");
        let kitchen = TaskFilter { task_type: Some("kitchen".into()), ..page };
        assert_eq!(total(kitchen).await, Some(1), "of a type, offset {offset}, limit {limit}");
    }
}
