//! Boots the real thing with its drop-in APIs on free ports, and speaks to them.

use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, Method, RequestBuilder};
use serde_json::Value;
use task_factory::{Application, Settings};
use task_testkit::pg::TestDatabase;
use task_testkit::sqlite::TempDatabase;

/// Runs each test on both engines, as `sqlite::name` and `postgres::name`, under an environment.
macro_rules! on_both_engines {
    ($environment:expr; $($name:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() { super::$name($crate::support::TestApp::sqlite($environment).await).await; })+
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() { super::$name($crate::support::TestApp::postgres($environment).await).await; })+
        }
    };
}
pub(crate) use on_both_engines;

const PORTS: [(&str, &str); 4] =
    [("TASK_REPOSITORY_PORT", "0"), ("TASK_MANAGEMENT_PORT", "0"), ("SEEDCORE_PORT", "0"), ("TASK_TRACKER_PORT", "0")];

/// Keeps the database of a test.
enum Database {
    Sqlite(TempDatabase),
    Postgres(TestDatabase),
}

/// A running service with its drop-in APIs.
pub(crate) struct TestApp {
    client: Client,
    application: Application,
    settings: Settings,
    _database: Database,
}

/// An answer, read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    /// The body, when the status is the one expected.
    pub(crate) fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{:#}", self.body);
        self.body
    }

    /// Status and whole body.
    pub(crate) fn is(self, status: u16, body: Value) {
        assert_eq!((self.status, &self.body), (status, &body), "{:#}", self.body);
    }
}

pub(crate) fn settings(environment: &[(&str, &str)]) -> Settings {
    // Patient with the connections: other tests keep the database busy.
    let patience = ("DATABASE_ACQUIRE_TIMEOUT_SECONDS", "60");
    let mut all = vec![("SERVICE_PORT", "0"), ("LOG_LEVEL", "warn"), patience];
    all.extend(PORTS);
    all.extend_from_slice(environment);
    Settings::from_environment(None, true, |name| {
        all.iter().rev().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned())
    })
    .expect("settings")
}

impl TestApp {
    /// With further environment variables.
    pub(crate) async fn sqlite(environment: &[(&str, &str)]) -> Self {
        let database = task_testkit::sqlite::temp_database();
        let url = format!("sqlite://{}", database.path().display());
        let mut all = vec![("DATABASE_URL", url.as_str())];
        all.extend_from_slice(environment);
        Self::start(settings(&all), Database::Sqlite(database)).await
    }

    pub(crate) async fn postgres(environment: &[(&str, &str)]) -> Self {
        let database = TestDatabase::create("compat", |url| async move {
            Application::build(settings(&[("DATABASE_URL", &url)]), true).await.expect("migrates").stop().await;
        })
        .await;
        let url = database.url().to_owned();
        let mut all = vec![("DATABASE_URL", url.as_str())];
        all.extend_from_slice(environment);
        Self::start(settings(&all), Database::Postgres(database)).await
    }

    async fn start(settings: Settings, database: Database) -> Self {
        let application = Application::build(settings.clone(), true).await.expect("the application starts");
        let client =
            Client::builder().timeout(Duration::from_secs(40)).no_proxy().redirect(Policy::none()).build().unwrap();
        Self { client, application, settings, _database: database }
    }

    /// Ends, and starts again on the same database.
    pub(crate) async fn restart(self) -> Self {
        self.application.stop().await;
        Self::start(self.settings, self._database).await
    }

    /// Where an API listens: `task_service` or a drop-in's name.
    pub(crate) fn base(&self, api: &str) -> String {
        let beside = self.application.drop_ins();
        let address = beside.iter().find(|(name, _)| *name == api).map(|(_, address)| *address);
        format!("http://{}", address.unwrap_or_else(|| self.application.address()))
    }

    /// A call by `METHOD /path/{with}/{parameters}`, so that the coverage test finds it.
    pub(crate) fn call(&self, api: &str, route: &str, parameters: &[&str]) -> Call {
        let (method, template) = route.split_once(' ').expect("METHOD /path");
        let mut values = parameters.iter();
        let mut path = String::new();
        for part in template.split('/').skip(1) {
            path.push('/');
            path.push_str(if part.starts_with('{') { values.next().expect("a value") } else { part });
        }
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        Call { request: self.client.request(method, format!("{}{path}", self.base(api))) }
    }

    pub(crate) fn database_url(&self) -> String {
        match &self._database {
            Database::Sqlite(database) => format!("sqlite://{}", database.path().display()),
            Database::Postgres(database) => database.url().to_owned(),
        }
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    pub(crate) async fn stop(self) {
        self.application.stop().await;
    }
}

pub(crate) struct Call {
    request: RequestBuilder,
}

impl Call {
    pub(crate) fn key(self, key: &str) -> Self {
        self.header("X-API-Key", key)
    }

    pub(crate) fn header(self, name: &str, value: &str) -> Self {
        Self { request: self.request.header(name, value) }
    }

    pub(crate) fn query(self, query: &str) -> Self {
        let (client, request) = self.request.build_split();
        let mut request = request.unwrap();
        request.url_mut().set_query(Some(query));
        Self { request: RequestBuilder::from_parts(client, request) }
    }

    pub(crate) fn json(self, body: Value) -> Self {
        Self { request: self.request.json(&body) }
    }

    pub(crate) async fn send(self) -> Answer {
        let response = self.request.send().await.expect("an answer");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.expect("a whole answer");
        Answer { status, headers, body: serde_json::from_str(&text).unwrap_or(Value::String(text)) }
    }
}

impl TestApp {
    /// A task as the canonical API shows it to a key.
    pub(crate) async fn canonical(&self, id: &str) -> Value {
        let call = self.call("task_service", "GET /api/v1/tasks/{task_id}", &[id]);
        call.key("dev_api_key").send().await.expect(200)
    }
}

/// Replaces values that differ from run to run: each must be there, and no null.
pub(crate) fn normalised(mut body: Value, volatile: &[&str]) -> Value {
    for name in volatile {
        let value = body.get_mut(*name).unwrap_or_else(|| panic!("no {name}"));
        assert!(!value.is_null(), "{name} is null");
        *value = Value::String("*".into());
    }
    body
}
