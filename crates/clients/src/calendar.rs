//! The calendar service.

use async_trait::async_trait;
use reqwest::StatusCode;
use serde_json::{Value, json};
use task_protocols::{CalendarClient, CalendarEvent, NeighbourError};

use crate::http::{Neighbour, Repeat};

/// `POST {base_url}/api/v1/calendar/events`, `PUT` and `DELETE …/{event_id}`.
pub struct HttpCalendarClient(Neighbour);

impl HttpCalendarClient {
    /// # Errors
    /// When the TLS set-up of this machine cannot be used.
    pub fn new(base_url: &str) -> Result<Self, reqwest::Error> {
        Neighbour::new("calendar", base_url).map(Self)
    }

    fn event_url(&self, event_id: &str) -> Result<Option<reqwest::Url>, NeighbourError> {
        self.0.url_of("/api/v1/calendar/events", event_id)
    }
}

fn body(event: &CalendarEvent) -> Value {
    json!({
        "user_id": event.user_id,
        "title": event.title,
        "description": event.description,
        "start_time": event.starts_at,
        "end_time": event.ends_at,
        "location": event.location,
        "attendees": event.attendees,
    })
}

/// A text or a number under `event_id` or `id`, perhaps within `event` or `data`.
fn event_id(answer: &Value) -> Option<String> {
    let places = [Some(answer), answer.get("event"), answer.get("data")];
    places.into_iter().flatten().flat_map(|place| [place.get("event_id"), place.get("id")]).flatten().find_map(|id| {
        match id {
            Value::String(text) if !text.is_empty() => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    })
}

#[async_trait]
impl CalendarClient for HttpCalendarClient {
    async fn create(&self, event: &CalendarEvent, idempotency_key: &str) -> Result<String, NeighbourError> {
        let (url, body) = (self.0.url("/api/v1/calendar/events"), body(event));
        let request = || self.0.client().post(&url).header("Idempotency-Key", idempotency_key).json(&body);
        let answer = self.0.json(self.0.send(Repeat::UnlessDone, request).await?).await?;
        event_id(&answer).ok_or_else(|| self.0.error(false, "its answer names no event id"))
    }

    async fn update(
        &self,
        event_id: &str,
        event: &CalendarEvent,
        idempotency_key: &str,
    ) -> Result<bool, NeighbourError> {
        let Some(url) = self.event_url(event_id)? else { return Ok(false) };
        let body = body(event);
        let request = || self.0.client().put(url.clone()).header("Idempotency-Key", idempotency_key).json(&body);
        let answer = self.0.send(Repeat::Safe, request).await?;
        if matches!(answer.status(), StatusCode::NOT_FOUND | StatusCode::GONE) {
            return Ok(false);
        }
        self.0.accepted(answer).map(|_| true)
    }

    async fn delete(&self, event_id: &str) -> Result<(), NeighbourError> {
        let Some(url) = self.event_url(event_id)? else { return Ok(()) };
        let answer = self.0.send(Repeat::Safe, || self.0.client().delete(url.clone())).await?;
        if matches!(answer.status(), StatusCode::NOT_FOUND | StatusCode::GONE) {
            return Ok(());
        }
        self.0.accepted(answer).map(drop)
    }
}

/// Stands in when no calendar service is configured: logs, and succeeds with an id of its own.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoCalendar;

#[async_trait]
impl CalendarClient for NoCalendar {
    async fn create(&self, event: &CalendarEvent, idempotency_key: &str) -> Result<String, NeighbourError> {
        tracing::debug!(title = %event.title, "no calendar service is configured");
        Ok(format!("local-{idempotency_key}"))
    }

    async fn update(&self, event_id: &str, _: &CalendarEvent, _: &str) -> Result<bool, NeighbourError> {
        tracing::debug!(event_id, "no calendar service is configured");
        Ok(true)
    }

    async fn delete(&self, event_id: &str) -> Result<(), NeighbourError> {
        tracing::debug!(event_id, "no calendar service is configured");
        Ok(())
    }
}
