//! Subscribes to other services' events, where there is NATS and a subject.

use std::sync::Arc;
use std::time::Duration;

use task_events::{Inbound, InboundOutcome};
use task_protocols::InboundKind;
use task_protocols::background::Background;
use task_server::Metrics;
use task_service::InboundEvents;

use super::Bus;
use crate::config::InboundSettings;

/// Wait before the second try of an event.
const FIRST_WAIT: Duration = Duration::from_secs(1);

pub(crate) fn start(
    settings: &InboundSettings,
    bus: &Bus,
    handler: InboundEvents,
    metrics: &Metrics,
    work: &Background,
) {
    let Some(nats) = &bus.nats else { return };
    let count = metrics.inbound_counter();
    let observe = move |kind: InboundKind, outcome: InboundOutcome| count(kind.as_str(), outcome.as_str());
    let inbound = Inbound {
        client: nats.client(),
        handler: Arc::new(handler),
        observe: Arc::new(observe),
        first_wait: FIRST_WAIT,
    };
    for (name, kind, subject) in [
        ("inbound_user_deleted", InboundKind::UserDeleted, &settings.user_deleted_subject),
        ("inbound_subscription_changed", InboundKind::SubscriptionChanged, &settings.subscription_changed_subject),
    ] {
        if !subject.is_empty() {
            inbound.clone().start(work, name, kind, subject.clone());
        }
    }
}
