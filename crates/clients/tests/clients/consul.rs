use serde_json::json;
use task_clients::{Consul, Registration};
use wiremock::matchers::{body_partial_json, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

#[tokio::test]
async fn an_instance_registers_lives_and_leaves() {
    let server = MockServer::start().await;
    let body = json!({
        "ID": "task_service-1", "Name": "task_service", "Address": "10.0.0.5", "Port": 8211, "Tags": ["v1"],
        "Check": {"CheckID": "service:task_service-1", "TTL": "30s", "Status": "passing"},
    });
    for (route, expected) in [
        ("/v1/agent/service/register", Some(body)),
        ("/v1/agent/check/pass/service:task_service-1", None),
        ("/v1/agent/service/deregister/task_service-1", None),
    ] {
        let mock = Mock::given(method("PUT")).and(path(route));
        let mock = match expected {
            Some(body) => mock.and(body_partial_json(body)),
            None => mock,
        };
        mock.respond_with(ResponseTemplate::new(200)).expect(1).mount(&server).await;
    }
    let registration = Registration {
        id: "task_service-1".into(),
        name: "task_service".into(),
        address: "10.0.0.5".into(),
        port: 8211,
        tags: vec!["v1".into()],
    };
    let consul = Consul::new("127.0.0.1", server.address().port(), registration).unwrap();
    consul.register().await.unwrap();
    consul.pass().await.unwrap();
    consul.deregister().await.unwrap();
}

#[tokio::test]
async fn an_agent_that_forgot_us_is_an_error() {
    let server = MockServer::start().await;
    Mock::given(method("PUT")).respond_with(ResponseTemplate::new(404)).mount(&server).await;
    let registration =
        Registration { id: "i".into(), name: "n".into(), address: "a".into(), port: 1, tags: Vec::new() };
    let consul = Consul::new("127.0.0.1", server.address().port(), registration).unwrap();
    assert!(consul.pass().await.is_err());
}
