//! A store's own claim writes what `task_domain::decide::claim` says.

use std::collections::BTreeMap;

use serde_json::Value;
use task_domain::decide::{self, Claimer, NewTask};
use task_domain::{Event, Payload, Task};

use crate::support::build::{full_task, new_task, queued};
use crate::support::{Stores, claim_of, moment, token_of};

pub(crate) async fn a_claim_leaves_the_task_and_the_events_that_the_domain_decides(stores: Stores) {
    let now = stores.now().await;
    let keyless = NewTask { user_id: None, task_type: "mill".into(), ..queued() };
    for new in [queued(), keyless, NewTask { task_id: None, ..full_task(now) }] {
        let before = stores.create(new).await;
        let claimed = stores.claim_next(&before).await;
        let at = claimed.updated_at;
        let claimer = Claimer { worker_id: "w1".into(), lease_seconds: 60 };
        let expected = decide::claim(&before, &claimer, &moment(at)).unwrap();
        assert_eq!(without_token(claimed.clone()), without_token(expected.task));
        let events = stores.events_of(&before).await;
        let (got, wanted) = (&events[1..], &expected.events);
        assert_eq!(got.len(), wanted.len());
        for (got, wanted) in got.iter().zip(wanted) {
            assert_eq!(shape(got), shape(wanted));
            assert_eq!(got.occurred_at, at);
            assert_eq!(
                got.payload.object()["event_id"],
                Value::String(got.event_id.to_string()),
                "the payload names the event itself"
            );
        }
    }
}

pub(crate) async fn every_claim_has_its_own_event_id_and_token(stores: Stores) {
    for _ in 0..20 {
        stores.create(queued()).await;
    }
    let task = stores.create(new_task()).await;
    let request = task_protocols::ClaimRequest { max_tasks: 100, ..claim_of(&task) };
    let claimed = stores.executions.claim(&request).await.unwrap();
    let tokens: std::collections::HashSet<_> = claimed.iter().map(token_of).collect();
    let ids: std::collections::HashSet<_> = stores.events().await.iter().map(|e| e.event.event_id).collect();
    assert_eq!((claimed.len(), tokens.len(), ids.len()), (20, 20, 41));
}

/// The lease's token and the ids of events are random; everything else must agree.
fn without_token(mut task: Task) -> Task {
    let lease = task.current.as_mut().and_then(|e| e.lease.as_mut()).unwrap();
    lease.token = task_domain::LeaseToken::new(uuid::Uuid::nil());
    task
}

/// An event without its random id, the payload's keys and values included.
fn shape(event: &Event) -> (Event, BTreeMap<String, Value>) {
    let mut payload: BTreeMap<String, Value> = event.payload.object().into_iter().collect();
    payload.insert("event_id".into(), Value::Null);
    (Event { event_id: uuid::Uuid::nil(), payload: Payload::of(&serde_json::Map::new()), ..event.clone() }, payload)
}
