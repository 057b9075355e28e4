//! The gateway of `deploy/`, as a real nginx in front of the real service.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic where it stands")]

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use futures::StreamExt;
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};
use task_factory::{Application, Settings};
use task_testkit::sqlite::{TempDatabase, temp_database};
use task_testkit::{ports, wait};

const TEMPLATE: &str = include_str!("../../../deploy/gateway/task-service.conf.template");
const SECRET: &str = "the gateway's own secret";
const PATIENCE: Duration = Duration::from_secs(20);

/// nginx and the service behind it.
struct Deployment {
    application: Application,
    nginx: Child,
    base: String,
    client: Client,
    _folder: TempDatabase,
}

fn start_nginx(folder: &Path, upstream: &str, port: u16) -> Child {
    // Passwords in the clear, so that nothing has to hash them here.
    fs::write(folder.join("users"), "ann:{PLAIN}secret-a\nbob:{PLAIN}secret-b\n").unwrap();
    let mut gateway = TEMPLATE.to_owned();
    for (name, value) in [
        ("TASK_SERVICE_1", upstream),
        ("TASK_SERVICE_2", upstream),
        ("GATEWAY_PORT", &format!("127.0.0.1:{port}")),
        ("GATEWAY_SECRET", SECRET),
        ("GATEWAY_USERS_FILE", folder.join("users").to_str().unwrap()),
    ] {
        gateway = gateway.replace(&format!("${{{name}}}"), value);
    }
    assert!(!gateway.lines().any(|line| !line.trim().starts_with('#') && line.contains("${")), "a name is not set");
    let places: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .map(|kind| format!("{kind}_temp_path {}/{kind};\n", folder.display()))
        .collect();
    let config = format!(
        "daemon off;\npid {0}/nginx.pid;\nworker_processes 1;\nevents {{}}\nhttp {{\naccess_log off;\n{places}{gateway}\n}}\n",
        folder.display(),
    );
    fs::write(folder.join("nginx.conf"), config).unwrap();
    let program = if Path::new("/usr/sbin/nginx").exists() { "/usr/sbin/nginx" } else { "nginx" };
    let mut command = Command::new(program);
    command.arg("-p").arg(folder).arg("-c").arg(folder.join("nginx.conf")).arg("-e").arg(folder.join("error.log"));
    command.args(["-g", "user root;"]).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().expect("nginx starts; run `make deps` to install it")
}

impl Deployment {
    async fn start() -> Self {
        let folder = temp_database();
        let url = format!("sqlite://{}", folder.path().display());
        let environment =
            [("DATABASE_URL", url.as_str()), ("SERVICE_PORT", "0"), ("GATEWAY_SECRET", SECRET), ("LOG_LEVEL", "warn")];
        let settings = Settings::from_environment(None, false, |name| {
            environment.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned())
        });
        let application = Application::build(settings.unwrap(), true).await.expect("the application starts");
        let port = ports::free();
        let nginx = start_nginx(folder.folder(), &application.address().to_string(), port);
        let client = Client::builder().timeout(Duration::from_secs(40)).no_proxy().build().unwrap();
        let deployment = Self { application, nginx, base: format!("http://127.0.0.1:{port}"), client, _folder: folder };
        wait::until("the gateway lets /health through", PATIENCE, || async {
            let answer = deployment.client.get(format!("{}/health", deployment.base)).send().await;
            answer.is_ok_and(|answer| answer.status() == 200)
        })
        .await;
        deployment
    }

    fn get(&self, path: &str) -> RequestBuilder {
        self.client.get(format!("{}{path}", self.base))
    }

    async fn create(&self, user: &str, password: &str) -> Value {
        let request = self.client.post(format!("{}/api/v1/tasks", self.base)).basic_auth(user, Some(password));
        let body = json!({"name": "Hello", "task_type": "echo", "config": {"steps": 2, "step_ms": 10}});
        // What a client would like to be believed.
        let request = request.header("X-User-ID", "bob").header("X-Tenant-ID", "other").header("X-Gateway-Secret", "x");
        let answer = request.header("X-Subscription-Level", "enterprise").json(&body).send().await.unwrap();
        assert_eq!(answer.status(), 201);
        answer.json().await.unwrap()
    }

    async fn stop(mut self) {
        // SIGTERM: nginx ends its workers too.
        task_testkit::process::signal(&self.nginx, "TERM");
        self.nginx.wait().unwrap();
        self.application.stop().await;
    }
}

async fn status(request: RequestBuilder) -> u16 {
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn users_are_who_the_gateway_says_whatever_they_send() {
    let deployment = Deployment::start().await;
    let tasks = "/api/v1/tasks";
    assert_eq!(status(deployment.get(tasks)).await, 401, "no password");
    assert_eq!(status(deployment.get(tasks).basic_auth("ann", Some("wrong"))).await, 401);
    assert_eq!(status(deployment.get(tasks).header("X-User-ID", "ann")).await, 401);
    let task = deployment.create("ann", "secret-a").await;
    assert_eq!((&task["user_id"], &task["tenant_id"]), (&json!("ann"), &json!("default")));
    let path = format!("{tasks}/{}", task["task_id"].as_str().unwrap());
    assert_eq!(status(deployment.get(&path).basic_auth("ann", Some("secret-a"))).await, 200);
    assert_eq!(status(deployment.get(&path).basic_auth("bob", Some("secret-b"))).await, 403);
    for inside in ["/metrics", "/status", "/health/detailed", "/openapi.json"] {
        assert_eq!(status(deployment.get(inside)).await, 404, "{inside}");
    }
    // Around the gateway: without its secret nothing is believed.
    let direct = format!("http://{}{tasks}", deployment.application.address());
    let ask = || deployment.client.get(&direct).header("X-User-ID", "ann");
    assert_eq!(status(ask()).await, 401);
    assert_eq!(status(ask().header("X-Gateway-Secret", "x")).await, 401);
    assert_eq!(status(ask().basic_auth("ann", Some("secret-a"))).await, 401);
    assert_eq!(status(ask().header("X-Gateway-Secret", SECRET)).await, 200);
    deployment.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_pass_as_they_are_written() {
    let deployment = Deployment::start().await;
    let stream = deployment.get("/api/v1/events?after=0").basic_auth("ann", Some("secret-a")).send().await.unwrap();
    assert_eq!(stream.status(), 200);
    assert!(stream.headers()["content-type"].to_str().unwrap().starts_with("text/event-stream"));
    let mut chunks = stream.bytes_stream();
    // The stream stays open: a gateway that waits for its end, or for a full buffer, shows nothing.
    let task = deployment.create("ann", "secret-a").await;
    let id = task["task_id"].as_str().unwrap();
    let mut seen = String::new();
    let read = async {
        while !(seen.contains("task.created") && seen.contains(id)) {
            let chunk = chunks.next().await.expect("the stream stays open").unwrap();
            seen.push_str(&String::from_utf8_lossy(&chunk));
        }
    };
    tokio::time::timeout(PATIENCE, read).await.expect("the event comes while the stream is open");
    drop(chunks);
    deployment.stop().await;
}
