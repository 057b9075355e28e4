//! What holds of every drop-in API: routes, methods, documents, keys, origins of web pages.

use std::fs;

use serde_json::json;
use task_compat::common::document;

use crate::support::{TestApp, settings};

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_route_and_a_wrong_method_are_told_apart() {
    let app = TestApp::sqlite(&[]).await;
    for (api, wrong) in [("task_repository", "DELETE /"), ("task_management", "DELETE /health")] {
        app.call(api, "GET /nowhere", &[]).send().await.is(404, json!({"detail": "Not Found"}));
        app.call(api, wrong, &[]).send().await.is(405, json!({"detail": "Method Not Allowed"}));
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_serves_its_own_document_and_a_page_for_it() {
    let app = TestApp::sqlite(&[]).await;
    for api in task_compat::APIS {
        let name = api.origin.as_str();
        let served = app.call(name, "GET /openapi.json", &[]).send().await.expect(200);
        assert_eq!(served, serde_json::to_value(document(api)).unwrap());
        assert_eq!(served["info"]["title"], api.title);
        let page = app.call(name, "GET /docs/", &[]).send().await.expect(200);
        assert!(page.as_str().unwrap().contains("swagger"), "{page}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_this_machine_may_call_in_development_and_others_only_when_named() {
    let asks = async |app: &TestApp, origin: &str| {
        let call = app.call("task_management", "OPTIONS /health", &[]).header("Origin", origin);
        let answer = call.header("Access-Control-Request-Method", "GET").send().await;
        answer.headers.get("access-control-allow-origin").map(|value| value.to_str().unwrap().to_owned())
    };
    let app = TestApp::sqlite(&[]).await;
    assert_eq!(asks(&app, "http://localhost:5173").await.as_deref(), Some("http://localhost:5173"));
    assert_eq!(asks(&app, "https://elsewhere.example").await, None);
    app.stop().await;
    let app = TestApp::sqlite(&[("DROP_IN_CORS_ORIGINS", "https://app.example")]).await;
    assert_eq!(asks(&app, "https://app.example").await.as_deref(), Some("https://app.example"));
    assert_eq!(asks(&app, "http://localhost:5173").await, None);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_is_taken_leaves_its_api_out_in_development_only() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let app = TestApp::sqlite(&[("TASK_MANAGEMENT_PORT", &port)]).await;
    assert_ne!(app.base("task_management"), format!("http://127.0.0.1:{port}"));
    app.call("task_repository", "GET /", &[]).send().await.expect(200);
    app.stop().await;
    let mut settings =
        settings(&[("TASK_MANAGEMENT_PORT", &port), ("API_KEY", "k"), ("DATABASE_URL", "sqlite://none")]);
    settings.development = false;
    let error = task_factory::Application::build(settings, true).await.err().unwrap().to_string();
    assert!(error.contains("TASK_MANAGEMENT_PORT") && error.contains(&port), "{error}");
}

#[test]
fn every_route_of_every_drop_in_api_is_called_by_a_test() {
    let mut missing = Vec::new();
    for api in task_compat::APIS {
        let name = api.origin.as_str();
        let file = format!("{}/tests/compat/{name}.rs", env!("CARGO_MANIFEST_DIR"));
        let source = fs::read_to_string(file).unwrap();
        for (path, item) in &document(api).paths.paths {
            let methods = [
                (&item.get, "GET"),
                (&item.post, "POST"),
                (&item.put, "PUT"),
                (&item.patch, "PATCH"),
                (&item.delete, "DELETE"),
            ];
            for (_, method) in methods.into_iter().filter(|(operation, _)| operation.is_some()) {
                let call = format!("\"{method} {path}\"");
                if !source.contains(&call) {
                    missing.push(format!("{name}: {call}"));
                }
            }
        }
    }
    assert!(missing.is_empty(), "no test calls {missing:?}; add one to the API's file under tests/compat");
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_that_are_refused_are_so_in_the_apis_own_shape() {
    let app = TestApp::sqlite(&[]).await;
    let long = "x".repeat(9000);
    let refused = app.call("task_repository", "GET /", &[]).header("X-Filler", &long).send().await;
    refused.is(431, json!({"detail": "Request headers are larger than 8192 bytes"}));
    for api in ["task_management", "seedcore", "task_tracker"] {
        let refused = app.call(api, "GET /health", &[]).header("X-Filler", &long).send().await;
        assert!(refused.expect(431).to_string().contains("8192 bytes"));
        let refused = app.call(api, "GET /health", &[]).header("Host", "evil.example").send().await;
        assert!(refused.expect(421).to_string().contains("localhost"));
    }
    app.stop().await;
}
