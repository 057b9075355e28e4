//! Hints between instances, over core NATS.

use std::time::Duration;

use async_nats::Client;
use futures::StreamExt;
use serde::{Deserialize, Serialize};
use task_protocols::background::Background;
use task_protocols::{Hint, HintBus};
use tokio::sync::{broadcast, mpsc, watch};

use crate::in_process::HINT_CAPACITY;

const SUBJECT: &str = "_task_service.hint.all";

/// Hints that share a message at most.
const TOGETHER: usize = 256;

/// Hints on their way, with the instance that sent them. Those that wait go together: under load there is
/// one for each change, and a message costs the broker and each instance much the same for one as for many.
#[derive(Serialize, Deserialize)]
struct Envelope {
    from: String,
    hints: Vec<Hint>,
}

/// Delivers hints to this process at once and to other instances through NATS; when NATS is away
/// or too slow they are dropped, which a hint may be.
pub struct NatsHints {
    local: broadcast::Sender<Hint>,
    outgoing: mpsc::Sender<Hint>,
    /// Whether the hints of other instances have been asked for.
    listening: watch::Receiver<bool>,
}

impl NatsHints {
    pub fn new(client: Client, instance_id: &str, background: &Background) -> Self {
        let (local, _) = broadcast::channel(HINT_CAPACITY);
        let (outgoing, mut queue) = mpsc::channel::<Hint>(HINT_CAPACITY);
        let (sender, from) = (client.clone(), instance_id.to_owned());
        let stop = background.stopping();
        background.spawn(async move {
            let mut envelope = Envelope { from, hints: Vec::new() };
            loop {
                envelope.hints.clear();
                tokio::select! {
                    n = queue.recv_many(&mut envelope.hints, TOGETHER) => if n == 0 { return },
                    () = stop.cancelled() => return,
                }
                if let Ok(body) = serde_json::to_vec(&envelope) {
                    // Waits while the connection's buffer is full; `send` drops meanwhile.
                    let _ = sender.publish(SUBJECT, body.into()).await;
                }
            }
        });
        let (heard, me) = (local.clone(), instance_id.to_owned());
        let (begun, listening) = watch::channel(false);
        background.supervise("hints", move |stop| {
            let (client, heard, me, begun) = (client.clone(), heard.clone(), me.clone(), begun.clone());
            async move {
                let Ok(mut messages) = client.subscribe(SUBJECT).await else { return };
                tokio::select! {
                    _ = client.flush() => drop(begun.send_replace(true)),
                    () = stop.cancelled() => return,
                }
                loop {
                    let message = tokio::select! {
                        message = messages.next() => message,
                        () = stop.cancelled() => return,
                    };
                    let Some(message) = message else { return };
                    match serde_json::from_slice::<Envelope>(&message.payload) {
                        Ok(envelope) if envelope.from != me => {
                            envelope.hints.into_iter().for_each(|hint| drop(heard.send(hint)));
                        }
                        Ok(_) => {}
                        Err(error) => tracing::debug!(%error, "a hint that cannot be read; is an instance of another version about?"),
                    }
                }
            }
        });
        Self { local, outgoing, listening }
    }

    /// Waits until the hints of other instances are heard, at most `patience`: what they tell
    /// before that is lost.
    pub async fn wait_until_listening(&self, patience: Duration) {
        let mut listening = self.listening.clone();
        let _ = tokio::time::timeout(patience, listening.wait_for(|begun| *begun)).await;
    }
}

impl HintBus for NatsHints {
    fn send(&self, hint: Hint) {
        let _ = self.local.send(hint.clone());
        if self.outgoing.try_send(hint).is_err() {
            tracing::debug!("hint dropped: the queue to NATS is full");
        }
    }

    fn subscribe(&self) -> broadcast::Receiver<Hint> {
        self.local.subscribe()
    }
}
