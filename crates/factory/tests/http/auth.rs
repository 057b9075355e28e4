//! Who may call, and whose tasks they see.

use serde_json::json;

use crate::support::{TestApp, echo, on_both_engines};

on_both_engines!(nobody_gets_in_without_a_credential, users_tenants_and_keys_see_what_is_theirs, keys_act_for_users);

async fn nobody_gets_in_without_a_credential(app: TestApp) {
    for call in [
        app.call("GET /api/v1/tasks", &[]),
        app.call("GET /api/v1/tasks", &[]).header("X-API-Key", "wrong"),
        app.call("GET /api/v1/tasks", &[]).user("ann").user("bob"),
        app.call("GET /api/v1/events", &[]),
        app.call("POST /api/v1/tasks", &[]).json(echo()),
    ] {
        let answer = call.send().await;
        assert_eq!(answer.headers["www-authenticate"], "Bearer");
        let id = answer.headers["x-request-id"].to_str().unwrap().to_owned();
        assert_eq!(
            answer.expect(401),
            json!({"detail": "Invalid or missing authentication", "code": "unauthenticated", "request_id": id})
        );
    }
    let wrong = app.call("GET /api/v1/tasks", &[]).user("ann").header("X-Subscription-Level", "gold").send().await;
    let wrong = wrong.expect(422);
    assert_eq!(wrong["detail"][0]["loc"], json!(["header", "X-Subscription-Level"]));
    assert!(wrong["detail"][0]["msg"].as_str().unwrap().contains("free, basic, pro, enterprise"), "{wrong:#}");
    app.stop().await;
}

async fn users_tenants_and_keys_see_what_is_theirs(app: TestApp) {
    let id = app.create(echo()).await;
    let denied = app.call("GET /api/v1/tasks/{task_id}", &[&id]).user("bob").send().await.expect(403);
    assert_eq!((&denied["detail"], &denied["action"]), (&json!("Permission denied"), &json!("read")));
    for (route, action) in [
        ("PATCH /api/v1/tasks/{task_id}", "update"),
        ("POST /api/v1/tasks/{task_id}/execute", "execute"),
        ("POST /api/v1/tasks/{task_id}/cancel", "cancel"),
    ] {
        let denied = app.call(route, &[&id]).user("bob").json(json!({})).send().await.expect(403);
        assert_eq!(denied["action"], json!(action));
    }
    let unknown = app.call("GET /api/v1/tasks/{task_id}", &["no-such-task"]).user("ann").send().await.expect(404);
    let mut foreign = app
        .call("GET /api/v1/tasks/{task_id}", &[&id])
        .user("ann")
        .header("X-Tenant-ID", "other")
        .send()
        .await
        .expect(404);
    // Exactly the answer of a task that does not exist.
    foreign["task_id"] = unknown["task_id"].clone();
    foreign["request_id"] = unknown["request_id"].clone();
    assert_eq!(foreign, unknown);
    app.call("GET /api/v1/tasks/{task_id}", &[&id]).key().send().await.expect(200);
    let all = app.call("GET /api/v1/tasks", &[]).key().query(&[("user_id", "ann")]).send().await.expect(200);
    assert_eq!(all["count"], json!(1));
    app.stop().await;
}

async fn keys_act_for_users(app: TestApp) {
    let own = app.call("POST /api/v1/tasks", &[]).key().json(echo()).send().await.expect(201);
    assert_eq!(own["user_id"], json!(null));
    let by_body = app
        .call("POST /api/v1/tasks", &[])
        .key()
        .json(json!({"name": "n", "task_type": "echo", "user_id": "ann"}))
        .send()
        .await
        .expect(201);
    let by_header = app.call("POST /api/v1/tasks", &[]).key().user("ann").json(echo()).send().await.expect(201);
    assert_eq!((&by_body["user_id"], &by_header["user_id"]), (&json!("ann"), &json!("ann")));
    let anns = app.call("GET /api/v1/tasks", &[]).user("ann").send().await.expect(200);
    assert_eq!(anns["count"], json!(2));
    app.call("POST /api/v1/tasks", &[])
        .user("bob")
        .json(json!({"name": "n", "task_type": "echo", "user_id": "ann"}))
        .send()
        .await
        .expect(403);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn outside_development_the_gateway_must_show_its_secret() {
    let app = TestApp::sqlite_in_mode(&[("GATEWAY_SECRET", "s1,s2"), ("API_KEY", "boot")], false).await;
    app.call("GET /api/v1/tasks", &[]).user("ann").send().await.expect(401);
    app.call("GET /api/v1/tasks", &[]).user("ann").header("X-Gateway-Secret", "s3").send().await.expect(401);
    app.call("GET /api/v1/tasks", &[]).user("ann").header("X-Gateway-Secret", "s2").send().await.expect(200);
    app.call("GET /api/v1/tasks", &[]).key().send().await.expect(401);
    app.call("GET /api/v1/tasks", &[]).header("Authorization", "Bearer boot").send().await.expect(200);
    app.stop().await;
}
