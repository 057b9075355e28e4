//! `organism` against a local stand-in.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic where it stands")]

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use task_domain::{JsonObject, Origin};
use task_executors::{GuardedClient, Organism, OutboundPolicy, SystemLookup};
use task_protocols::TaskExecutor;
use wiremock::matchers::{body_json, header_exists, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

mod support;

use support::{context, misbehaviours, object, problems};

const TIMEOUT_MS: u64 = 300;

fn organism(server: &MockServer) -> Organism {
    let client = GuardedClient::new(OutboundPolicy::operators_choice(), Arc::new(SystemLookup)).unwrap();
    Organism::new(client, format!("{}/run", server.uri()), Duration::from_millis(TIMEOUT_MS))
}

#[tokio::test]
async fn what_the_organism_returns_is_the_whole_result() {
    let server = MockServer::start().await;
    let answer = json!({"success": true, "result": {"n": 1}, "agent": "a7"});
    Mock::given(method("POST"))
        .and(path("/run"))
        .and(header_exists("idempotency-key"))
        .and(body_json(json!({
            "type": "graph_fact_embed", "params": {"k": 2}, "description": "d", "domain": "facts", "drift_score": 0.4,
        })))
        .respond_with(ResponseTemplate::new(200).set_body_json(&answer))
        .expect(3)
        .mount(&server)
        .await;
    let config = json!({"type": "graph_fact_embed", "params": {"k": 2}, "domain": "facts", "drift_score": 0.4});
    let mut canonical = context("organism", config);
    canonical.task.description = Some("d".into());
    assert_eq!(organism(&server).execute(canonical).await.unwrap().result, answer);

    for config in [json!({"k": 2}), json!({"params": {"k": 2}})] {
        let mut seedcore = context("graph_fact_embed", config);
        seedcore.task.origin = Origin::Seedcore;
        seedcore.task.description = Some("d".into());
        seedcore.task.attributes = object(json!({"domain": "facts", "drift_score": 0.4}));
        assert_eq!(seedcore.task.claimed_as(), "organism");
        assert_eq!(organism(&server).execute(seedcore).await.unwrap().result, answer);
    }
}

#[tokio::test]
async fn without_success_the_error_decides() {
    let server = MockServer::start().await;
    for (answer, message) in [
        (json!({"success": false, "error": "no agent"}), "no agent"),
        (json!({"success": false, "error": {"code": 7}}), "{\"code\":7}"),
        (json!({"success": false}), "The organism did not succeed, and did not say why"),
        (json!({"success": "true"}), "The organism did not succeed, and did not say why"),
        (json!({}), "The organism did not succeed, and did not say why"),
    ] {
        let _scoped = Mock::given(method("POST"))
            .and(body_json(json!({"type": "n", "params": {}, "description": "", "domain": null, "drift_score": 0.0})))
            .respond_with(ResponseTemplate::new(200).set_body_json(&answer))
            .mount_as_scoped(&server)
            .await;
        let error = organism(&server).execute(context("organism", json!({}))).await.unwrap_err();
        assert_eq!((error.code, error.message.as_str(), error.retryable), ("organism_failed", message, false));
        assert_eq!(error.details, Some(answer));
    }
}

#[tokio::test]
async fn an_organism_that_misbehaves_is_a_failure() {
    let mut answers = misbehaviours(TIMEOUT_MS, ("invalid_answer", false));
    answers.retain(|(_, code, _)| !code.starts_with("blocked"));
    answers.push((
        ResponseTemplate::new(307).insert_header("location", "http://10.0.0.1/"),
        "too_many_redirects",
        false,
    ));
    answers.push((ResponseTemplate::new(200).set_body_string("[1]"), "invalid_answer", false));
    let deep = format!("{{\"success\":true,\"x\":{}1{}}}", "[".repeat(100), "]".repeat(100));
    answers.push((ResponseTemplate::new(200).set_body_string(deep), "invalid_answer", false));
    for (answer, code, retryable) in answers {
        let server = MockServer::start().await;
        Mock::given(method("POST")).respond_with(answer).mount(&server).await;
        let error = organism(&server).execute(context("organism", json!({}))).await.unwrap_err();
        assert_eq!((error.code, error.retryable), (code, retryable));
    }
}

#[tokio::test]
async fn every_problem_of_an_organism_config_is_named() {
    let organism = organism(&MockServer::start().await);
    let bad = json!({"type": "", "params": [], "domain": 5, "drift_score": "high"});
    assert_eq!(problems(&organism, bad), ["type", "params", "domain", "drift_score"]);
    assert!(organism.validate_config(&JsonObject::new()).is_empty());
}
