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
    for neighbour in ["notification", "calendar", "account", "consul"] {
        assert_eq!(detailed["dependencies"][neighbour], json!({"status": "not_configured", "critical": false}));
    }
    assert!(detailed["dependencies"]["database"]["latency_ms"].is_u64() && detailed["stopping"] == json!(false));
    let status = app.call("GET /status", &[]).send().await.expect(200);
    assert!(status["instance_id"].is_string() && status["uptime_seconds"].is_u64());
    assert_eq!(status["versions"]["service"], status["version"]);
    for name in ["scheduler", "reaper", "executor_pool", "retention"] {
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
    for metric in ["task_service_outbox_backlog", "task_service_database_pool", "http_request_seconds_bucket"] {
        assert!(text.contains(metric), "{text}");
    }
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

/// A neighbour that is away is shown, and the instance is ready all the same.
#[tokio::test(flavor = "multi_thread")]
async fn neighbours_are_told_up_or_down() {
    let up = wiremock::MockServer::start().await;
    let down = format!("http://127.0.0.1:{}", task_testkit::ports::free());
    let consul = up.address().port().to_string();
    let app = TestApp::sqlite_with(&[
        ("ACCOUNT_SERVICE_URL", &up.uri()),
        ("CALENDAR_SERVICE_URL", &down),
        ("CONSUL_HOST", "127.0.0.1"),
        ("CONSUL_PORT", &consul),
    ])
    .await;
    let detailed = app.call("GET /health/detailed", &[]).send().await.expect(200);
    let dependencies = &detailed["dependencies"];
    assert_eq!((&dependencies["account"]["status"], &dependencies["consul"]["status"]), (&json!("up"), &json!("up")));
    assert_eq!(dependencies["calendar"]["status"], json!("down"));
    assert!(dependencies["calendar"]["error"].is_string() && dependencies["calendar"]["latency_ms"].is_u64());
    let asked = async |path: &str| {
        let requests = up.received_requests().await.unwrap();
        requests.iter().any(|request| request.url.path().starts_with(path))
    };
    let patience = std::time::Duration::from_secs(20);
    task_testkit::wait::until("it registers", patience, || asked("/v1/agent/service/register")).await;
    app.stop().await;
    assert!(asked("/v1/agent/service/deregister/").await);
}

/// Who reads the document in the repository, or in a pull request, reads the one that is served.
#[test]
fn the_committed_document_is_the_served_one() {
    let committed = include_str!("../../../../docs/openapi.json");
    let served = task_server::document().to_pretty_json().unwrap();
    assert!(
        committed.trim() == served.trim(),
        "docs/openapi.json is not what is served: run `make openapi` and commit it"
    );
}
