//! Outside workers: keep, report, give back. How they claim is in `worker_claims`.

use serde_json::{Value, json};

use crate::support::{Answer, TestApp, on_both_engines};

on_both_engines!(
    a_worker_claims_keeps_and_completes,
    a_token_that_is_not_current_changes_nothing_and_says_why,
    a_failure_is_tried_again_or_ends_the_run,
    released_work_is_claimable_again_after_its_delay,
    a_completion_is_repeated_whatever_form_its_numbers_take,
    a_completion_brings_the_next_claim,
    batches_answer_each_item_for_itself,
    bad_worker_input_is_named_and_changes_nothing,
    only_keys_work_and_only_admins_process_timeouts,
);

impl TestApp {
    /// Queues work for outside workers; its id.
    pub(crate) async fn queue(&self, task_type: &str, more: Value) -> String {
        let mut body = json!({"name": "w", "task_type": task_type, "run_immediately": true});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let task = self.call("POST /api/v1/tasks", &[]).key().json(body).send().await.expect(201);
        assert_eq!((&task["handler"], &task["status"]), (&json!("worker"), &json!("queued")));
        task["task_id"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn claim(&self, body: Value) -> Vec<Value> {
        let answer = self.call("POST /api/v1/tasks/claim", &[]).key().json(body).send().await.expect(200);
        answer["claims"].as_array().unwrap().clone()
    }

    /// Claims the one task of this type.
    pub(crate) async fn claim_one(&self, task_type: &str) -> Value {
        let mut claims = self.claim(json!({"task_types": [task_type], "worker_id": "w1"})).await;
        assert_eq!(claims.len(), 1);
        claims.remove(0)
    }

    /// A report of the holder of `claim`, whose token is put into `body`.
    pub(crate) async fn report(&self, route: &str, claim: &Value, mut body: Value) -> Answer {
        body["lease_token"] = claim["lease_token"].clone();
        self.call(route, &[claim["task"]["task_id"].as_str().unwrap()]).key().json(body).send().await
    }

    async fn task_as_key(&self, id: &str) -> Value {
        self.call("GET /api/v1/tasks/{task_id}", &[id]).key().send().await.expect(200)
    }
}

pub(crate) const HEARTBEAT: &str = "POST /api/v1/tasks/{task_id}/heartbeat";
const PROGRESS: &str = "POST /api/v1/tasks/{task_id}/progress";
const COMPLETE: &str = "POST /api/v1/tasks/{task_id}/complete";
const FAIL: &str = "POST /api/v1/tasks/{task_id}/fail";
const RELEASE: &str = "POST /api/v1/tasks/{task_id}/release";

async fn a_worker_claims_keeps_and_completes(app: TestApp) {
    assert!(app.claim(json!({"task_types": ["render"], "worker_id": "w1"})).await.is_empty());
    let id = app.queue("render", json!({"config": {"page": 3}, "credits_per_run": 2})).await;
    assert!(app.claim(json!({"task_types": ["print"], "worker_id": "w1"})).await.is_empty(), "another type");
    let claim = app.claim_one("render").await;
    assert_eq!(
        (&claim["task"]["task_id"], &claim["task"]["config"], &claim["attempt"]),
        (&json!(id), &json!({"page": 3}), &json!(1))
    );
    let left = claim["lease_expires_in_ms"].as_i64().unwrap();
    assert!((50_000..=60_500).contains(&left), "{left}");
    assert!(app.claim(json!({"task_types": ["render"], "worker_id": "w2"})).await.is_empty());
    let kept = app.report(HEARTBEAT, &claim, json!({"lease_seconds": 600})).await.expect(200);
    assert!(kept["lease_expires_in_ms"].as_i64().unwrap() > 590_000);
    let first = app.report(PROGRESS, &claim, json!({"progress": {"percent": 10}})).await.expect(200);
    assert_eq!((&first["task_id"], &first["seq_id"]), (&json!(id), &json!(1)));
    let more = app.report(PROGRESS, &claim, json!({"progress": [{"percent": 20}, {"percent": 30}]})).await.expect(200);
    assert_eq!(more["seq_id"], json!(3));
    assert!(more["timestamp"].is_string() && more["lease_expires_in_ms"].is_i64());
    let report = json!({"result": {"pages": 7}, "tokens_used": 5, "api_calls_made": 6});
    let done = app.report(COMPLETE, &claim, report.clone()).await.expect(200);
    assert_eq!(
        (&done["status"], &done["execution_id"], &done["result"], &done["worker_id"], &done["claims"]),
        (&json!("completed"), &claim["execution_id"], &json!({"pages": 7}), &json!("w1"), &Value::Null)
    );
    assert_eq!(
        (&done["tokens_used"], &done["api_calls_made"], &done["credits_consumed"]),
        (&json!(5), &json!(6), &json!(2.0))
    );
    let task = app.task_as_key(&id).await;
    assert_eq!((&task["status"], &task["last_result"]), (&json!("completed"), &json!({"pages": 7})));
    let again = app.report(COMPLETE, &claim, report).await.expect(200);
    assert_eq!(again["execution_id"], done["execution_id"], "the same report is accepted again");
    let other = app.report(COMPLETE, &claim, json!({"result": "other"})).await.expect(409);
    assert_eq!((&other["code"], &other["reason"]), (&json!("lease_lost"), &json!("finished")));
    assert_eq!(app.task_as_key(&id).await["event_seq"], task["event_seq"]);
    app.stop().await;
}

async fn a_token_that_is_not_current_changes_nothing_and_says_why(app: TestApp) {
    let id = app.queue("render", json!({})).await;
    let strange = ["x".to_owned(), String::new(), "00000000000000000000000000000000".into(), "☃".repeat(1000)];
    let claim = app.claim_one("render").await;
    for token in strange {
        let stranger = json!({"task": {"task_id": id}, "lease_token": token});
        for (route, body) in [
            (HEARTBEAT, json!({})),
            (PROGRESS, json!({"progress": {}})),
            (COMPLETE, json!({"result": 1})),
            (FAIL, json!({"error": "no"})),
            (RELEASE, json!({})),
        ] {
            let lost = app.report(route, &stranger, body).await.expect(409);
            assert_eq!((&lost["code"], &lost["reason"]), (&json!("lease_lost"), &json!("unknown")), "{route}");
        }
    }
    app.call("POST /api/v1/tasks/{task_id}/cancel", &[&id]).key().send().await.expect(200);
    let lost = app.report(HEARTBEAT, &claim, json!({})).await.expect(409);
    assert_eq!(lost["reason"], json!("cancelled"));
    app.report(COMPLETE, &claim, json!({"result": 1})).await.expect(409);
    assert_eq!(app.task_as_key(&id).await["status"], json!("cancelled"));
    let id = app.queue("render", json!({})).await;
    let claim = app.claim_one("render").await;
    app.report(RELEASE, &claim, json!({})).await.expect(200);
    assert_eq!(app.report(HEARTBEAT, &claim, json!({})).await.expect(409)["reason"], json!("released"));
    let claim = app.claim_one("render").await;
    app.call("DELETE /api/v1/tasks/{task_id}", &[&id]).key().send().await.expect(200);
    assert_eq!(app.report(HEARTBEAT, &claim, json!({})).await.expect(409)["reason"], json!("cancelled"));
    let nobody = json!({"task": {"task_id": "nobody"}, "lease_token": "x"});
    app.report(HEARTBEAT, &nobody, json!({})).await.expect(404);
    app.stop().await;
}

async fn a_failure_is_tried_again_or_ends_the_run(app: TestApp) {
    let retry = json!({"retry": {"max_attempts": 2, "base_seconds": 3600, "max_seconds": 3600}});
    let id = app.queue("render", retry.clone()).await;
    let claim = app.claim_one("render").await;
    let failed = app.report(FAIL, &claim, json!({"error": "out of ink"})).await.expect(200);
    assert_eq!((&failed["status"], &failed["error_message"]), (&json!("failed"), &json!("out of ink")));
    assert_eq!(failed["next"]["task_status"], json!("queued"));
    assert!(failed["next"]["retry_at"].is_string());
    let waiting = app.call("POST /api/v1/tasks/{task_id}/claim", &[&id]).key().json(json!({"worker_id": "w"})).send();
    assert_eq!(waiting.await.expect(409)["from"], json!("queued"), "its backoff is not over");
    let id = app.queue("render", retry).await;
    let claim = app.claim_one("render").await;
    let error = json!({"message": "no paper", "code": "paper", "details": {"tray": 2}});
    let failed = app.report(FAIL, &claim, json!({"error": error, "retryable": false})).await.expect(200);
    assert_eq!(failed["error_details"], json!({"code": "paper", "details": {"tray": 2}}));
    assert_eq!(failed["next"], json!({"task_status": "failed", "retry_at": null}));
    assert_eq!(app.task_as_key(&id).await["last_error"], json!("no paper"));
    app.stop().await;
}

async fn released_work_is_claimable_again_after_its_delay(app: TestApp) {
    let id = app.queue("render", json!({})).await;
    let claim = app.claim_one("render").await;
    app.report(PROGRESS, &claim, json!({"progress": {"percent": 1}})).await.expect(200);
    let released = app.report(RELEASE, &claim, json!({"reason": "going home"})).await.expect(200);
    assert_eq!((&released["task_id"], &released["status"]), (&json!(id), &json!("queued")));
    let claim = app.claim_one("render").await;
    assert_eq!(claim["attempt"], json!(2));
    app.report(RELEASE, &claim, json!({"delay_seconds": 3600})).await.expect(200);
    assert!(app.claim(json!({"task_types": ["render"], "worker_id": "w1"})).await.is_empty());
    let progress = app.call("GET /api/v1/tasks/{task_id}/progress", &[&id]).key().send().await.expect(200);
    assert!(progress.to_string().contains("percent"), "progress is kept: {progress}");
    app.stop().await;
}

async fn a_completion_is_repeated_whatever_form_its_numbers_take(app: TestApp) {
    app.queue("render", json!({})).await;
    let claim = app.claim_one("render").await;
    let token = claim["lease_token"].as_str().unwrap();
    let complete = async |result: &str| {
        let call = app.call(COMPLETE, &[claim["task"]["task_id"].as_str().unwrap()]).key();
        let body = format!(r#"{{"lease_token": "{token}", "result": {result}}}"#);
        call.raw("application/json", body).send().await
    };
    let result = r#"{"x": 1e16, "y": [-0.0, 2.50, 1e300], "z": 9223372036854775807}"#;
    let done = complete(result).await.expect(200);
    let repeat = complete(result).await.expect(200);
    assert_eq!(repeat["execution_id"], done["execution_id"]);
    complete(r#"{"z": 9223372036854775807, "x": 10000000000000000, "y": [0, 2.5, 1e300]}"#).await.expect(200);
    let other = complete(&result.replace("2.50", "2.51")).await.expect(409);
    assert_eq!(other["reason"], "finished");
    app.stop().await;
}

async fn a_completion_brings_the_next_claim(app: TestApp) {
    for n in 0..3 {
        app.queue("render", json!({"config": {"n": n}})).await;
    }
    let mut claim = app.claim_one("render").await;
    for n in 1..4 {
        let next = json!({"task_types": ["render"], "worker_id": "w1"});
        let done = app.report(COMPLETE, &claim, json!({"result": n, "claim_next": next})).await.expect(200);
        let mut claims = done["claims"].as_array().unwrap().clone();
        assert_eq!(claims.len(), usize::from(n < 3));
        if let Some(next) = claims.pop() {
            assert_eq!(next["task"]["config"]["n"], json!(n));
            claim = next;
        }
    }
    let bad = json!({"result": 1, "claim_next": {"task_types": [], "worker_id": "w1", "colour": "red"}});
    let refused = app.report(COMPLETE, &claim, bad).await.expect(422);
    assert_eq!(refused["detail"][0]["loc"], json!(["body", "claim_next", "task_types"]));
    app.stop().await;
}

async fn batches_answer_each_item_for_itself(app: TestApp) {
    for _ in 0..3 {
        app.queue("render", json!({})).await;
    }
    let claims = app.claim(json!({"task_types": ["render"], "worker_id": "w1", "max_tasks": 3})).await;
    let item = |claim: &Value| json!({"task_id": claim["task"]["task_id"], "lease_token": claim["lease_token"]});
    let mut wrong = item(&claims[1]);
    wrong["lease_token"] = json!("x");
    let beats = json!({"items": [item(&claims[0]), wrong, {"task_id": "nobody", "lease_token": "x"}, {}, 5]});
    let beaten = app.call("POST /api/v1/tasks/heartbeat/batch", &[]).key().json(beats).send().await.expect(200);
    assert!(beaten["results"][0]["lease_expires_in_ms"].is_i64());
    let codes: Vec<_> = (1..5).map(|n| beaten["results"][n]["error"]["code"].clone()).collect();
    assert_eq!(codes, ["lease_lost", "task_not_found", "validation_error", "validation_error"].map(Value::from));
    assert_eq!(beaten["results"][1]["error"]["reason"], json!("unknown"));
    let mut reports: Vec<Value> = claims.iter().map(item).collect();
    for (n, report) in reports.iter_mut().enumerate() {
        report["result"] = json!(n);
    }
    reports[1]["lease_token"] = json!("x");
    let body = json!({"items": reports});
    let done = app.call("POST /api/v1/tasks/complete/batch", &[]).key().json(body).send().await.expect(200);
    assert_eq!(done["results"][0]["execution"]["result"], json!(0));
    assert_eq!(done["results"][1]["error"]["code"], json!("lease_lost"));
    assert_eq!(done["results"][2]["execution"]["status"], json!("completed"));
    for body in [json!({"items": []}), json!({}), json!({"items": vec![json!({}); 501]})] {
        app.call("POST /api/v1/tasks/heartbeat/batch", &[]).key().json(body).send().await.expect(422);
    }
    app.stop().await;
}

async fn bad_worker_input_is_named_and_changes_nothing(app: TestApp) {
    let id = app.queue("render", json!({})).await;
    let good = json!({"task_types": ["render"], "worker_id": "w1"});
    for (field, value) in [
        ("task_types", json!([])),
        ("task_types", json!("render")),
        ("task_types", json!(null)),
        ("task_types", json!([1])),
        ("worker_id", json!("")),
        ("worker_id", json!("a\nb")),
        ("max_tasks", json!(0)),
        ("max_tasks", json!(101)),
        ("lease_seconds", json!(4)),
        ("lease_seconds", json!(86401)),
        ("wait_seconds", json!(31)),
        ("wait_seconds", json!(-1)),
        ("request_id", json!("x".repeat(129))),
        ("request_id", json!("")),
        ("colour", json!("red")),
    ] {
        let mut body = good.clone();
        body[field] = value;
        let answer = app.call("POST /api/v1/tasks/claim", &[]).key().json(body).send().await.expect(422);
        assert_eq!(answer["detail"][0]["loc"][1], json!(field), "{answer}");
    }
    let claim = app.claim_one("render").await;
    for (route, body, loc) in [
        (HEARTBEAT, json!({"lease_seconds": 1}), "lease_seconds"),
        (PROGRESS, json!({}), "progress"),
        (PROGRESS, json!({"progress": []}), "progress"),
        (PROGRESS, json!({"progress": 5}), "progress"),
        (PROGRESS, json!({"progress": [{}, 5]}), "progress"),
        (PROGRESS, json!({"progress": {"text": "x".repeat(17_000)}}), "progress"),
        (PROGRESS, json!({"progress": vec![json!({}); 101]}), "progress"),
        (COMPLETE, json!({"result": "x".repeat(1024 * 1024)}), "result"),
        (COMPLETE, json!({"tokens_used": -1}), "tokens_used"),
        (COMPLETE, json!({"credits_consumed": "many"}), "credits_consumed"),
        (FAIL, json!({}), "error"),
        (FAIL, json!({"error": 5}), "error"),
        (FAIL, json!({"error": {"code": "x"}}), "error"),
        (FAIL, json!({"error": "x", "retryable": "yes"}), "retryable"),
        (RELEASE, json!({"delay_seconds": -1}), "delay_seconds"),
    ] {
        let answer = app.report(route, &claim, body).await.expect(422);
        assert_eq!(answer["detail"][0]["loc"][1], json!(loc), "{answer}");
    }
    let huge = json!({"result": "x".repeat(2 * 1024 * 1024)});
    app.report(COMPLETE, &claim, huge).await.expect(413);
    for token in [json!(5), json!(null)] {
        let body = json!({"lease_token": token});
        app.call(HEARTBEAT, &[&id]).key().json(body).send().await.expect(422);
    }
    assert_eq!(app.task_as_key(&id).await["status"], json!("running"));
    let large = json!({"result": "x".repeat(1024 * 1024 - 10)});
    app.report(COMPLETE, &claim, large).await.expect(200);
    app.stop().await;
}

async fn only_keys_work_and_only_admins_process_timeouts(app: TestApp) {
    let id = app.queue("render", json!({})).await;
    let claim = json!({"task_types": ["render"], "worker_id": "w1"});
    let denied = app.call("POST /api/v1/tasks/claim", &[]).user("ann").json(claim).send().await.expect(403);
    assert_eq!(denied["action"], json!("claim"));
    for (route, body) in [
        ("POST /api/v1/tasks/{task_id}/claim", json!({"worker_id": "w1"})),
        (HEARTBEAT, json!({"lease_token": "x"})),
        (COMPLETE, json!({"lease_token": "x"})),
    ] {
        app.call(route, &[&id]).user("ann").json(body).send().await.expect(403);
    }
    let items = json!({"items": [{"task_id": id, "lease_token": "x"}]});
    app.call("POST /api/v1/tasks/complete/batch", &[]).user("ann").json(items).send().await.expect(403);
    app.call("POST /api/v1/tasks/timeouts/process", &[]).user("ann").send().await.expect(403);
    let processed = app.call("POST /api/v1/tasks/timeouts/process", &[]).key().send().await.expect(200);
    assert_eq!(processed, json!({"processed_count": 0}));
    app.stop().await;
}
