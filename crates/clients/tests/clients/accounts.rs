use serde_json::json;
use task_clients::HttpAccountClient;
use task_domain::{SubscriptionLevel, UserId};
use task_protocols::{AccountClient, AccountProfile};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

async fn profile(answer: ResponseTemplate) -> Result<Option<AccountProfile>, task_protocols::NeighbourError> {
    let server = MockServer::start().await;
    Mock::given(method("GET"))
        .and(path("/api/v1/accounts/profile/ann%2F..%2Fbob"))
        .respond_with(answer)
        .mount(&server)
        .await;
    HttpAccountClient::new(&server.uri()).unwrap().profile(&UserId::new("ann/../bob").unwrap()).await
}

#[tokio::test]
async fn the_level_and_the_place_are_read() {
    let expected = AccountProfile { subscription_level: Some(SubscriptionLevel::Pro), location: Some("Bern".into()) };
    let bare = json!({"subscription_level": "Pro", "location": "Bern"});
    let read = profile(ResponseTemplate::new(200).set_body_json(&bare)).await.unwrap();
    assert_eq!(read, Some(expected.clone()));
    let wrapped = json!({"data": {"subscription_level": "pro", "city": "Bern"}});
    assert_eq!(profile(ResponseTemplate::new(200).set_body_json(wrapped)).await.unwrap(), Some(expected));
}

#[tokio::test]
async fn an_unknown_user_or_level_is_nothing_and_garbage_an_error() {
    assert_eq!(profile(ResponseTemplate::new(404)).await.unwrap(), None);
    let gold = ResponseTemplate::new(200).set_body_json(json!({"subscription_level": "gold"}));
    assert_eq!(profile(gold).await.unwrap(), Some(AccountProfile::default()));
    assert!(profile(ResponseTemplate::new(200).set_body_string("<html>")).await.is_err());
    assert!(profile(ResponseTemplate::new(500)).await.unwrap_err().retryable);
}
