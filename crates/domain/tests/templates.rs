//! What a filled template says of its task.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use chrono::DateTime;
use serde_json::{Value, json};
use task_domain::{ProblemKind, Schedule, SubscriptionLevel, Template};

fn template(task_type: &str, defaults: Value, required: &[&str], optional: &[&str]) -> Template {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Template {
        id: 1,
        template_id: "tpl".into(),
        name: "The Template".into(),
        description: None,
        category: "test".into(),
        task_type: task_type.into(),
        default_config: defaults.as_object().unwrap().clone(),
        required_fields: names(required),
        optional_fields: names(optional),
        config_schema: None,
        required_level: SubscriptionLevel::Free,
        credits_per_run: 1.5,
        tags: Vec::new(),
        metadata: None,
        is_active: true,
        created_at: DateTime::UNIX_EPOCH,
        updated_at: DateTime::UNIX_EPOCH,
    }
}

fn weather() -> Template {
    template("daily_weather", json!({"time": "08:00", "location": "auto"}), &["location"], &["units", "time"])
}

fn calendar() -> Template {
    let defaults = json!({"reminder_before": 15, "recurring": false});
    template("calendar_event", defaults, &["name", "start_time", "end_time"], &["location", "attendees", "recurring"])
}

fn filled(template: &Template, customization: Value) -> Value {
    Value::Object(template.fill(customization.as_object().unwrap().clone()).unwrap())
}

/// Field and kind of every problem.
fn problems(template: &Template, customization: Value) -> Vec<(String, ProblemKind)> {
    let problems = template.fill(customization.as_object().unwrap().clone()).unwrap_err();
    problems.into_iter().map(|problem| (problem.field, problem.kind)).collect()
}

#[test]
fn defaults_are_overlaid_and_nothing_given_is_taken_away() {
    let config = json!({"location": "Oslo", "extra": 1});
    let task = filled(&weather(), json!({"config": config, "units": "imperial", "name": "Mine", "tags": ["a"]}));
    assert_eq!(task["config"], json!({"time": "08:00", "location": "Oslo", "extra": 1, "units": "imperial"}));
    assert_eq!((&task["name"], &task["tags"]), (&json!("Mine"), &json!(["a"])));
    assert_eq!((&task["task_type"], &task["credits_per_run"]), (&json!("daily_weather"), &json!(1.5)));
    assert_eq!(filled(&weather(), json!({}))["name"], "The Template", "whoever names nothing gets the template's name");
}

#[test]
fn a_required_field_may_be_given_in_three_places() {
    let news = template("news_monitor", json!({}), &["keywords"], &[]);
    assert_eq!(problems(&news, json!({})), [("keywords".to_owned(), ProblemKind::Missing)]);
    assert_eq!(problems(&news, json!({"keywords": null})).len(), 1, "null is not given");
    assert_eq!(filled(&news, json!({"keywords": ["a"]}))["config"]["keywords"], json!(["a"]));
    assert_eq!(filled(&news, json!({"config": {"keywords": ["a"]}}))["config"]["keywords"], json!(["a"]));
    assert_eq!(filled(&weather(), json!({}))["config"]["location"], "auto");
    let todo = template("todo", json!({"priority": "high"}), &["name", "due_date"], &["description", "tags"]);
    let missing = problems(&todo, json!({}));
    let fields: Vec<&str> = missing.iter().map(|(field, _)| field.as_str()).collect();
    assert_eq!(fields, ["name", "due_date"], "each is named");
}

#[test]
fn fields_of_the_task_are_lifted_out_of_the_config() {
    let todo = template("todo", json!({"priority": "high"}), &["name", "due_date"], &["description", "tags"]);
    let due = "2030-01-01T00:00:00Z";
    let task = filled(&todo, json!({"config": {"name": "In the config", "due_date": due, "tags": ["t"]}}));
    assert_eq!(
        (&task["name"], &task["due_date"], &task["priority"], &task["tags"]),
        (&json!("In the config"), &json!(due), &json!("high"), &json!(["t"]))
    );
    let beside = filled(&todo, json!({"name": "Beside", "priority": "low", "due_date": due, "config": {"name": "In"}}));
    assert_eq!((&beside["name"], &beside["priority"]), (&json!("Beside"), &json!("low")));
    let foreign = filled(&weather(), json!({"config": {"description": "no field of this template"}}));
    assert_eq!(foreign.get("description"), None);
}

#[test]
fn a_time_or_an_interval_is_the_schedule() {
    let schedule = |customization| filled(&weather(), customization).get("schedule").cloned();
    assert_eq!(schedule(json!({})), Some(json!({"type": "daily", "run_time": "08:00"})));
    assert_eq!(schedule(json!({"time": "21:30"})), Some(json!({"type": "daily", "run_time": "21:30"})));
    let cron = json!({"type": "cron", "cron_expression": "0 7 * * *"});
    assert_eq!(schedule(json!({"schedule": cron})), Some(cron));
    assert_eq!(schedule(json!({"schedule": null})), Some(Value::Null), "null says none");
    assert_eq!(schedule(json!({"time": null})), None);

    let price = template("price_tracker", json!({"check_interval": "daily"}), &["product_url"], &["check_interval"]);
    for (interval, seconds) in [
        (json!("hourly"), 3600),
        (json!("daily"), 86_400),
        (json!("weekly"), 7 * 86_400),
        (json!(30), 1800),
        (json!(525_600), 525_600 * 60),
    ] {
        let task = filled(&price, json!({"product_url": "x", "check_interval": interval}));
        let schedule = Schedule::parse(&task["schedule"]).unwrap();
        let shortest = schedule.shortest_interval(DateTime::UNIX_EPOCH).unwrap();
        assert_eq!(shortest.num_seconds(), seconds, "{interval}");
    }
    let monthly = filled(&price, json!({"product_url": "x", "check_interval": "monthly"}));
    Schedule::parse(&monthly["schedule"]).unwrap();
    for wrong in [json!("sometimes"), json!(0), json!(525_601), json!(1.5), json!(["daily"]), json!(true)] {
        let found = problems(&price, json!({"product_url": "x", "check_interval": wrong}));
        assert_eq!(found, [("config.check_interval".to_owned(), ProblemKind::Value)], "{wrong}");
    }
}

#[test]
fn what_a_type_calls_otherwise_is_added_under_its_name() {
    let reminder =
        template("reminder", json!({"notification_type": "in_app"}), &["name", "reminder_time"], &["description"]);
    let at = "2030-01-01T00:00:00Z";
    let task = filled(&reminder, json!({"name": "Call\nAnn", "reminder_time": at}));
    assert_eq!((&task["config"]["reminder_message"], &task["reminder_time"]), (&json!("Call Ann"), &json!(at)));
    let own = filled(&reminder, json!({"name": "n", "reminder_time": at, "config": {"reminder_message": "Mine"}}));
    assert_eq!(own["config"]["reminder_message"], "Mine");

    let times = json!({"name": "Lunch", "start_time": "2030-01-01T12:00:00Z", "end_time": "2030-01-01T12:30:30Z"});
    let config = &filled(&calendar(), times)["config"];
    assert_eq!((&config["event_title"], &config["event_time"]), (&json!("Lunch"), &json!("2030-01-01T12:00:00Z")));
    assert_eq!(config["duration_minutes"], 31, "a begun minute counts");
    assert_eq!((&config["reminder_before"], &config["end_time"]), (&json!(15), &json!("2030-01-01T12:30:30Z")));
    let zones = json!({"name": "n", "start_time": "2030-01-01T12:00:00+02:00", "end_time": "2030-01-01T11:00:00Z"});
    assert_eq!(filled(&calendar(), zones)["config"]["duration_minutes"], 60);
    for (start, end) in [("2030-01-01T12:00:00Z", "2030-01-01T11:00:00Z"), ("noon", "one")] {
        let backwards = filled(&calendar(), json!({"name": "n", "start_time": start, "end_time": end}));
        assert_eq!(backwards["config"].get("duration_minutes"), None, "for the type to refuse");
    }
}

#[test]
fn a_key_that_nobody_reads_is_named() {
    let found = problems(&weather(), json!({"colour": "red", "keywords": [], "config": []}));
    assert_eq!(
        found,
        [
            ("config".to_owned(), ProblemKind::Value),
            ("colour".to_owned(), ProblemKind::Unknown),
            ("keywords".to_owned(), ProblemKind::Unknown),
        ]
    );
    for theirs in ["task_type", "credits_per_run", "user_id", "task_id"] {
        assert_eq!(problems(&weather(), json!({theirs: 1})), [(theirs.to_owned(), ProblemKind::Unknown)]);
    }
}
