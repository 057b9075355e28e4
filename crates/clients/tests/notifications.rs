//! The notification client against a local stand-in.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic where it stands")]

use serde_json::json;
use task_clients::HttpNotificationClient;
use task_domain::UserId;
use task_protocols::{Notification, NotificationClient};
use wiremock::matchers::{body_json, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

fn notification() -> Notification {
    Notification {
        recipient_id: UserId::new("ann").unwrap(),
        notification_type: "in_app".into(),
        subject: "Task completed".into(),
        content: "Hello".into(),
        metadata: json!({"task_id": "t1"}),
    }
}

#[tokio::test]
async fn a_notification_is_posted_as_the_service_expects_it() {
    let server = MockServer::start().await;
    let expected = json!({"recipient_id": "ann", "type": "in_app", "subject": "Task completed", "content": "Hello", "metadata": {"task_id": "t1"}});
    Mock::given(method("POST"))
        .and(path("/api/v1/notifications/send"))
        .and(body_json(expected))
        .respond_with(ResponseTemplate::new(200))
        .expect(1)
        .mount(&server)
        .await;
    HttpNotificationClient::new(&format!("{}/", server.uri())).unwrap().send(&notification()).await.unwrap();
}

#[tokio::test]
async fn a_refusal_is_an_error() {
    let server = MockServer::start().await;
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(500)).mount(&server).await;
    assert!(HttpNotificationClient::new(&server.uri()).unwrap().send(&notification()).await.is_err());
}
