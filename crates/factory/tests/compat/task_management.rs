//! Task Management: every row of its table, successes and refusals.

use serde_json::json;

use crate::support::TestApp;

const API: &str = "task_management";

#[tokio::test(flavor = "multi_thread")]
async fn it_says_that_it_is_alive() {
    let app = TestApp::sqlite(&[]).await;
    let health = json!({"status": "healthy", "message": "Task management service is running"});
    app.call(API, "GET /health", &[]).send().await.is(200, health);
    app.stop().await;
}
