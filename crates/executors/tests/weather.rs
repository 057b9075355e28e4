//! `daily_weather` and `weather_alert` against a stand-in for Open-Meteo.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic where it stands")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use support::{Notified, client, context, misbehaviours, neighbour_error, problems, run};
use task_executors::{Weather, WeatherAlert, WeatherSettings};
use task_protocols::{AccountProfile, MockAccountClient, TaskExecutor};
use wiremock::matchers::{method, path, query_param, query_param_is_missing};
use wiremock::{Mock, MockServer, ResponseTemplate};

fn settings(server: &MockServer) -> WeatherSettings {
    WeatherSettings {
        geocoding_url: server.uri(),
        forecast_url: format!("{}/", server.uri()),
        default_location: None,
        timeout: Duration::from_millis(300),
    }
}

/// An account service that knows one place, or none.
fn accounts(location: Option<&str>) -> Arc<MockAccountClient> {
    let profile = AccountProfile { location: location.map(str::to_owned), ..AccountProfile::default() };
    let mut accounts = MockAccountClient::new();
    accounts.expect_profile().returning(move |_| Ok(Some(profile.clone())));
    Arc::new(accounts)
}

fn forecast(temperature: f64, wind: f64, code: i64) -> Value {
    json!({
        "latitude": 52.52, "longitude": 13.42, "generationtime_ms": 0.08, "utc_offset_seconds": 7200,
        "timezone": "Europe/Berlin", "timezone_abbreviation": "GMT+2", "elevation": 38.0,
        "current_units": {"time": "iso8601", "interval": "seconds", "temperature_2m": "°C"},
        "current": {
            "time": "2030-05-01T12:15", "interval": 900, "temperature_2m": temperature, "relative_humidity_2m": 55,
            "apparent_temperature": 17.1, "precipitation": 0.2, "weather_code": code, "wind_speed_10m": wind
        },
        "daily_units": {"time": "iso8601", "weather_code": "wmo code"},
        "daily": {
            "time": ["2030-05-01"], "weather_code": [80], "temperature_2m_max": [21.4], "temperature_2m_min": [9.8],
            "precipitation_sum": [1.3], "wind_speed_10m_max": [null]
        }
    })
}

async fn berlin(server: &MockServer) {
    let found = json!({"results": [{"id": 2950159, "name": "Berlin", "latitude": 52.52437, "longitude": 13.41053,
        "elevation": 74.0, "country_code": "DE", "timezone": "Europe/Berlin", "country": "Germany", "admin1": "Berlin\u{0}"}],
        "generationtime_ms": 0.5});
    Mock::given(method("GET"))
        .and(path("/v1/search"))
        .and(query_param("name", "Berlin"))
        .and(query_param("count", "1"))
        .and(query_param("language", "en"))
        .and(query_param("format", "json"))
        .respond_with(ResponseTemplate::new(200).set_body_json(found))
        .mount(server)
        .await;
}

async fn weather(server: &MockServer, answer: Value) {
    Mock::given(method("GET"))
        .and(path("/v1/forecast"))
        .respond_with(ResponseTemplate::new(200).set_body_json(answer))
        .mount(server)
        .await;
}

#[tokio::test]
async fn the_weather_of_a_named_place() {
    let server = MockServer::start().await;
    berlin(&server).await;
    Mock::given(path("/v1/forecast"))
        .and(query_param("latitude", "52.52437"))
        .and(query_param("longitude", "13.41053"))
        .and(query_param(
            "current",
            "temperature_2m,relative_humidity_2m,apparent_temperature,precipitation,weather_code,wind_speed_10m",
        ))
        .and(query_param(
            "daily",
            "weather_code,temperature_2m_max,temperature_2m_min,precipitation_sum,wind_speed_10m_max",
        ))
        .and(query_param("timezone", "auto"))
        .and(query_param("forecast_days", "1"))
        .and(query_param_is_missing("temperature_unit"))
        .respond_with(ResponseTemplate::new(200).set_body_json(forecast(18.5, 12.0, 61)))
        .expect(1)
        .mount(&server)
        .await;
    let executor = Weather::new(client(), accounts(None), settings(&server));
    let outcome = run(&executor, context("daily_weather", json!({"location": " Berlin "}))).await.unwrap();
    assert_eq!(outcome.api_calls_made, 2);
    assert_eq!(outcome.result["message"], "Berlin, Germany: 18.5 °C, slight rain");
    let expected = json!({
        "location": "Berlin, Germany", "latitude": 52.52437, "longitude": 13.41053, "units": "metric",
        "current": {"temperature": 18.5, "apparent_temperature": 17.1, "humidity": 55.0, "precipitation": 0.2,
            "wind_speed": 12.0, "weather_code": 61, "description": "slight rain"},
        "today": {"date": "2030-05-01", "temperature_max": 21.4, "temperature_min": 9.8, "precipitation_sum": 1.3,
            "wind_speed_max": null, "weather_code": 80, "description": "slight rain showers"}
    });
    assert_eq!(outcome.result["weather_data"], expected);
}

#[tokio::test]
async fn coordinates_need_no_look_up_and_imperial_units_are_asked_for() {
    let server = MockServer::start().await;
    Mock::given(path("/v1/forecast"))
        .and(query_param("latitude", "-33.9"))
        .and(query_param("temperature_unit", "fahrenheit"))
        .and(query_param("wind_speed_unit", "mph"))
        .and(query_param("precipitation_unit", "inch"))
        .respond_with(ResponseTemplate::new(200).set_body_json(forecast(70.0, 5.0, 0)))
        .mount(&server)
        .await;
    let executor = Weather::new(client(), accounts(None), settings(&server));
    let config = json!({"location": "-33.9, 151.2", "units": "imperial"});
    let outcome = run(&executor, context("daily_weather", config)).await.unwrap();
    assert_eq!((outcome.api_calls_made, &outcome.result["weather_data"]["units"]), (1, &json!("imperial")));
    assert_eq!(outcome.result["message"], "-33.9,151.2: 70 °F, clear sky");
}

#[tokio::test]
async fn auto_is_the_profiles_place_else_the_default_else_a_clear_failure() {
    let server = MockServer::start().await;
    berlin(&server).await;
    weather(&server, forecast(1.0, 1.0, 3)).await;
    let auto = || context("daily_weather", json!({"location": "auto"}));
    let place = |outcome: task_protocols::Outcome| outcome.result["weather_data"]["location"].clone();

    let with_default = WeatherSettings { default_location: Some("1.5,2.5".into()), ..settings(&server) };
    let executor = Weather::new(client(), accounts(Some("Berlin")), with_default.clone());
    assert_eq!(place(run(&executor, auto()).await.unwrap()), "Berlin, Germany");
    for unknown in [None, Some(" "), Some("AUTO")] {
        let executor = Weather::new(client(), accounts(unknown), with_default.clone());
        assert_eq!(place(run(&executor, auto()).await.unwrap()), "1.5,2.5");
    }
    let executor = Weather::new(client(), accounts(None), settings(&server));
    let error = run(&executor, auto()).await.unwrap_err();
    assert_eq!((error.code, error.retryable), ("no_location", false));
    let mut ownerless = auto();
    ownerless.task.user_id = None;
    assert_eq!(run(&executor, ownerless).await.unwrap_err().code, "no_location");

    let away = || {
        let mut accounts = MockAccountClient::new();
        accounts.expect_profile().returning(|_| Err(neighbour_error("account", true)));
        Arc::new(accounts)
    };
    let executor = Weather::new(client(), away(), settings(&server));
    let error = run(&executor, auto()).await.unwrap_err();
    assert_eq!((error.code, error.retryable), ("account_unavailable", true));
    let executor = Weather::new(client(), away(), with_default);
    assert_eq!(place(run(&executor, auto()).await.unwrap()), "1.5,2.5");
}

#[tokio::test]
async fn an_unknown_place_is_said_to_be_unknown() {
    let server = MockServer::start().await;
    support::serve(&server, "/v1/search", r#"{"generationtime_ms":0.3}"#).await;
    let executor = Weather::new(client(), accounts(None), settings(&server));
    let error = run(&executor, context("daily_weather", json!({"location": "Nowhere"}))).await.unwrap_err();
    assert_eq!((error.code, error.retryable), ("unknown_location", false));
    assert!(error.message.contains("`Nowhere`"));
}

#[tokio::test]
async fn services_that_misbehave_end_the_run_with_a_clear_error() {
    for (answer, code, retryable) in misbehaviours(300, ("invalid_answer", true)) {
        let server = MockServer::start().await;
        Mock::given(method("GET")).respond_with(answer).mount(&server).await;
        for location in ["Berlin", "1,2"] {
            let executor = Weather::new(client(), accounts(None), settings(&server));
            let error = run(&executor, context("daily_weather", json!({"location": location}))).await.unwrap_err();
            assert_eq!((error.code, error.retryable), (code, retryable), "{location}: {}", error.message);
        }
    }
}

#[tokio::test]
async fn a_cancelled_run_asks_nobody() {
    let server = MockServer::start().await;
    let executor = Weather::new(client(), accounts(None), settings(&server));
    let context = context("daily_weather", json!({"location": "1,2"}));
    context.cancelled.cancel();
    assert_eq!(executor.execute(context).await.unwrap_err().code, "cancelled");
    assert!(server.received_requests().await.unwrap().is_empty());
}

/// What an alert's run makes of the weather, and what the owner was told.
async fn alert(config: Value, answer: Value) -> (Value, Vec<String>) {
    let server = MockServer::start().await;
    weather(&server, answer).await;
    let notified = Arc::new(Notified { refuses: true, ..Notified::default() });
    let executor = WeatherAlert::new(client(), accounts(None), Arc::clone(&notified) as _, settings(&server));
    let mut config = support::object(config);
    config.insert("location".into(), json!("1,2"));
    let outcome = run(&executor, context("weather_alert", config.into())).await.unwrap();
    (outcome.result["alert_data"].clone(), notified.contents())
}

#[tokio::test]
async fn conditions_are_evaluated_and_the_owner_is_told() {
    let config = json!({"alert_conditions": {
        "temperature": {"operator": ">", "value": 30}, "humidity": {"operator": "==", "value": 55},
        "wind_speed": {"operator": "<", "value": 1}, "precipitation": {"operator": ">=", "value": 0.2}
    }});
    let (data, told) = alert(config.clone(), forecast(30.5, 99.0, 99)).await;
    assert_eq!(data["triggered"], true);
    let conditions: Vec<_> = data["alerts"].as_array().unwrap().iter().map(|a| a["condition"].clone()).collect();
    assert_eq!(conditions, ["humidity", "precipitation", "temperature"]);
    assert_eq!(data["alerts"][2]["actual"], 30.5);
    assert_eq!(data["current"]["weather_code"], 99);
    assert_eq!(
        told,
        ["1,2: humidity is 55 % (== 55); precipitation is 0.2 mm (>= 0.2); temperature is 30.5 °C (> 30)"]
    );

    let config = json!({"alert_conditions": {"temperature": {"operator": "<=", "value": 30}}});
    let (data, told) = alert(config, forecast(30.5, 99.0, 99)).await;
    assert_eq!((&data["triggered"], &data["alerts"], told.len()), (&json!(false), &json!([]), 0));
}

#[tokio::test]
async fn without_conditions_the_severities_count() {
    let both = json!({"severity": ["warning", "watch"]});
    for (config, temperature, wind, code, expected) in [
        (json!({}), 20.0, 10.0, 3, vec![]),
        (json!({}), 20.0, 10.0, 95, vec!["warning: thunderstorm"]),
        (json!({"alert_conditions": {}}), 20.0, 10.0, 82, vec!["warning: violent rain showers"]),
        (both.clone(), -20.0, 10.0, 86, vec!["warning: heavy snow showers", "warning: cold of -20 °C"]),
        (both.clone(), 34.0, 60.0, 0, vec!["watch: wind of 60 km/h", "watch: heat of 34 °C"]),
        (both, 38.0, 75.0, 0, vec!["warning: wind of 75 km/h", "warning: heat of 38 °C"]),
        (json!({"severity": "warning"}), 37.9, 74.9, 0, vec![]),
        (json!({"severity": "watch"}), -13.0, 80.0, 95, vec!["watch: wind of 80 km/h", "watch: cold of -13 °C"]),
    ] {
        let (data, told) = alert(config.clone(), forecast(temperature, wind, code)).await;
        let messages: Vec<_> = data["alerts"].as_array().unwrap().iter().map(|a| a["message"].clone()).collect();
        assert_eq!(messages, expected, "{config}");
        assert_eq!((data["triggered"] == true, told.len()), (!expected.is_empty(), usize::from(!expected.is_empty())));
    }
}

#[tokio::test]
async fn the_notification_names_the_task_and_a_missing_value_is_no_good_weather() {
    let server = MockServer::start().await;
    let mut answer = forecast(40.0, 1.0, 0);
    answer["current"]["precipitation"] = Value::Null;
    weather(&server, answer).await;
    let notified = Arc::<Notified>::default();
    let executor = WeatherAlert::new(client(), accounts(None), Arc::clone(&notified) as _, settings(&server));
    let context_ = context("weather_alert", json!({"location": "1,2", "notification": "email"}));
    let (task_id, execution_id) = (context_.task.task_id.clone(), context_.execution.execution_id);
    run(&executor, context_).await.unwrap();
    let sent = notified.sent.lock().unwrap()[0].clone();
    assert_eq!((sent.recipient_id.as_str(), sent.notification_type.as_str()), ("u1", "email"));
    let metadata = json!({"task_id": task_id, "execution_id": execution_id, "task_type": "weather_alert"});
    assert_eq!(sent.metadata, metadata);

    let config = json!({"location": "1,2", "alert_conditions": {"precipitation": {"operator": "<", "value": 1}}});
    let error = run(&executor, context("weather_alert", config)).await.unwrap_err();
    assert_eq!((error.code, error.retryable), ("invalid_answer", true));
}

#[tokio::test]
async fn every_problem_of_a_config_is_named() {
    let settings = WeatherSettings::default();
    let daily = Weather::new(client(), accounts(None), settings.clone());
    assert_eq!(problems(&daily, json!({"units": "kelvin"})), ["location", "units"]);
    for location in [json!(""), json!("91,0"), json!("0,181"), json!("nan,0"), json!(5), json!("a\u{0}b")] {
        assert_eq!(problems(&daily, json!({"location": location})), ["location"]);
    }
    for location in ["auto", "Paris, Texas", "48.85,2.35", "São Paulo"] {
        assert!(problems(&daily, json!({"location": location, "units": "metric", "time": "08:00"})).is_empty());
    }
    let alert = WeatherAlert::new(client(), accounts(None), Arc::<Notified>::default(), settings);
    let bad = json!({"severity": ["warning", "doom"], "alert_conditions": {
        "temperature": {"operator": "!=", "value": "30"}, "humidity": 5, "pressure": {"operator": ">", "value": 1},
        "wind_speed": {"operator": ">", "value": 1, "unit": "mph"}}});
    assert_eq!(
        problems(&alert, bad),
        [
            "location",
            "alert_conditions.humidity",
            "alert_conditions.pressure",
            "alert_conditions.temperature.operator",
            "alert_conditions.temperature.value",
            "alert_conditions.wind_speed.unit",
            "severity"
        ]
    );
    assert_eq!(problems(&alert, json!({"location": "x", "alert_conditions": [], "severity": []})).len(), 2);
    assert!(problems(&alert, json!({"location": "auto", "severity": ["warning", "watch"]})).is_empty());
}
