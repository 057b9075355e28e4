use serde_json::json;
use task_clients::HttpNotificationClient;
use task_domain::UserId;
use task_protocols::{Notification, NotificationClient};
use wiremock::matchers::{body_json, header, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

fn notification() -> Notification {
    Notification {
        recipient_id: UserId::new("ann").unwrap(),
        notification_type: "in_app".into(),
        subject: "Task completed".into(),
        content: "Hello".into(),
        metadata: json!({"task_id": "t1"}),
        idempotency_key: "run-1:ended".into(),
    }
}

#[tokio::test]
async fn a_notification_is_posted_as_the_service_expects_it() {
    let server = MockServer::start().await;
    let expected = json!({"recipient_id": "ann", "type": "in_app", "subject": "Task completed", "content": "Hello", "metadata": {"task_id": "t1"}});
    Mock::given(method("POST"))
        .and(path("/api/v1/notifications/send"))
        .and(header("Idempotency-Key", "run-1:ended"))
        .and(body_json(expected))
        .respond_with(ResponseTemplate::new(200))
        .expect(1)
        .mount(&server)
        .await;
    HttpNotificationClient::new(&format!("{}/", server.uri())).unwrap().send(&notification()).await.unwrap();
}

/// A 500 may come after the message went out: it is not sent twice.
#[tokio::test]
async fn what_may_have_been_done_is_not_repeated() {
    let server = MockServer::start().await;
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(500)).expect(1).mount(&server).await;
    let error = HttpNotificationClient::new(&server.uri()).unwrap().send(&notification()).await.unwrap_err();
    assert!(error.retryable);
}

#[tokio::test]
async fn a_service_that_is_busy_is_asked_again() {
    let server = MockServer::start().await;
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(503)).up_to_n_times(2).mount(&server).await;
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(202)).expect(1).mount(&server).await;
    HttpNotificationClient::new(&server.uri()).unwrap().send(&notification()).await.unwrap();
}

#[tokio::test]
async fn a_refusal_and_a_silent_port_are_errors() {
    let server = MockServer::start().await;
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(422)).expect(1).mount(&server).await;
    let error = HttpNotificationClient::new(&server.uri()).unwrap().send(&notification()).await.unwrap_err();
    assert!(!error.retryable);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    assert!(HttpNotificationClient::new(&nobody).unwrap().send(&notification()).await.is_err());
}

/// What the URL's owner is to hear goes to nobody else.
#[tokio::test]
async fn an_answer_that_leads_elsewhere_is_not_followed() {
    let (server, elsewhere) = (MockServer::start().await, MockServer::start().await);
    let moved = ResponseTemplate::new(307).insert_header("Location", format!("{}/", elsewhere.uri()).as_str());
    Mock::given(method("POST")).respond_with(moved).expect(1).mount(&server).await;
    assert!(HttpNotificationClient::new(&server.uri()).unwrap().send(&notification()).await.is_err());
    assert!(elsewhere.received_requests().await.unwrap().is_empty());
}
