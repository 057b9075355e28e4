//! Every built-in type, once, against stand-ins of all that it speaks to.

use std::time::Duration;

use serde_json::{Value, json};
use task_testkit::wait;
use wiremock::matchers::{body_partial_json, header_exists, method, path, query_param};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::{Boot, TestApp};

const SOON: Duration = Duration::from_secs(30);

/// As `on_both_engines!`, for tests that boot the service themselves.
macro_rules! on_both {
    ($($name:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() { super::$name($crate::support::Boot::Sqlite).await; })+
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() { super::$name($crate::support::Boot::Postgres).await; })+
        }
    };
}

on_both!(
    every_built_in_type_does_what_it_says,
    a_run_tells_its_owner_however_it_ends,
    an_event_lives_and_dies_with_its_task,
    an_owner_is_reminded_once,
);

/// The world outside, in one server.
struct World {
    server: MockServer,
    backups: std::path::PathBuf,
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.backups);
    }
}

async fn answer(server: &MockServer, verb: &str, at: &str, template: ResponseTemplate) {
    Mock::given(method(verb)).and(path(at)).respond_with(template).mount(server).await;
}

impl World {
    async fn new() -> Self {
        let server = MockServer::start().await;
        let json = |body: Value| ResponseTemplate::new(200).set_body_json(body);
        answer(&server, "POST", "/api/v1/notifications/send", json(json!({}))).await;
        answer(&server, "POST", "/api/v1/calendar/events", json(json!({"event_id": "ev1"}))).await;
        answer(&server, "PUT", "/api/v1/calendar/events/ev1", json(json!({"event_id": "ev1"}))).await;
        answer(&server, "DELETE", "/api/v1/calendar/events/ev1", ResponseTemplate::new(204)).await;
        answer(&server, "GET", "/api/v1/accounts/profile/ann", json(json!({"location": "Lisbon"}))).await;
        Mock::given(method("GET"))
            .and(path("/v1/search"))
            .and(query_param("name", "Lisbon"))
            .respond_with(json(json!({"results": [
                {"name": "Lisbon", "country": "Portugal", "latitude": 38.72, "longitude": -9.14},
            ]})))
            .mount(&server)
            .await;
        let current = json!({
            "temperature_2m": 41.5, "relative_humidity_2m": 20, "apparent_temperature": 43.0, "precipitation": 0.0,
            "weather_code": 0, "wind_speed_10m": 8.0,
        });
        answer(&server, "GET", "/v1/forecast", json(json!({"current": current}))).await;
        let feed = "<rss version=\"2.0\"><channel><title>Example</title>\
            <item><title>Rust in space</title><link>https://example.com/1</link><pubDate>Wed, 02 Jan 2030 03:04:05 GMT</pubDate></item>\
            <item><title>Something else</title><link>https://example.com/2</link><pubDate>Wed, 02 Jan 2030 03:04:04 GMT</pubDate></item>\
            </channel></rss>";
        answer(&server, "GET", "/feed", ResponseTemplate::new(200).set_body_string(feed)).await;
        let page = "<html><head><title>Lamp</title><meta property=\"og:price:amount\" content=\"19.99\">\
            <meta property=\"og:price:currency\" content=\"EUR\"></head></html>";
        answer(&server, "GET", "/lamp", ResponseTemplate::new(200).set_body_string(page)).await;
        Mock::given(method("POST"))
            .and(path("/hook"))
            .and(header_exists("Idempotency-Key"))
            .respond_with(ResponseTemplate::new(202).set_body_string("accepted"))
            .mount(&server)
            .await;
        Mock::given(method("POST"))
            .and(path("/organism"))
            .and(body_partial_json(json!({"type": "plan", "params": {"n": 1}, "drift_score": 0.0})))
            .respond_with(json(json!({"success": true, "plan": ["a", "b"]})))
            .mount(&server)
            .await;
        let name = server.address().port();
        Self { server, backups: std::env::temp_dir().join(format!("task-backups-{}-{name}", std::process::id())) }
    }

    fn url(&self, at: &str) -> String {
        format!("{}{at}", self.server.uri())
    }

    /// The settings that point everything at this world.
    fn toml(&self) -> String {
        let (uri, backups) = (self.server.uri(), self.backups.display());
        let weather = format!("base_url = \"{uri}\"\ngeocoding_url = \"{uri}\"\n");
        format!(
            "[neighbours]\nnotification_url = \"{uri}\"\ncalendar_url = \"{uri}\"\naccount_url = \"{uri}\"\n\
             [executors.daily_weather]\n{weather}[executors.weather_alert]\n{weather}\
             [executors.data_backup]\nfolder = \"{backups}\"\n\
             [executors.conversation]\nprocessing_seconds = 0.01\n\
             [executors.organism]\nbase_url = \"{uri}/organism\"\n\
             [feeds.categories]\nworld = [\"{uri}/feed\"]\n"
        )
    }

    /// Bodies of the calls to one path, by method, in order.
    async fn calls(&self, verb: &str, prefix: &str) -> Vec<Value> {
        let all = self.server.received_requests().await.unwrap();
        let mine = all.iter().filter(|r| r.method.as_str() == verb && r.url.path().starts_with(prefix));
        mine.map(|r| serde_json::from_slice(&r.body).unwrap_or(Value::Null)).collect()
    }

    async fn notifications(&self) -> Vec<Value> {
        self.calls("POST", "/api/v1/notifications/send").await
    }
}

async fn execute(app: &TestApp, id: &str) -> Value {
    app.call("POST /api/v1/tasks/{task_id}/execute", &[id]).user("ann").send().await.expect(200)
}

async fn every_built_in_type_does_what_it_says(boot: Boot) {
    let world = World::new().await;
    let app = boot.with(&world.toml()).await;
    let event =
        json!({"event_title": "Review", "event_time": "2030-05-01T10:00:00Z", "attendees": ["bob@example.com"]});
    let alert = json!({"location": "auto", "alert_conditions": {"temperature": {"operator": ">", "value": 30}}});
    let runs = [
        ("echo", json!({"value": 1}), "custom_data"),
        ("http", json!({"url": world.url("/hook")}), "custom_data"),
        ("custom", json!({"webhook_url": world.url("/hook")}), "custom_data"),
        ("daily_weather", json!({"location": "auto"}), "weather_data"),
        ("weather_alert", alert, "alert_data"),
        ("daily_news", json!({}), "news_data"),
        ("news_monitor", json!({"keywords": ["rust"]}), "monitored_data"),
        (
            "price_tracker",
            json!({"product_url": world.url("/lamp"), "target_price": 20, "currency": "EUR"}),
            "price_data",
        ),
        ("data_backup", json!({}), "backup_data"),
        ("todo", json!({}), "todo_data"),
        ("reminder", json!({"reminder_message": "Stand up"}), "reminder_data"),
        ("calendar_event", event, "calendar_data"),
        ("conversation", json!({}), "conversation_data"),
    ];
    for (task_type, config, kind) in &runs {
        let id = app
            .create(json!({"name": format!("my {task_type}"), "task_type": task_type, "config": config, "credits_per_run": 0.5}))
            .await;
        let done = execute(&app, &id).await;
        assert_eq!((&done["status"], &done["credits_consumed"]), (&json!("completed"), &json!(0.5)), "{task_type}");
        let result = done["result"].as_object().unwrap();
        let keys: Vec<_> =
            result.keys().map(String::as_str).filter(|key| !["message", "status"].contains(key)).collect();
        assert_eq!((&result["status"], keys), (&json!("success"), vec![*kind]), "{task_type}");
        assert!(result["message"].is_string() && result[*kind].is_object(), "{task_type}");
    }
    let task = json!({"name": "o", "task_type": "organism", "config": {"type": "plan", "params": {"n": 1}}});
    let id = app.create(task).await;
    assert_eq!(execute(&app, &id).await["result"], json!({"success": true, "plan": ["a", "b"]}));

    // Beside the notice of each run: what a run itself tells its owner.
    wait::until("every run was told of", SOON, || async {
        let sent = world.notifications().await;
        sent.iter().filter(|n| n["subject"].as_str().unwrap().starts_with("Task completed: ")).count() == runs.len() + 1
    })
    .await;
    let sent = world.notifications().await;
    assert!(sent.iter().all(|n| n["recipient_id"] == "ann" && n["type"] == "in_app"));
    let mut told: Vec<_> = sent
        .iter()
        .filter(|n| !n["subject"].as_str().unwrap().starts_with("Task completed: "))
        .map(|n| (n["metadata"]["task_type"].as_str().unwrap(), n["subject"].as_str().unwrap()))
        .collect();
    told.sort_unstable();
    assert_eq!(
        told,
        [
            ("news_monitor", "News: my news_monitor"),
            ("price_tracker", "Price target met"),
            ("reminder", "Reminder: my reminder"),
            ("todo", "Todo: my todo"),
            ("weather_alert", "Weather alert for Lisbon, Portugal"),
        ]
    );
    let events = world.calls("POST", "/api/v1/calendar/events").await;
    assert_eq!(
        events,
        [json!({
            "user_id": "ann", "title": "Review", "description": null, "start_time": "2030-05-01T10:00:00Z",
            "end_time": "2030-05-01T11:00:00Z", "location": null, "attendees": ["bob@example.com"],
        })]
    );
    app.stop().await;
}

async fn a_run_tells_its_owner_however_it_ends(boot: Boot) {
    let world = World::new().await;
    let app = boot.with(&world.toml()).await;
    let slow = json!({"steps": 1000, "step_ms": 100});
    let late =
        json!({"name": "late", "task_type": "echo", "config": slow, "timeout_seconds": 1, "run_immediately": true});
    app.create(late).await;
    let refused = json!({"name": "refused", "task_type": "http", "config": {"url": "http://10.0.0.1/"}});
    let id = app.create(refused).await;
    app.call("POST /api/v1/tasks/{task_id}/execute", &[&id]).user("ann").send().await.expect(500);
    let cancelled = json!({"name": "cancelled", "task_type": "echo", "config": slow, "run_immediately": true});
    let id = app.create(cancelled).await;
    app.call("POST /api/v1/tasks/{task_id}/cancel", &[&id]).user("ann").json(json!({})).send().await.expect(200);
    let expected = ["Task cancelled: cancelled", "Task failed: refused", "Task timed out: late"];
    wait::until("all three were told of", SOON, || async {
        let sent = world.notifications().await;
        let mut subjects: Vec<_> = sent.iter().map(|n| n["subject"].as_str().unwrap()).collect();
        subjects.sort_unstable();
        subjects == expected
    })
    .await;
    app.stop().await;
}

async fn an_event_lives_and_dies_with_its_task(boot: Boot) {
    let world = World::new().await;
    let app = boot.with(&world.toml()).await;
    let event = json!({"event_title": "Review", "event_time": "2030-05-01T10:00:00Z"});
    let id = app.create(json!({"name": "e", "task_type": "calendar_event", "config": event})).await;
    assert_eq!(execute(&app, &id).await["result"]["calendar_data"]["action"], "created");
    assert_eq!(app.get(&id).await["metadata"], json!({"calendar_event_id": "ev1"}));
    // What the owner writes beside it is for show: only the event that the first run made is changed.
    for metadata in [json!({"calendar_event_id": "bobs"}), json!({}), Value::Null] {
        let patch = json!({"metadata": metadata});
        app.call("PATCH /api/v1/tasks/{task_id}", &[&id]).user("ann").json(patch).send().await.expect(200);
        assert_eq!(execute(&app, &id).await["result"]["calendar_data"]["action"], "updated");
        assert_eq!(app.get(&id).await["metadata"], json!({"calendar_event_id": "ev1"}));
    }
    assert_eq!(world.calls("PUT", "/api/v1/calendar/events/ev1").await.len(), 3);
    assert_eq!(world.calls("PUT", "/api/v1/calendar/events/bobs").await.len(), 0);
    app.call("DELETE /api/v1/tasks/{task_id}", &[&id]).user("ann").send().await.expect(200);
    wait::until("the event is gone", SOON, || async {
        world.calls("DELETE", "/api/v1/calendar/events/ev1").await.len() == 1
    })
    .await;
    app.stop().await;
}

async fn an_owner_is_reminded_once(boot: Boot) {
    let world = World::new().await;
    let app = boot.with(&world.toml()).await;
    let past = json!({"name": "Buy milk", "task_type": "todo", "reminder_time": "2020-01-01T00:00:00Z"});
    app.create(past).await;
    let started = app.call("GET /status", &[]).key().send().await.expect(200)["started_at"].clone();
    let id = app.create(json!({"name": "Call home", "task_type": "todo", "reminder_time": started})).await;
    let reminder =
        json!({"name": "r", "task_type": "reminder", "reminder_time": started, "config": {"reminder_message": "m"}});
    let runs = app.create(reminder).await;
    wait::until("the reminder ran", SOON, || async { app.get(&runs).await["status"] == "completed" }).await;
    let reminders = || async {
        let sent = world.notifications().await;
        sent.into_iter().filter(|n| n["subject"] == "Reminder: Call home").collect::<Vec<_>>()
    };
    wait::until("the owner was reminded", SOON, || async { !reminders().await.is_empty() }).await;
    let metadata = json!({"task_id": id, "execution_id": null, "task_type": "todo"});
    assert_eq!(reminders().await[0]["metadata"], metadata);
    let history = app.call("GET /api/v1/tasks/{task_id}/history", &[&id]).user("ann").send().await.expect(200);
    let actions: Vec<_> = history.as_array().unwrap().iter().map(|entry| entry["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["create", "remind"]);
    assert_eq!(app.get(&id).await["status"], "pending");
    app.stop().await;
    // Whoever was reminded is not reminded by another tick, and what is years late by none.
    let sent = world.notifications().await;
    assert_eq!(sent.iter().filter(|n| n["metadata"]["task_type"] == "todo").count(), 1);
}
