//! Facts: kept, searched, edited; whose they are.

use serde_json::{Value, json};

use crate::support::{Answer, TestApp, on_both_engines};

on_both_engines!(
    a_fact_lives_from_post_to_delete,
    a_search_pages_what_fits,
    users_and_keys_see_and_change_what_is_theirs,
    bad_facts_change_nothing,
);

async fn add(app: &TestApp, user: &str, body: Value) -> Value {
    app.call("POST /api/v1/facts", &[]).user(user).json(body).send().await.expect(201)
}

async fn search(app: &TestApp, user: &str, query: &[(&str, &str)]) -> Value {
    app.call("GET /api/v1/facts", &[]).user(user).query(query).send().await.expect(200)
}

fn texts(page: &Value) -> Vec<&str> {
    page["items"].as_array().unwrap().iter().map(|fact| fact["text"].as_str().unwrap()).collect()
}

async fn a_fact_lives_from_post_to_delete(app: TestApp) {
    let body = json!({"text": "Water boils at 100 °C", "tags": ["physics"], "meta_data": {"source": "school"}});
    let answer = app.call("POST /api/v1/facts", &[]).user("ann").json(body).send().await;
    let location = answer.headers["location"].to_str().unwrap().to_owned();
    let fact = answer.expect(201);
    let id = fact["id"].as_str().unwrap();
    assert_eq!(location, format!("/api/v1/facts/{id}"));
    assert_eq!((&fact["user_id"], &fact["tenant_id"]), (&json!("ann"), &json!("default")));
    assert_eq!(fact["created_at"], fact["updated_at"]);
    let get = || app.call("GET /api/v1/facts/{fact_id}", &[id]).user("ann").send();
    let patch = |body: Value| app.call("PATCH /api/v1/facts/{fact_id}", &[id]).user("ann").json(body).send();
    assert_eq!(get().await.expect(200), fact);
    assert_eq!(patch(json!({})).await.expect(200), fact, "an empty patch changes nothing");
    assert_eq!(get().await.expect(200), fact);
    let edited = patch(json!({"tags": []})).await.expect(200);
    assert_eq!((&edited["text"], &edited["tags"]), (&fact["text"], &json!([])));
    assert_eq!((&edited["meta_data"], &edited["created_at"]), (&fact["meta_data"], &fact["created_at"]));
    assert_ne!(edited["updated_at"], fact["updated_at"]);
    let edited = patch(json!({"text": "It does", "meta_data": {}})).await.expect(200);
    assert_eq!((&edited["text"], &edited["meta_data"]), (&json!("It does"), &json!({})));
    assert_eq!(get().await.expect(200), edited);
    let delete = || app.call("DELETE /api/v1/facts/{fact_id}", &[id]).user("ann").send();
    assert_eq!(delete().await.expect(200), json!({"message": "Fact deleted successfully", "fact_id": id}));
    for gone in [get().await, patch(json!({})).await, delete().await] {
        let gone = gone.expect(404);
        assert_eq!(
            (&gone["detail"], &gone["fact_id"], &gone["code"]),
            (&json!("Fact not found"), &json!(id), &json!("fact_not_found"))
        );
    }
    app.stop().await;
}

async fn a_search_pages_what_fits(app: TestApp) {
    for n in 0..5 {
        let tag = if n % 2 == 0 { "even" } else { "odd" };
        add(&app, "ann", json!({"text": format!("Fact {n}"), "tags": [tag], "meta_data": {"Place": format!("p{n}")}}))
            .await;
    }
    let all = search(&app, "ann", &[]).await;
    assert_eq!((&all["total"], texts(&all)), (&json!(5), vec!["Fact 4", "Fact 3", "Fact 2", "Fact 1", "Fact 0"]));
    let page = search(&app, "ann", &[("limit", "2"), ("offset", "1")]).await;
    assert_eq!((&page["total"], texts(&page)), (&json!(5), vec!["Fact 3", "Fact 2"]));
    assert_eq!(texts(&search(&app, "ann", &[("q", "fACT%203")]).await), ["Fact 3"]);
    assert_eq!(texts(&search(&app, "ann", &[("q", "P4")]).await), ["Fact 4"]);
    assert_eq!(texts(&search(&app, "ann", &[("tag", "odd"), ("q", "fact")]).await), ["Fact 3", "Fact 1"]);
    assert_eq!(search(&app, "ann", &[("q", "fact%205")]).await, json!({"total": 0, "items": []}));
    app.stop().await;
}

async fn users_and_keys_see_and_change_what_is_theirs(app: TestApp) {
    let anns = add(&app, "ann", json!({"text": "ann's"})).await;
    add(&app, "bob", json!({"text": "bob's"})).await;
    let tenants =
        app.call("POST /api/v1/facts", &[]).key().json(json!({"text": "the tenant's"})).send().await.expect(201);
    assert_eq!(tenants["user_id"], Value::Null);
    assert_eq!(texts(&search(&app, "ann", &[]).await), ["the tenant's", "ann's"]);
    let for_bob = app.call("GET /api/v1/facts", &[]).key().user("bob").send().await.expect(200);
    assert_eq!(texts(&for_bob), ["the tenant's", "bob's"]);
    let all = app.call("GET /api/v1/facts", &[]).key().send().await.expect(200);
    assert_eq!(all["total"], 3);
    let (ann_id, tenant_id) = (anns["id"].as_str().unwrap(), tenants["id"].as_str().unwrap());
    let call = |route: &'static str, id: &str, user: &str, tenant: &str| {
        app.call(route, &[id]).user(user).header("X-Tenant-ID", tenant).json(json!({"text": "mine"})).send()
    };
    let denied = |answer: Answer, action: &str| {
        let body = answer.expect(403);
        assert_eq!((&body["detail"], &body["action"]), (&json!("Permission denied"), &json!(action)));
    };
    denied(call("GET /api/v1/facts/{fact_id}", ann_id, "bob", "default").await, "read");
    denied(call("PATCH /api/v1/facts/{fact_id}", ann_id, "bob", "default").await, "update");
    denied(call("DELETE /api/v1/facts/{fact_id}", ann_id, "bob", "default").await, "delete");
    // The tenant's: its users read it, and no more.
    call("GET /api/v1/facts/{fact_id}", tenant_id, "bob", "default").await.expect(200);
    denied(call("PATCH /api/v1/facts/{fact_id}", tenant_id, "bob", "default").await, "update");
    denied(call("DELETE /api/v1/facts/{fact_id}", tenant_id, "bob", "default").await, "delete");
    for route in ["GET /api/v1/facts/{fact_id}", "PATCH /api/v1/facts/{fact_id}", "DELETE /api/v1/facts/{fact_id}"] {
        for id in [ann_id, tenant_id] {
            call(route, id, "ann", "elsewhere").await.expect(404);
            app.call(route, &[id]).send().await.expect(401);
        }
    }
    let elsewhere = app.call("GET /api/v1/facts", &[]).user("ann").header("X-Tenant-ID", "elsewhere").send().await;
    assert_eq!(elsewhere.expect(200)["total"], 0);
    assert_eq!(call("PATCH /api/v1/facts/{fact_id}", ann_id, "ann", "default").await.expect(200)["text"], "mine");
    let by_key = app.call("PATCH /api/v1/facts/{fact_id}", &[tenant_id]).key().json(json!({"text": "ours"})).send();
    assert_eq!(by_key.await.expect(200)["text"], "ours");
    app.call("DELETE /api/v1/facts/{fact_id}", &[tenant_id]).key().send().await.expect(200);
    app.stop().await;
}

async fn bad_facts_change_nothing(app: TestApp) {
    let fact = add(&app, "ann", json!({"text": "stays"})).await;
    let id = fact["id"].as_str().unwrap();
    let bodies = [
        json!({"text": ""}),
        json!({"text": "  "}),
        json!({"text": 7}),
        json!({"text": null}),
        json!({"text": "x".repeat(10_001)}),
        json!({"text": "x", "tags": "a"}),
        json!({"text": "x", "tags": [""]}),
        json!({"text": null, "tags": null}),
        json!({"text": "x", "meta_data": []}),
        json!({"text": "x", "colour": "red"}),
        json!([]),
    ];
    for body in bodies {
        app.call("POST /api/v1/facts", &[]).user("ann").json(body.clone()).send().await.expect(422);
        app.call("PATCH /api/v1/facts/{fact_id}", &[id]).user("ann").json(body).send().await.expect(422);
    }
    let missing = app.call("POST /api/v1/facts", &[]).user("ann").json(json!({})).send().await.expect(422);
    assert_eq!(missing["detail"][0]["loc"], json!(["body", "text"]));
    for query in [("limit", "0"), ("limit", "1001"), ("offset", "-1"), ("colour", "red")] {
        app.call("GET /api/v1/facts", &[]).user("ann").query(&[query]).send().await.expect(422);
    }
    app.call("GET /api/v1/facts/{fact_id}", &["no-uuid"]).user("ann").send().await.expect(422);
    assert_eq!(search(&app, "ann", &[]).await["items"], json!([fact]));
    app.stop().await;
}
