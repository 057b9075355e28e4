//! Health, status, metrics, documents.

use serde_json::json;

use crate::support::{TestApp, echo, on_both_engines};

on_both_engines!(an_instance_tells_how_it_is, metrics_count_requests_by_route, the_documents_are_served);

async fn an_instance_tells_how_it_is(app: TestApp) {
    assert_eq!(app.call("GET /health", &[]).send().await.expect(200)["status"], json!("healthy"));
    let detailed = app.call("GET /health/detailed", &[]).send().await.expect(200);
    assert_eq!(
        (&detailed["dependencies"]["database"]["status"], &detailed["dependencies"]["event_bus"]["status"]),
        (&json!("up"), &json!("up"))
    );
    let status = app.call("GET /status", &[]).send().await.expect(200);
    for name in ["scheduler", "reaper", "executor_pool"] {
        assert!(status["background_loops"].as_array().unwrap().contains(&json!(name)), "{status:#}");
    }
    app.stop().await;
}

async fn metrics_count_requests_by_route(app: TestApp) {
    app.create(echo()).await;
    let text = app.call("GET /metrics", &[]).send().await.expect(200);
    let text = text.as_str().unwrap();
    assert!(
        text.contains(r#"task_service_http_requests_total{method="POST",route="/api/v1/tasks",status="201"} 1"#),
        "{text}"
    );
    assert!(text.contains("task_service_outbox_backlog"), "{text}");
    app.stop().await;
}

async fn the_documents_are_served(app: TestApp) {
    let served = app.call("GET /openapi.json", &[]).send().await.expect(200);
    assert_eq!(served, serde_json::to_value(task_server::document()).unwrap());
    assert!(served["openapi"].as_str().unwrap().starts_with("3.1"));
    let docs = app.call("GET /docs/", &[]).send().await.expect(200);
    assert!(docs.as_str().unwrap().contains("swagger-ui"));
    app.stop().await;
}
