use chrono::{DateTime, TimeDelta};
use serde_json::json;
use task_clients::HttpCalendarClient;
use task_domain::UserId;
use task_protocols::{CalendarClient, CalendarEvent};
use wiremock::matchers::{body_partial_json, header, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

fn event() -> CalendarEvent {
    let starts_at = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
    CalendarEvent {
        user_id: Some(UserId::new("ann").unwrap()),
        title: "Dentist".into(),
        description: None,
        starts_at,
        ends_at: starts_at + TimeDelta::minutes(60),
        location: Some("Main Street 1".into()),
        attendees: vec!["bob@example.org".into()],
    }
}

#[tokio::test]
async fn an_event_is_created_with_its_key_and_its_id_read() {
    for answer in [json!({"event_id": "e1"}), json!({"id": "e1"}), json!({"data": {"id": "e1"}})] {
        let server = MockServer::start().await;
        let body = json!({
            "user_id": "ann", "title": "Dentist", "start_time": "2027-01-15T08:00:00Z", "end_time": "2027-01-15T09:00:00Z",
            "location": "Main Street 1", "attendees": ["bob@example.org"]
        });
        Mock::given(method("POST"))
            .and(path("/api/v1/calendar/events"))
            .and(header("Idempotency-Key", "run-1"))
            .and(body_partial_json(body))
            .respond_with(ResponseTemplate::new(201).set_body_json(answer))
            .expect(1)
            .mount(&server)
            .await;
        let id = HttpCalendarClient::new(&server.uri()).unwrap().create(&event(), "run-1").await.unwrap();
        assert_eq!(id, "e1");
    }
}

#[tokio::test]
async fn an_answer_without_an_id_is_an_error() {
    let server = MockServer::start().await;
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(200).set_body_string("hello")).mount(&server).await;
    assert!(HttpCalendarClient::new(&server.uri()).unwrap().create(&event(), "run-1").await.is_err());
}

#[tokio::test]
async fn replacing_and_deleting_are_repeated_and_know_what_is_gone() {
    let server = MockServer::start().await;
    Mock::given(method("PUT")).respond_with(ResponseTemplate::new(502)).up_to_n_times(1).mount(&server).await;
    Mock::given(method("PUT"))
        .and(path("/api/v1/calendar/events/e%2F1"))
        .and(header("Idempotency-Key", "run-1:update"))
        .respond_with(ResponseTemplate::new(200))
        .expect(1)
        .mount(&server)
        .await;
    Mock::given(method("PUT"))
        .and(path("/api/v1/calendar/events/gone"))
        .respond_with(ResponseTemplate::new(404))
        .mount(&server)
        .await;
    Mock::given(method("DELETE")).respond_with(ResponseTemplate::new(404)).expect(1).mount(&server).await;
    let client = HttpCalendarClient::new(&server.uri()).unwrap();
    assert!(client.update("e/1", &event(), "run-1:update").await.unwrap(), "an id is one segment of the path");
    assert!(!client.update("gone", &event(), "run-1:update").await.unwrap());
    client.delete("e1").await.unwrap();
}

#[tokio::test]
async fn an_event_id_that_would_lead_elsewhere_is_no_event() {
    let server = MockServer::start().await;
    let client = HttpCalendarClient::new(&server.uri()).unwrap();
    for id in ["", ".", ".."] {
        assert!(!client.update(id, &event(), "run-1:update").await.unwrap());
        client.delete(id).await.unwrap();
    }
    assert!(server.received_requests().await.unwrap().is_empty(), "every event would be meant");
}
