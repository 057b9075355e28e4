//! The worker that the documentation shows does what the page says.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use task_testkit::wait;

use crate::support::TestApp;

/// Ends with its test.
struct Worker(Child);

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The first Python program of the page.
fn program() -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/WORKERS.md");
    let page = std::fs::read_to_string(page).unwrap();
    let (_, rest) = page.split_once("```python\n").expect("the page shows a worker");
    rest.split_once("```").expect("the block ends").0.to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_worker_in_the_documentation_works() {
    let app = TestApp::sqlite().await;
    let worker = Command::new("python3")
        .args(["-c", &program()])
        .env("TASK_SERVICE_URL", &app.base)
        .stdout(Stdio::null())
        .spawn()
        .expect("this test needs python3");
    let _worker = Worker(worker);
    let sum = app.queue("sum", json!({"config": {"numbers": [1, 2, 3]}})).await;
    let broken = app.queue("sum", json!({"config": {}})).await;
    let read = async |id: &str| app.call("GET /api/v1/tasks/{task_id}", &[id]).key().send().await.expect(200);
    wait::until("both are done", Duration::from_secs(30), || async {
        read(&sum).await["status"] == "completed" && read(&broken).await["status"] == "failed"
    })
    .await;
    assert_eq!(read(&sum).await["last_result"], json!({"sum": 6}));
    assert_eq!(read(&broken).await["last_error"], json!("'numbers'"));
    let progress: Value = app.call("GET /api/v1/tasks/{task_id}/progress", &[&sum]).key().send().await.expect(200);
    assert!(progress.to_string().contains("\"total\":6"), "{progress}");
    app.stop().await;
}
