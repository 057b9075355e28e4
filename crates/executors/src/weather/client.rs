//! Speaks to the geocoding and forecast services (Open-Meteo wire format).

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use task_protocols::ExecutorError;
use url::Url;

use super::{Location, Units, WeatherSettings};
use crate::guard::{GuardError, GuardedClient};
use crate::http::refused;
use crate::shared::{failure, fetch};

const CURRENT: &str =
    "temperature_2m,relative_humidity_2m,apparent_temperature,precipitation,weather_code,wind_speed_10m";
const DAILY: &str = "weather_code,temperature_2m_max,temperature_2m_min,precipitation_sum,wind_speed_10m_max";

/// Where the weather is asked for.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Place {
    pub(super) label: String,
    pub(super) latitude: f64,
    pub(super) longitude: f64,
}

/// The weather of one place, in the units that were asked for: °C, km/h, mm or °F, mph, inch.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Forecast {
    pub(super) current: Current,
    daily: Option<Daily>,
}

#[derive(Debug, Clone, Deserialize)]
pub(super) struct Current {
    #[serde(rename = "temperature_2m")]
    pub(super) temperature: f64,
    apparent_temperature: Option<f64>,
    /// Percent.
    #[serde(rename = "relative_humidity_2m")]
    pub(super) humidity: Option<f64>,
    pub(super) precipitation: Option<f64>,
    #[serde(rename = "wind_speed_10m")]
    pub(super) wind_speed: f64,
    /// WMO 4677.
    pub(super) weather_code: i64,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Daily {
    time: Vec<String>,
    weather_code: Vec<Option<i64>>,
    temperature_2m_max: Vec<Option<f64>>,
    temperature_2m_min: Vec<Option<f64>>,
    precipitation_sum: Vec<Option<f64>>,
    wind_speed_10m_max: Vec<Option<f64>>,
}

#[derive(Deserialize)]
struct Found {
    #[serde(default)]
    results: Vec<FoundPlace>,
}

#[derive(Deserialize)]
struct FoundPlace {
    latitude: f64,
    longitude: f64,
    name: String,
    country: Option<String>,
}

impl Current {
    pub(super) fn to_json(&self) -> Value {
        json!({
            "temperature": self.temperature,
            "apparent_temperature": self.apparent_temperature,
            "humidity": self.humidity,
            "precipitation": self.precipitation,
            "wind_speed": self.wind_speed,
            "weather_code": self.weather_code,
            "description": description(self.weather_code),
        })
    }
}

impl Forecast {
    /// Today's part, null where the service gave none.
    pub(super) fn today(&self) -> Value {
        let Some(daily) = &self.daily else { return Value::Null };
        let first = |values: &[Option<f64>]| values.first().copied().flatten();
        let code = daily.weather_code.first().copied().flatten();
        json!({
            "date": daily.time.first(),
            "temperature_max": first(&daily.temperature_2m_max),
            "temperature_min": first(&daily.temperature_2m_min),
            "precipitation_sum": first(&daily.precipitation_sum),
            "wind_speed_max": first(&daily.wind_speed_10m_max),
            "weather_code": code,
            "description": code.map(description),
        })
    }
}

/// Both services, under one guard.
#[derive(Clone)]
pub(super) struct WeatherClient {
    pub(super) client: GuardedClient,
    pub(super) settings: WeatherSettings,
}

impl WeatherClient {
    /// The place, and how many calls it took to find it.
    ///
    /// # Errors
    /// `unknown_location` when nobody knows the name; those of the call.
    pub(super) async fn place(&self, location: Location) -> Result<(Place, i64), ExecutorError> {
        let name = match location {
            Location::Coordinates { latitude, longitude } => {
                return Ok((Place { label: format!("{latitude},{longitude}"), latitude, longitude }, 0));
            }
            Location::Name(name) => name,
        };
        let query = [("name", name.as_str()), ("count", "1"), ("language", "en"), ("format", "json")];
        let found: Found = self.get(&self.settings.geocoding_url, "/v1/search", &query).await?;
        let Some(place) = found.results.into_iter().next() else {
            let message = format!("No place is called `{name}`; give another name or \"latitude,longitude\"");
            return Err(failure("unknown_location", message, false));
        };
        let label = match place.country {
            Some(country) if !country.is_empty() => format!("{}, {country}", place.name),
            _ => place.name,
        };
        Ok((Place { label, latitude: place.latitude, longitude: place.longitude }, 1))
    }

    /// # Errors
    /// `invalid_answer` when the service does not speak the format; those of the call.
    pub(super) async fn forecast(&self, place: &Place, units: Units) -> Result<Forecast, ExecutorError> {
        let (latitude, longitude) = (place.latitude.to_string(), place.longitude.to_string());
        let mut query = vec![
            ("latitude", latitude.as_str()),
            ("longitude", longitude.as_str()),
            ("current", CURRENT),
            ("daily", DAILY),
            ("timezone", "auto"),
            ("forecast_days", "1"),
        ];
        if units == Units::Imperial {
            query.extend([("temperature_unit", "fahrenheit"), ("wind_speed_unit", "mph")]);
            query.push(("precipitation_unit", "inch"));
        }
        self.get(&self.settings.forecast_url, "/v1/forecast", &query).await
    }

    async fn get<T: DeserializeOwned>(
        &self,
        base: &str,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<T, ExecutorError> {
        let url = format!("{}{path}", base.trim_end_matches('/'));
        let mut url = Url::parse(&url).map_err(|_| refused(&GuardError::InvalidUrl(url)))?;
        url.query_pairs_mut().extend_pairs(query);
        let fetched = fetch(&self.client, url.into(), "application/json", Some(self.settings.timeout)).await?;
        serde_json::from_slice(&fetched.body).map_err(|error| {
            failure("invalid_answer", format!("The weather service did not answer as it should: {error}"), true)
        })
    }
}

/// What a WMO 4677 code means.
pub(super) fn description(code: i64) -> &'static str {
    match code {
        0 => "clear sky",
        1 => "mainly clear",
        2 => "partly cloudy",
        3 => "overcast",
        45 => "fog",
        48 => "depositing rime fog",
        51 => "light drizzle",
        53 => "moderate drizzle",
        55 => "dense drizzle",
        56 => "light freezing drizzle",
        57 => "dense freezing drizzle",
        61 => "slight rain",
        63 => "moderate rain",
        65 => "heavy rain",
        66 => "light freezing rain",
        67 => "heavy freezing rain",
        71 => "slight snowfall",
        73 => "moderate snowfall",
        75 => "heavy snowfall",
        77 => "snow grains",
        80 => "slight rain showers",
        81 => "moderate rain showers",
        82 => "violent rain showers",
        85 => "slight snow showers",
        86 => "heavy snow showers",
        95 => "thunderstorm",
        96 => "thunderstorm with slight hail",
        99 => "thunderstorm with heavy hail",
        _ => "unknown",
    }
}
