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

#[tokio::test]
async fn a_name_that_would_lead_elsewhere_is_nobodys() {
    let server = MockServer::start().await;
    let anything = ResponseTemplate::new(200).set_body_json(json!({"subscription_level": "enterprise"}));
    Mock::given(method("GET")).respond_with(anything).mount(&server).await;
    let accounts = HttpAccountClient::new(&server.uri()).unwrap();
    for name in [".", ".."] {
        assert_eq!(accounts.profile(&UserId::new(name).unwrap()).await.unwrap(), None, "{name}");
    }
    assert!(server.received_requests().await.unwrap().is_empty(), "the whole list is not one profile");
}

#[tokio::test]
async fn an_answer_without_end_is_not_read_to_it() {
    let long = json!({"subscription_level": "pro", "rest": "x".repeat(2 * 1024 * 1024)});
    let error = profile(ResponseTemplate::new(200).set_body_json(long)).await.unwrap_err();
    assert!(error.source.to_string().contains("larger than"), "{error:?}");
}
