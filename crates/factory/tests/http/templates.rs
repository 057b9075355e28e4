//! Templates, and tasks made from them.

use serde_json::{Value, json};

use crate::support::{Answer, TestApp, on_both_engines};

on_both_engines!(
    templates_are_listed_by_level_category_and_type,
    exactly_the_required_fields_make_a_valid_task,
    each_missing_field_is_named,
    a_customization_overlays_the_defaults,
    a_template_above_the_level_is_refused,
    bad_customizations_make_nothing,
    a_template_is_filled_once_under_one_key,
);

/// Each template with exactly its required fields, and the schedule that its task gets.
fn filled() -> Vec<(&'static str, Value, Value)> {
    let at = "2030-01-31T09:00:00Z";
    vec![
        ("tpl_todo_basic", json!({"name": "Buy milk", "due_date": at}), json!(null)),
        ("tpl_reminder_simple", json!({"name": "Call Ann", "reminder_time": at}), json!(null)),
        ("tpl_daily_weather", json!({"location": "Oslo"}), json!({"type": "daily", "run_time": "08:00"})),
        ("tpl_daily_news", json!({"categories": ["tech"]}), json!({"type": "daily", "run_time": "09:00"})),
        (
            "tpl_calendar_event",
            json!({"name": "Lunch", "start_time": at, "end_time": "2030-01-31T10:30:00Z"}),
            json!(null),
        ),
        (
            "tpl_price_tracker",
            json!({"product_url": "https://shop.example/x", "target_price": 9.5}),
            json!({"type": "daily", "run_time": "09:00"}),
        ),
        ("tpl_news_monitor", json!({"keywords": ["rust"]}), json!({"type": "interval", "interval_minutes": 60})),
        ("tpl_weather_alert", json!({"location": "Oslo"}), json!(null)),
        (
            "tpl_custom_webhook",
            json!({"webhook_url": "https://hook.example/x", "schedule": {"type": "interval", "interval_minutes": 90}}),
            json!({"type": "interval", "interval_minutes": 90}),
        ),
    ]
}

async fn from(app: &TestApp, template_id: &str, customization: &Value) -> Answer {
    let body = json!({"template_id": template_id, "customization": customization});
    app.call("POST /api/v1/tasks/from-template", &[]).user("ann").json(body).send().await
}

async fn templates_are_listed_by_level_category_and_type(app: TestApp) {
    let list = async |level: &str, query: &[(&str, &str)]| {
        let call = app.call("GET /api/v1/templates", &[]).user("ann").header("X-Subscription-Level", level);
        let templates = call.query(query).send().await.expect(200);
        let ids = templates.as_array().unwrap().iter().map(|t| t["template_id"].as_str().unwrap().to_owned());
        ids.collect::<Vec<_>>()
    };
    assert_eq!(list("free", &[]).await, ["tpl_daily_weather", "tpl_todo_basic", "tpl_reminder_simple"]);
    assert_eq!(list("basic", &[]).await.len(), 5);
    assert_eq!(list("pro", &[]).await.len(), 8);
    assert_eq!(list("enterprise", &[]).await.len(), 9);
    assert_eq!(list("pro", &[("category", "alerts")]).await, ["tpl_weather_alert"]);
    assert_eq!(list("pro", &[("category", "monitoring"), ("task_type", "daily_news")]).await, ["tpl_daily_news"]);
    assert!(list("pro", &[("category", "nothing")]).await.is_empty());
    let by_key = app.call("GET /api/v1/templates", &[]).key().send().await.expect(200);
    assert_eq!(by_key.as_array().unwrap().len(), 9);
    let todo = app.call("GET /api/v1/templates/{template_id}", &["tpl_todo_basic"]).user("ann").send().await;
    let todo = todo.expect(200);
    assert!(by_key.as_array().unwrap().contains(&todo));
    assert_eq!(
        (&todo["name"], &todo["category"], &todo["task_type"], &todo["required_subscription_level"]),
        (&json!("Basic Todo"), &json!("productivity"), &json!("todo"), &json!("free"))
    );
    assert_eq!(todo["required_fields"], json!(["name", "due_date"]));
    let unknown = app.call("GET /api/v1/templates/{template_id}", &["tpl_x"]).user("ann").send().await.expect(404);
    assert_eq!((&unknown["detail"], &unknown["template_id"]), (&json!("Template not found"), &json!("tpl_x")));
    app.call("GET /api/v1/templates", &[]).send().await.expect(401);
    app.call("GET /api/v1/templates", &[]).user("ann").query(&[("colour", "red")]).send().await.expect(422);
    app.stop().await;
}

async fn exactly_the_required_fields_make_a_valid_task(app: TestApp) {
    for (template_id, customization, schedule) in filled() {
        let template = app.call("GET /api/v1/templates/{template_id}", &[template_id]).key().send().await.expect(200);
        let answer = from(&app, template_id, &customization).await;
        assert!(answer.headers.contains_key("location") && answer.headers.contains_key("etag"));
        let task = answer.expect(201);
        assert_eq!((&task["task_type"], &task["user_id"]), (&template["task_type"], &json!("ann")), "{template_id}");
        assert_eq!(task["credits_per_run"], template["credits_per_run"]);
        for (key, default) in template["default_config"].as_object().unwrap() {
            let expected = customization.get(key).unwrap_or(default);
            assert_eq!(task["config"][key], *expected, "{template_id}: {key}");
        }
        match schedule.as_object() {
            None => assert_eq!(task["schedule"], Value::Null, "{template_id}"),
            Some(schedule) => {
                assert_eq!(task["status"], "scheduled", "{template_id}");
                for (key, value) in schedule {
                    assert_eq!(task["schedule"][key], *value, "{template_id}");
                }
            }
        }
        assert_eq!(app.get(task["task_id"].as_str().unwrap()).await, task);
    }
    app.stop().await;
}

async fn each_missing_field_is_named(app: TestApp) {
    for (template_id, customization, _) in filled() {
        let template = app.call("GET /api/v1/templates/{template_id}", &[template_id]).key().send().await.expect(200);
        let defaults = &template["default_config"];
        for field in customization.as_object().unwrap().keys().filter(|field| defaults.get(field.as_str()).is_none()) {
            let mut without = customization.clone();
            without.as_object_mut().unwrap().remove(field);
            let refused = from(&app, template_id, &without).await.expect(422);
            let problems = refused["detail"].as_array().unwrap();
            assert_eq!(problems.len(), 1, "{refused:#}");
            assert_eq!(problems[0]["loc"], json!(["body", "customization", field]));
            assert_eq!(problems[0]["type"], "missing");
        }
    }
    let body = json!({"template_id": "tpl_calendar_event"});
    let call = app.call("POST /api/v1/tasks/from-template", &[]).user("ann").json(body);
    let refused = call.send().await.expect(422);
    assert_eq!(refused["detail"].as_array().unwrap().len(), 3, "every one at once: {refused:#}");
    assert_eq!(app.call("GET /api/v1/tasks", &[]).user("ann").send().await.expect(200)["count"], 0);
    app.stop().await;
}

async fn a_customization_overlays_the_defaults(app: TestApp) {
    let customization = json!({
        "name": "Mine", "description": "d", "priority": "high", "tags": ["t"], "metadata": {"m": 1},
        "time": "21:15", "config": {"location": "Rome", "units": "imperial"},
    });
    let task = from(&app, "tpl_daily_weather", &customization).await.expect(201);
    assert_eq!(task["config"], json!({"location": "Rome", "units": "imperial", "time": "21:15"}));
    assert_eq!(task["schedule"]["run_time"], "21:15");
    for key in ["name", "description", "priority", "tags", "metadata"] {
        assert_eq!(task[key], customization[key], "{key}");
    }
    let scheduled = json!({"location": "Rome", "schedule": {"type": "weekly", "weekday": 2, "run_time": "07:00"}});
    let task = from(&app, "tpl_daily_weather", &scheduled).await.expect(201);
    assert_eq!((&task["schedule"]["type"], &task["schedule"]["weekday"]), (&json!("weekly"), &json!(2)));
    assert_eq!(task["name"], "Daily Weather Report");
    let at = "2030-01-31T09:00:00Z";
    let reminder = from(&app, "tpl_reminder_simple", &json!({"name": "Call", "reminder_time": at})).await.expect(201);
    assert_eq!(reminder["config"], json!({"notification_type": "in_app", "reminder_message": "Call"}));
    assert_eq!((&reminder["status"], &reminder["next_run_time"]), (&json!("scheduled"), &json!(at)));
    let event = json!({"name": "Lunch", "start_time": at, "end_time": "2030-01-31T09:45:00Z", "location": "Café"});
    let event = from(&app, "tpl_calendar_event", &event).await.expect(201);
    let config = &event["config"];
    assert_eq!((&config["event_title"], &config["event_time"]), (&json!("Lunch"), &json!(at)));
    assert_eq!((&config["duration_minutes"], &config["location"]), (&json!(45), &json!("Café")));
    let todo = from(&app, "tpl_todo_basic", &json!({"name": "n", "due_date": at})).await.expect(201);
    assert_eq!(
        (&todo["due_date"], &todo["priority"], &todo["status"]),
        (&json!(at), &json!("medium"), &json!("pending"))
    );
    app.stop().await;
}

async fn a_template_above_the_level_is_refused(app: TestApp) {
    let body = json!({"template_id": "tpl_price_tracker", "customization": {}});
    let call = app.call("POST /api/v1/tasks/from-template", &[]).user("ann").header("X-Subscription-Level", "basic");
    let refused = call.json(body).send().await.expect(403);
    assert_eq!(
        (&refused["detail"], &refused["action"], &refused["required_level"]),
        (&json!("Permission denied"), &json!("use_template"), &json!("pro"))
    );
    let call = app.call("GET /api/v1/templates/{template_id}", &["tpl_price_tracker"]).user("ann");
    let refused = call.header("X-Subscription-Level", "free").send().await.expect(403);
    assert_eq!(refused["required_level"], "pro");
    app.stop().await;
}

async fn bad_customizations_make_nothing(app: TestApp) {
    let at = "2030-01-31T09:00:00Z";
    for (template_id, customization, loc) in [
        ("tpl_daily_weather", json!({"colour": "red"}), json!(["body", "customization", "colour"])),
        ("tpl_daily_weather", json!({"task_id": "mine"}), json!(["body", "customization", "task_id"])),
        ("tpl_daily_weather", json!({"config": []}), json!(["body", "customization", "config"])),
        ("tpl_daily_weather", json!({"time": "25:00"}), json!(["body", "customization", "schedule", "run_time"])),
        ("tpl_daily_weather", json!({"name": ""}), json!(["body", "customization", "name"])),
        ("tpl_todo_basic", json!({"name": 7, "due_date": at}), json!(["body", "customization", "name"])),
        ("tpl_todo_basic", json!({"name": "n", "due_date": "soon"}), json!(["body", "customization", "due_date"])),
        (
            "tpl_news_monitor",
            json!({"keywords": ["x"], "check_interval": "often"}),
            json!(["body", "customization", "config", "check_interval"]),
        ),
        (
            "tpl_custom_webhook",
            json!({"webhook_url": "no url", "schedule": {"type": "daily"}}),
            json!(["body", "customization", "config", "webhook_url"]),
        ),
    ] {
        let refused = from(&app, template_id, &customization).await.expect(422);
        assert_eq!(refused["detail"][0]["loc"], loc, "{customization}: {refused:#}");
    }
    let unknown = from(&app, "tpl_nothing", &json!({})).await.expect(404);
    assert_eq!((&unknown["detail"], &unknown["code"]), (&json!("Template not found"), &json!("template_not_found")));
    for body in [
        json!({}),
        json!({"template_id": 7}),
        json!({"template_id": "tpl_daily_weather", "customization": []}),
        json!({"template_id": "tpl_daily_weather", "name": "n"}),
        json!([]),
    ] {
        app.call("POST /api/v1/tasks/from-template", &[]).user("ann").json(body).send().await.expect(422);
    }
    assert_eq!(app.call("GET /api/v1/tasks", &[]).user("ann").send().await.expect(200)["count"], 0);
    app.stop().await;
}

async fn a_template_is_filled_once_under_one_key(app: TestApp) {
    let body = json!({"template_id": "tpl_daily_weather", "customization": {"location": "Oslo"}});
    let fill = || {
        let call = app.call("POST /api/v1/tasks/from-template", &[]).user("ann").header("Idempotency-Key", "k");
        call.json(body.clone()).send()
    };
    let first = fill().await;
    assert!(!first.headers.contains_key("idempotency-replayed"));
    let repeat = fill().await;
    assert_eq!(repeat.headers["idempotency-replayed"], "true");
    assert_eq!(repeat.expect(201), first.expect(201));
    app.stop().await;
}
