//! Boots the real thing on a free port, and speaks to it.

use std::path::Path;
use std::time::Duration;

use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use task_factory::{Application, Settings};
use task_testkit::pg::TestDatabase;
use task_testkit::sqlite::TempDatabase;

/// Runs each test on both engines, as `sqlite::name` and `postgres::name`.
macro_rules! on_both_engines {
    ($($name:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() { super::$name($crate::support::TestApp::sqlite().await).await; })+
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() { super::$name($crate::support::TestApp::postgres().await).await; })+
        }
    };
}
pub(crate) use on_both_engines;

/// The engine that a test boots.
pub(crate) enum Boot {
    Sqlite,
    Postgres,
}

impl Boot {
    /// In development mode, with a configuration file of this content.
    pub(crate) async fn with(self, toml: &str) -> TestApp {
        let file = std::env::temp_dir().join(format!("task-settings-{}.toml", uuid::Uuid::now_v7()));
        std::fs::write(&file, toml).unwrap();
        let app = match self {
            Self::Sqlite => {
                let database = task_testkit::sqlite::temp_database();
                let url = format!("sqlite://{}", database.path().display());
                let settings = settings_with(Some(&file), &[("DATABASE_URL", &url)], true);
                TestApp::start(settings, Database::Sqlite(database)).await
            }
            Self::Postgres => {
                let database = TestApp::postgres_database().await;
                let settings = settings_with(Some(&file), &[("DATABASE_URL", database.url())], true);
                TestApp::start(settings, Database::Postgres(database)).await
            }
        };
        std::fs::remove_file(&file).unwrap();
        app
    }
}

/// Keeps the database of a test.
enum Database {
    Sqlite(TempDatabase),
    Postgres(TestDatabase),
    /// The test's own, at this URL.
    #[allow(dead_code, reason = "only some of the test binaries that share this file have one")]
    Elsewhere(String),
}

/// A running service.
pub(crate) struct TestApp {
    pub(crate) base: String,
    pub(crate) client: Client,
    application: Option<Application>,
    database: Database,
}

/// An answer, read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    /// The body, when the status is the one expected.
    pub(crate) fn expect(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{:#}", self.body);
        self.body
    }
}

impl TestApp {
    pub(crate) async fn sqlite() -> Self {
        Self::sqlite_with(&[]).await
    }

    async fn postgres_database() -> TestDatabase {
        TestDatabase::create(env!("CARGO_PKG_NAME"), |url| async move {
            let settings = settings(&[("DATABASE_URL", &url)], true);
            Application::build(settings, true).await.expect("migrates").stop().await;
        })
        .await
    }

    pub(crate) async fn postgres() -> Self {
        Self::postgres_with(&[]).await
    }

    /// With further environment variables, in development mode.
    pub(crate) async fn postgres_with(environment: &[(&str, &str)]) -> Self {
        let database = Self::postgres_database().await;
        let url = database.url().to_owned();
        let mut all = vec![("DATABASE_URL", url.as_str())];
        all.extend_from_slice(environment);
        let settings = settings(&all, true);
        Self::start(settings, Database::Postgres(database)).await
    }

    /// With further environment variables, in development mode.
    pub(crate) async fn sqlite_with(environment: &[(&str, &str)]) -> Self {
        Self::sqlite_in_mode(environment, true).await
    }

    pub(crate) async fn sqlite_in_mode(environment: &[(&str, &str)], development: bool) -> Self {
        let database = task_testkit::sqlite::temp_database();
        let url = format!("sqlite://{}", database.path().display());
        let mut all = vec![("DATABASE_URL", url.as_str())];
        all.extend_from_slice(environment);
        let settings = settings(&all, development);
        Self::start(settings, Database::Sqlite(database)).await
    }

    async fn start(settings: Settings, database: Database) -> Self {
        let application = Application::build(settings, true).await.expect("the application starts");
        let client = Client::builder().timeout(Duration::from_secs(40)).no_proxy().build().unwrap();
        Self { base: format!("http://{}", application.address()), client, application: Some(application), database }
    }

    /// A call by `METHOD /path/{with}/{parameters}`, so that the coverage test finds it.
    pub(crate) fn call(&self, route: &str, parameters: &[&str]) -> Call {
        let (method, template) = route.split_once(' ').expect("METHOD /path");
        let mut path = String::new();
        let mut values = parameters.iter();
        for part in template.split('/').skip(1) {
            path.push('/');
            path.push_str(if part.starts_with('{') {
                values.next().expect("a value for each parameter")
            } else {
                part
            });
        }
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        Call { request: self.client.request(method, format!("{}{path}", self.base)) }
    }

    /// Where the data is, for a second program beside the service.
    #[allow(dead_code, reason = "only some of the test binaries that share this file start one")]
    pub(crate) fn database_url(&self) -> String {
        match &self.database {
            Database::Sqlite(database) => format!("sqlite://{}", database.path().display()),
            Database::Postgres(database) => database.url().to_owned(),
            Database::Elsewhere(url) => url.clone(),
        }
    }

    /// On a PostgreSQL that the test looks after.
    #[allow(dead_code, reason = "only some of the test binaries that share this file have one")]
    pub(crate) async fn postgres_at(url: &str) -> Self {
        Self::start(settings(&[("DATABASE_URL", url)], true), Database::Elsewhere(url.to_owned())).await
    }

    /// Creates a task as user `ann`; its id.
    pub(crate) async fn create(&self, body: Value) -> String {
        let task = self.call("POST /api/v1/tasks", &[]).user("ann").json(body).send().await.expect(201);
        task["task_id"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn get(&self, id: &str) -> Value {
        self.call("GET /api/v1/tasks/{task_id}", &[id]).user("ann").send().await.expect(200)
    }

    pub(crate) async fn stop(mut self) {
        if let Some(application) = self.application.take() {
            application.stop().await;
        }
    }
}

fn settings(environment: &[(&str, &str)], development: bool) -> Settings {
    settings_with(None, environment, development)
}

fn settings_with(file: Option<&Path>, environment: &[(&str, &str)], development: bool) -> Settings {
    // Patient with the connections: other tests keep the database busy.
    let patience = ("DATABASE_ACQUIRE_TIMEOUT_SECONDS", "60");
    let mut all = vec![("SERVICE_PORT", "0"), ("LOG_LEVEL", "warn"), patience];
    all.extend_from_slice(&task_testkit::ports::NO_DROP_INS);
    all.extend_from_slice(environment);
    Settings::from_environment(file, development, |name| {
        all.iter().rev().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned())
    })
    .expect("settings")
}

pub(crate) struct Call {
    request: RequestBuilder,
}

impl Call {
    pub(crate) fn user(self, user: &str) -> Self {
        self.header("X-User-ID", user)
    }

    pub(crate) fn key(self) -> Self {
        self.header("X-API-Key", "dev_api_key")
    }

    pub(crate) fn header(self, name: &str, value: &str) -> Self {
        Self { request: self.request.header(name, value) }
    }

    pub(crate) fn query(self, pairs: &[(&str, &str)]) -> Self {
        let text: Vec<_> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let (client, request) = self.request.build_split();
        let mut request = request.unwrap();
        request.url_mut().set_query(Some(&text.join("&")));
        Self { request: RequestBuilder::from_parts(client, request) }
    }

    pub(crate) fn json(self, body: Value) -> Self {
        Self { request: self.request.json(&body) }
    }

    pub(crate) fn raw(self, content_type: &str, body: impl Into<reqwest::Body>) -> Self {
        Self { request: self.request.header("Content-Type", content_type).body(body) }
    }

    pub(crate) async fn send(self) -> Answer {
        let response = self.request.send().await.expect("an answer");
        let (status, headers) = (response.status(), response.headers().clone());
        let text = response.text().await.expect("a whole answer");
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Answer { status, headers, body }
    }

    pub(crate) async fn stream(self) -> reqwest::Response {
        self.request.send().await.expect("an answer")
    }
}

/// The simplest task.
pub(crate) fn echo() -> Value {
    json!({"name": "Hello", "task_type": "echo", "config": {"value": "it works"}})
}
