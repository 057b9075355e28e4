//! `daily_weather`: the current weather and today's forecast. `weather_alert` is next door.
//!
//! Deliberately absent: a cache; the forecast of a place is asked for at every run.

mod alert;
mod client;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use task_domain::JsonObject;
use task_protocols::{AccountClient, ConfigProblem, ExecutionContext, ExecutorError, Outcome, TaskExecutor};

pub use alert::WeatherAlert;
use client::WeatherClient;

use crate::fields::{Fields, invalid_config, text};
use crate::guard::GuardedClient;
use crate::shared::{failure, progress, unless_cancelled};

const MAX_LOCATION: usize = 200;

/// Where the weather comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WeatherSettings {
    /// Base URL; `/v1/search` is added.
    pub geocoding_url: String,
    /// Base URL; `/v1/forecast` is added.
    pub forecast_url: String,
    /// What `auto` means for an owner whose profile names no place: a name or "latitude,longitude".
    pub default_location: Option<String>,
    /// For each call.
    pub timeout: Duration,
}

impl Default for WeatherSettings {
    /// The public Open-Meteo services, 10 s.
    fn default() -> Self {
        Self {
            geocoding_url: "https://geocoding-api.open-meteo.com".into(),
            forecast_url: "https://api.open-meteo.com".into(),
            default_location: None,
            timeout: Duration::from_secs(10),
        }
    }
}

/// A place as somebody named it.
#[derive(Debug, Clone, PartialEq)]
enum Location {
    Coordinates { latitude: f64, longitude: f64 },
    Name(String),
}

/// Which place a config asks for.
#[derive(Debug, Clone, PartialEq)]
enum Wanted {
    Auto,
    Named(Location),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Units {
    Metric,
    Imperial,
}

impl Location {
    /// Two numbers with a comma between them are coordinates, anything else is a name; `None` for
    /// coordinates that are not on Earth.
    fn parse(text: &str) -> Option<Self> {
        let numbers = text.split_once(',').and_then(|(latitude, longitude)| {
            Some((latitude.trim().parse::<f64>().ok()?, longitude.trim().parse::<f64>().ok()?))
        });
        match numbers {
            None => Some(Self::Name(text.to_owned())),
            Some((latitude, longitude)) => {
                let on_earth = (-90.0..=90.0).contains(&latitude) && (-180.0..=180.0).contains(&longitude);
                on_earth.then_some(Self::Coordinates { latitude, longitude })
            }
        }
    }
}

impl Wanted {
    fn read(fields: &mut Fields<'_>) -> Self {
        let Some(value) = fields.required("location") else { return Self::Auto };
        let read = text(value, MAX_LOCATION).and_then(|text| match text.to_ascii_lowercase().as_str() {
            "auto" => Some(Self::Auto),
            _ => Location::parse(&text).map(Self::Named),
        });
        read.unwrap_or_else(|| {
            fields.problem(
                "location",
                format!("must be a place name of up to {MAX_LOCATION} characters, \"latitude,longitude\" or auto"),
            );
            Self::Auto
        })
    }

    /// `auto` is the owner's profile's place, else the default one. An account service that does
    /// not answer counts as one that knows no place.
    async fn resolve(
        self,
        context: &ExecutionContext,
        accounts: &dyn AccountClient,
        settings: &WeatherSettings,
    ) -> Result<Location, ExecutorError> {
        if let Self::Named(location) = self {
            return Ok(location);
        }
        let (mut known, mut away) = (None, false);
        if let Some(user) = &context.task.user_id {
            match accounts.profile(user).await {
                Ok(profile) => known = profile.and_then(|profile| profile.location),
                Err(error) => {
                    away = error.retryable;
                    tracing::warn!(task_id = %context.task.task_id, error = &error as &dyn std::error::Error, "the profile was not read");
                }
            }
        }
        let usable = |text: &String| !text.trim().is_empty() && !text.trim().eq_ignore_ascii_case("auto");
        let named = known.filter(usable).or_else(|| settings.default_location.clone().filter(usable));
        match named.and_then(|text| Location::parse(text.trim())) {
            Some(location) => Ok(location),
            None if away => {
                Err(failure("account_unavailable", "The account service, which knows the place, did not answer", true))
            }
            None => {
                let message =
                    "Neither the owner's profile nor the configuration names a place; set the task's `location`";
                Err(failure("no_location", message, false))
            }
        }
    }
}

/// Config: `location` (a name, "latitude,longitude" or `auto`), `units` metric or imperial.
#[derive(Clone)]
pub struct Weather {
    weather: WeatherClient,
    accounts: Arc<dyn AccountClient>,
}

impl Weather {
    pub fn new(client: GuardedClient, accounts: Arc<dyn AccountClient>, settings: WeatherSettings) -> Self {
        Self { weather: WeatherClient { client, settings }, accounts }
    }

    async fn run(&self, context: &ExecutionContext) -> Result<Outcome, ExecutorError> {
        let (wanted, units) = read(&context.task.config).map_err(invalid_config)?;
        progress(context, 0, "Looking the place up").await;
        let location = wanted.resolve(context, self.accounts.as_ref(), &self.weather.settings).await?;
        let (place, calls) = self.weather.place(location).await?;
        progress(context, 50, &format!("Asking for the weather of {}", place.label.replace('\0', ""))).await;
        let forecast = self.weather.forecast(&place, units).await?;
        let (name, degrees) = match units {
            Units::Metric => ("metric", "°C"),
            Units::Imperial => ("imperial", "°F"),
        };
        let current = &forecast.current;
        let sky = client::description(current.weather_code);
        let message = format!("{}: {} {degrees}, {sky}", place.label, current.temperature);
        let data = json!({
            "location": place.label,
            "latitude": place.latitude,
            "longitude": place.longitude,
            "units": name,
            "current": current.to_json(),
            "today": forecast.today(),
        });
        let result = json!({"status": "success", "message": message, "weather_data": data});
        Ok(Outcome { result, api_calls_made: calls + 1, ..Outcome::default() })
    }
}

fn read(config: &JsonObject) -> Result<(Wanted, Units), Vec<ConfigProblem>> {
    let mut fields = Fields::of(config);
    let wanted = Wanted::read(&mut fields);
    let units = match fields.present("units").map(Value::as_str) {
        None | Some(Some("metric")) => Units::Metric,
        Some(Some("imperial")) => Units::Imperial,
        Some(_) => {
            fields.problem("units", "must be one of: metric, imperial");
            Units::Metric
        }
    };
    fields.finish((wanted, units))
}

#[async_trait]
impl TaskExecutor for Weather {
    fn task_types(&self) -> &'static [&'static str] {
        &["daily_weather"]
    }

    fn validate_config(&self, config: &JsonObject) -> Vec<ConfigProblem> {
        read(config).err().unwrap_or_default()
    }

    async fn execute(&self, context: ExecutionContext) -> Result<Outcome, ExecutorError> {
        unless_cancelled(&context, self.run(&context)).await
    }
}
