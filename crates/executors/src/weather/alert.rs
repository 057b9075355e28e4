//! `weather_alert`: tells the owner when the current weather is as the task says, or severe.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};
use task_domain::JsonObject;
use task_protocols::{
    AccountClient, ConfigProblem, ExecutionContext, ExecutorError, NotificationClient, Outcome, TaskExecutor,
};

use super::client::{Current, WeatherClient, description};
use super::{Units, Wanted, WeatherSettings};
use crate::fields::{Fields, invalid_config};
use crate::guard::GuardedClient;
use crate::shared::{failure, notify, progress, unless_cancelled};

const METRICS: &[&str] = &["temperature", "wind_speed", "precipitation", "humidity"];
const OPERATORS: &[&str] = &[">", ">=", "<", "<=", "=="];
const THUNDERSTORM: &[i64] = &[95, 96, 99];
const HEAVY_RAIN: &[i64] = &[65, 67, 82];
const HEAVY_SNOW: &[i64] = &[75, 86];

/// Config: `location` as of `daily_weather`; `alert_conditions`, an object of temperature (°C),
/// wind_speed (km/h), precipitation (mm) or humidity (%) → `{"operator", "value"}`; `severity`, one
/// or a list of warning and watch (default both), which counts when there are no conditions.
#[derive(Clone)]
pub struct WeatherAlert {
    weather: WeatherClient,
    accounts: Arc<dyn AccountClient>,
    notifications: Arc<dyn NotificationClient>,
}

struct Condition {
    metric: &'static str,
    operator: &'static str,
    value: f64,
}

/// Lowest wind (km/h) and heat, and highest cold (°C), of one severity.
struct Severity {
    name: &'static str,
    wind: f64,
    heat: f64,
    cold: f64,
    /// Whether a thunderstorm, heavy rain and heavy snow count.
    codes: bool,
}

/// The gravest first.
const SEVERITIES: &[Severity] = &[
    Severity { name: "warning", wind: 75.0, heat: 38.0, cold: -20.0, codes: true },
    Severity { name: "watch", wind: 60.0, heat: 34.0, cold: -12.0, codes: false },
];

struct Rules {
    wanted: Wanted,
    conditions: Vec<Condition>,
    severities: Vec<&'static Severity>,
}

impl WeatherAlert {
    pub fn new(
        client: GuardedClient,
        accounts: Arc<dyn AccountClient>,
        notifications: Arc<dyn NotificationClient>,
        settings: WeatherSettings,
    ) -> Self {
        Self { weather: WeatherClient { client, settings }, accounts, notifications }
    }

    async fn run(&self, context: &ExecutionContext) -> Result<Outcome, ExecutorError> {
        let rules = read(&context.task.config).map_err(invalid_config)?;
        progress(context, 0, "Looking the place up").await;
        let location = rules.wanted.resolve(context, self.accounts.as_ref(), &self.weather.settings).await?;
        let (place, calls) = self.weather.place(location).await?;
        progress(context, 50, "Asking for the weather").await;
        let current = self.weather.forecast(&place, Units::Metric).await?.current;
        let alerts = if rules.conditions.is_empty() {
            severe(&rules.severities, &current)
        } else {
            rules
                .conditions
                .iter()
                .filter_map(|condition| condition.check(&current).transpose())
                .collect::<Result<_, _>>()?
        };
        let texts: Vec<&str> = alerts.iter().filter_map(|alert| alert["message"].as_str()).collect();
        let message = match texts.as_slice() {
            [] => format!("Nothing to alert about in {}", place.label),
            texts => format!("{}: {}", place.label, texts.join("; ")),
        };
        if !alerts.is_empty() {
            progress(context, 90, "Telling the owner").await;
            let subject = format!("Weather alert for {}", place.label);
            notify(self.notifications.as_ref(), context, &subject, &message).await;
        }
        let data = json!({
            "triggered": !alerts.is_empty(),
            "alerts": alerts,
            "location": place.label,
            "latitude": place.latitude,
            "longitude": place.longitude,
            "units": "metric",
            "current": current.to_json(),
        });
        let result = json!({"status": "success", "message": message, "alert_data": data});
        Ok(Outcome { result, api_calls_made: calls + 1, ..Outcome::default() })
    }
}

impl Condition {
    /// The alert, when the condition holds.
    ///
    /// # Errors
    /// `invalid_answer` when the service did not say what the condition is about: silence would
    /// look like good weather.
    fn check(&self, current: &Current) -> Result<Option<Value>, ExecutorError> {
        let (actual, unit) = match self.metric {
            "temperature" => (Some(current.temperature), " °C"),
            "wind_speed" => (Some(current.wind_speed), " km/h"),
            "precipitation" => (current.precipitation, " mm"),
            _ => (current.humidity, " %"),
        };
        let Self { metric, operator, value } = self;
        let name = metric.replace('_', " ");
        let Some(actual) = actual else {
            return Err(failure("invalid_answer", format!("The weather service gave no {name}"), true));
        };
        let holds = match *operator {
            ">" => actual > *value,
            ">=" => actual >= *value,
            "<" => actual < *value,
            "<=" => actual <= *value,
            _ => (actual - value).abs() < 1e-9,
        };
        Ok(holds.then(|| {
            let message = format!("{name} is {actual}{unit} ({operator} {value})");
            json!({"condition": metric, "operator": operator, "value": value, "actual": actual, "message": message})
        }))
    }
}

/// What is severe about the weather; each cause once, at its gravest.
fn severe(severities: &[&Severity], current: &Current) -> Vec<Value> {
    let gravest = |holds: &dyn Fn(&Severity) -> bool| severities.iter().find(|severity| holds(severity));
    let code = [THUNDERSTORM, HEAVY_RAIN, HEAVY_SNOW].iter().any(|codes| codes.contains(&current.weather_code));
    let found = [
        ("weather_code", gravest(&|s| s.codes && code), description(current.weather_code).to_owned()),
        ("wind_speed", gravest(&|s| current.wind_speed >= s.wind), format!("wind of {} km/h", current.wind_speed)),
        ("temperature", gravest(&|s| current.temperature >= s.heat), format!("heat of {} °C", current.temperature)),
        ("temperature", gravest(&|s| current.temperature <= s.cold), format!("cold of {} °C", current.temperature)),
    ];
    found
        .into_iter()
        .filter_map(|(condition, severity, what)| {
            let severity = severity?.name;
            Some(json!({"condition": condition, "severity": severity, "message": format!("{severity}: {what}")}))
        })
        .collect()
}

fn read(config: &JsonObject) -> Result<Rules, Vec<ConfigProblem>> {
    let mut fields = Fields::of(config);
    let wanted = Wanted::read(&mut fields);
    let conditions = match fields.present("alert_conditions") {
        None => Vec::new(),
        Some(Value::Object(map)) => map.iter().filter_map(|(name, rule)| condition(&mut fields, name, rule)).collect(),
        Some(_) => {
            fields.problem("alert_conditions", format!("must be an object of: {}", METRICS.join(", ")));
            Vec::new()
        }
    };
    let named = match fields.present("severity") {
        None => Some(Vec::new()),
        Some(Value::Array(items)) if !items.is_empty() => items.iter().map(Value::as_str).collect(),
        Some(value) => value.as_str().map(|name| vec![name]),
    };
    let known = |name: &&str| SEVERITIES.iter().any(|severity| severity.name == *name);
    let named = named.filter(|names| names.iter().all(known)).unwrap_or_else(|| {
        fields.problem("severity", "must be warning or watch, or a list of them");
        Vec::new()
    });
    let severities = SEVERITIES.iter().filter(|s| named.is_empty() || named.contains(&s.name)).collect();
    fields.finish(Rules { wanted, conditions, severities })
}

fn condition(fields: &mut Fields<'_>, name: &str, rule: &Value) -> Option<Condition> {
    let path = format!("alert_conditions.{name}");
    let Some(metric) = METRICS.iter().copied().find(|metric| *metric == name) else {
        fields.problem(&path, format!("is not known; use one of: {}", METRICS.join(", ")));
        return None;
    };
    let Some(rule) = rule.as_object() else {
        fields.problem(&path, "must be an object with operator and value");
        return None;
    };
    for key in rule.keys().filter(|key| !matches!(key.as_str(), "operator" | "value")) {
        fields.problem(&format!("{path}.{key}"), "is not known; use operator and value");
    }
    let given = rule.get("operator").and_then(Value::as_str);
    let operator = OPERATORS.iter().copied().find(|operator| Some(*operator) == given);
    if operator.is_none() {
        fields.problem(&format!("{path}.operator"), format!("must be one of: {}", OPERATORS.join(" ")));
    }
    let value = rule.get("value").and_then(Value::as_f64).filter(|value| value.is_finite());
    if value.is_none() {
        fields.problem(&format!("{path}.value"), "must be a number");
    }
    Some(Condition { metric, operator: operator?, value: value? })
}

#[async_trait]
impl TaskExecutor for WeatherAlert {
    fn task_types(&self) -> &'static [&'static str] {
        &["weather_alert"]
    }

    fn validate_config(&self, config: &JsonObject) -> Vec<ConfigProblem> {
        read(config).err().unwrap_or_default()
    }

    async fn execute(&self, context: ExecutionContext) -> Result<Outcome, ExecutorError> {
        unless_cancelled(&context, self.run(&context)).await
    }
}
