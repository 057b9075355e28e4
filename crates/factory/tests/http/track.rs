//! The progress stream: whole, from every cut, to its end.

use std::time::Duration;

use futures::StreamExt;
use futures::stream::BoxStream;
use serde_json::{Value, json};
use task_testkit::wait;

use crate::support::{Call, TestApp, echo, on_both_engines};

on_both_engines!(
    a_finished_task_is_told_whole_and_resumes_at_every_cut,
    a_running_task_is_told_live_to_all_its_listeners,
    a_recurring_tasks_stream_stays_open_across_runs_and_one_execution_is_followed_to_its_end,
    a_stream_can_start_at_now,
    a_deleted_tasks_stream_ends,
    bad_positions_and_strangers_are_refused,
);

const TRACK: &str = "GET /api/v1/tasks/{task_id}/track";

#[derive(Debug, Clone, PartialEq)]
struct Frame {
    event: String,
    id: String,
    data: Value,
}

impl Frame {
    /// `progress 3`, `status completed`, `truncated 8`.
    fn short(&self) -> String {
        match self.event.as_str() {
            "progress" => format!("progress {}", self.data["seq_id"]),
            "status_change" => format!("status {}", self.data["status"].as_str().unwrap()),
            _ => format!("{} {}", self.event, self.data["first_seq_id"]),
        }
    }
}

fn short(frames: &[Frame]) -> Vec<String> {
    frames.iter().map(Frame::short).collect()
}

/// An open stream.
struct Track {
    bytes: BoxStream<'static, Vec<u8>>,
    text: String,
    /// The last id seen, of frames without an event too.
    last_id: String,
}

impl Track {
    async fn open(call: Call) -> Self {
        let response = call.stream().await;
        assert_eq!(response.status().as_u16(), 200);
        for (name, value) in [
            ("content-type", "text/event-stream"),
            ("cache-control", "no-cache, no-transform"),
            ("x-accel-buffering", "no"),
        ] {
            assert_eq!(response.headers()[name], value);
        }
        assert!(!response.headers().contains_key("content-encoding"));
        let bytes = response.bytes_stream().map(|bytes| bytes.unwrap().to_vec()).boxed();
        Self { bytes, text: String::new(), last_id: String::new() }
    }

    /// The next frame with an event; `None` when the stream has ended.
    async fn next(&mut self) -> Option<Frame> {
        let next = async {
            loop {
                while let Some(end) = self.text.find("\n\n") {
                    let frame: String = self.text.drain(..end + 2).collect();
                    let field = |name: &str| {
                        frame.lines().find_map(|line| line.strip_prefix(&format!("{name}: "))).map(str::to_owned)
                    };
                    if let Some(id) = field("id") {
                        self.last_id = id;
                    }
                    if let (Some(event), Some(data)) = (field("event"), field("data")) {
                        return Some(Frame {
                            event,
                            id: self.last_id.clone(),
                            data: serde_json::from_str(&data).unwrap(),
                        });
                    }
                }
                let bytes = self.bytes.next().await?;
                self.text.push_str(std::str::from_utf8(&bytes).unwrap());
            }
        };
        tokio::time::timeout(Duration::from_secs(30), next).await.expect("a frame, or the end")
    }

    async fn rest(mut self) -> Vec<Frame> {
        let mut frames = Vec::new();
        while let Some(frame) = self.next().await {
            frames.push(frame);
        }
        frames
    }

    async fn take(&mut self, count: usize) -> Vec<Frame> {
        let mut frames = Vec::new();
        for _ in 0..count {
            frames.push(self.next().await.expect("the stream goes on"));
        }
        frames
    }
}

async fn all(app: &TestApp, id: &str) -> Vec<Frame> {
    Track::open(app.call(TRACK, &[id]).user("ann")).await.rest().await
}

fn steps(count: u64, step_ms: u64) -> Value {
    json!({"name": "Steps", "task_type": "echo", "config": {"steps": count, "step_ms": step_ms}})
}

async fn execute(app: &TestApp, id: &str) -> Value {
    app.call("POST /api/v1/tasks/{task_id}/execute", &[id]).user("ann").send().await.expect(200)
}

/// Starts a run; its execution's id.
async fn start(app: &TestApp, id: &str) -> String {
    let call = app.call("POST /api/v1/tasks/{task_id}/execute", &[id]).user("ann").header("Prefer", "respond-async");
    call.send().await.expect(202)["execution_id"].as_str().unwrap().to_owned()
}

async fn a_finished_task_is_told_whole_and_resumes_at_every_cut(app: TestApp) {
    let id = app.create(steps(4, 0)).await;
    let execution = execute(&app, &id).await;
    let frames = all(&app, &id).await;
    assert_eq!(
        short(&frames),
        [
            "status pending",
            "status queued",
            "status running",
            "progress 1",
            "progress 2",
            "progress 3",
            "progress 4",
            "status completed"
        ]
    );
    let progress = app.call("GET /api/v1/tasks/{task_id}/progress", &[&id]).user("ann").send().await.expect(200);
    assert_eq!(frames[3..7].iter().map(|f| f.data.clone()).collect::<Vec<_>>(), *progress.as_array().unwrap());
    let last = &frames[7].data;
    assert_eq!(
        (&last["task_id"], &last["execution_id"], &last["result"]["status"]),
        (&json!(id), &execution["execution_id"], &json!("success"))
    );
    assert!(last.get("error").is_none() && last["timestamp"].is_string());
    for (n, frame) in frames.iter().enumerate() {
        let resume = || app.call(TRACK, &[&id]).user("ann").header("Last-Event-ID", &frame.id);
        if n + 1 == frames.len() {
            assert_eq!(resume().send().await.expect(204), json!(""));
        } else {
            // The header wins over the query, which some clients send again.
            let resumed = resume().query(&[("after_seq_id", "0"), ("ignore_history", "true")]);
            assert_eq!(Track::open(resumed).await.rest().await, frames[n + 1..], "after {}", frame.id);
        }
    }
    for (after, rest) in [("0", 0), ("1", 4), ("3", 6), ("4", 7)] {
        for name in ["after_seq_id", "afterSeqId"] {
            let call = app.call(TRACK, &[&id]).user("ann").query(&[(name, after)]);
            assert_eq!(Track::open(call).await.rest().await, frames[rest..], "{name}={after}");
        }
    }
    app.stop().await;
}

async fn a_running_task_is_told_live_to_all_its_listeners(app: TestApp) {
    let id = app.create(steps(30, 10)).await;
    let mut early = Track::open(app.call(TRACK, &[&id]).user("ann")).await;
    assert_eq!(short(&early.take(1).await), ["status pending"]);
    start(&app, &id).await;
    let mut late = Track::open(app.call(TRACK, &[&id]).user("ann")).await;
    // Cut in the middle, and resumed.
    let mut cut = late.take(12).await;
    drop(late);
    let resumed = app.call(TRACK, &[&id]).user("ann").header("Last-Event-ID", &cut[11].id);
    cut.extend(Track::open(resumed).await.rest().await);
    let mut heard = early.rest().await;
    let whole = all(&app, &id).await;
    heard.insert(0, whole[0].clone());
    assert_eq!((heard, cut), (whole.clone(), whole.clone()));
    let numbers: Vec<_> = whole.iter().filter(|f| f.event == "progress").map(|f| f.data["seq_id"].clone()).collect();
    assert_eq!(numbers, (1..=30).map(|n| json!(n)).collect::<Vec<_>>());
    app.stop().await;
}

async fn a_recurring_tasks_stream_stays_open_across_runs_and_one_execution_is_followed_to_its_end(app: TestApp) {
    let mut body = steps(2, 0);
    body["schedule"] = json!({"type": "interval", "interval_minutes": 600});
    let id = app.create(body).await;
    let mut stream = Track::open(app.call(TRACK, &[&id]).user("ann")).await;
    let mut runs = Vec::new();
    for _ in 0..2 {
        runs.push(execute(&app, &id).await["execution_id"].as_str().unwrap().to_owned());
    }
    let run = ["status queued", "status running", "progress", "progress", "status scheduled"];
    let heard = stream.take(11).await;
    assert_eq!(heard[0].short(), "status scheduled");
    for (n, frame) in heard[1..].iter().enumerate() {
        assert!(frame.short().starts_with(run[n % 5]), "{frame:?}");
    }
    assert_eq!(heard[5].data["result"]["status"], "success", "the run has ended, the task has not");
    for (n, execution) in runs.iter().enumerate() {
        let call = app.call(TRACK, &[&id]).user("ann").query(&[("execution_id", execution)]);
        let one = Track::open(call).await.rest().await;
        let expected = ["status queued", "status running", "progress", "progress", "status completed"];
        assert!(one.iter().zip(expected).all(|(f, e)| f.short().starts_with(e)) && one.len() == 5, "{one:?}");
        assert_eq!(one[2].data["seq_id"], json!(n * 2 + 1));
        assert!(one.iter().all(|frame| frame.data["execution_id"] == json!(execution)));
        let resumed = app.call(TRACK, &[&id]).user("ann").query(&[("execution_id", execution)]);
        resumed.header("Last-Event-ID", &one[4].id).send().await.expect(204);
    }
    app.call("POST /api/v1/tasks/{task_id}/cancel", &[&id]).user("ann").send().await.expect(200);
    assert_eq!(short(&stream.rest().await), ["status cancelled"]);
    app.stop().await;
}

async fn a_stream_can_start_at_now(app: TestApp) {
    let id = app.create(steps(3, 0)).await;
    let now = || app.call(TRACK, &[&id]).user("ann").query(&[("ignore_history", "true")]);
    let stream = Track::open(now()).await;
    execute(&app, &id).await;
    let whole = all(&app, &id).await;
    assert_eq!(stream.rest().await, whole[1..]);
    assert_eq!(Track::open(now()).await.rest().await, whole[6..], "of a finished task how it ended");
    // Who is cut off before the first event knows where it began.
    let id = app.create(echo()).await;
    let text = app.call(TRACK, &[&id]).user("ann").query(&[("ignore_history", "true")]).stream().await;
    let first = tokio::time::timeout(Duration::from_secs(30), text.bytes_stream().next()).await.unwrap().unwrap();
    let first = String::from_utf8(first.unwrap().to_vec()).unwrap();
    let position = first.lines().find_map(|line| line.strip_prefix("id: ")).unwrap().to_owned();
    assert!(first.starts_with(": ok\nretry: "), "{first}");
    execute(&app, &id).await;
    let resumed = Track::open(now_of(&app, &id).header("Last-Event-ID", &position)).await.rest().await;
    assert_eq!(short(&resumed), ["status queued", "status running", "status completed"]);
    app.stop().await;
}

fn now_of(app: &TestApp, id: &str) -> Call {
    app.call(TRACK, &[id]).user("ann").query(&[("ignore_history", "true")])
}

async fn a_deleted_tasks_stream_ends(app: TestApp) {
    let id = app.create(echo()).await;
    let mut stream = Track::open(app.call(TRACK, &[&id]).user("ann")).await;
    stream.take(1).await;
    app.call("DELETE /api/v1/tasks/{task_id}", &[&id]).user("ann").send().await.expect(200);
    assert_eq!(stream.rest().await, []);
    app.call(TRACK, &[&id]).user("ann").send().await.expect(404);
    app.stop().await;
}

async fn bad_positions_and_strangers_are_refused(app: TestApp) {
    let id = app.create(echo()).await;
    let track = || app.call(TRACK, &[&id]).user("ann");
    for (name, value) in [
        ("after_seq_id", "x"),
        ("afterSeqId", "-1"),
        ("after_seq_id", "1-2-3"),
        ("execution_id", "7"),
        ("ignore_history", "yes"),
        ("after", "1"),
    ] {
        let body = track().query(&[(name, value)]).send().await.expect(422);
        assert_eq!(body["detail"][0]["loc"], json!(["query", name]), "{name}={value}");
    }
    let body = track().header("Last-Event-ID", "nonsense").send().await.expect(422);
    assert_eq!(body["detail"][0]["loc"], json!(["header", "Last-Event-ID"]));
    let strange = [("execution_id", "01890000-0000-7000-8000-000000000000")];
    track().query(&strange).send().await.expect(404);
    app.call(TRACK, &[&id]).send().await.expect(401);
    app.call(TRACK, &[&id]).user("bob").send().await.expect(403);
    app.call(TRACK, &["nobody"]).user("ann").send().await.expect(404);
    app.call(TRACK, &[&id]).user("ann").header("X-Tenant-ID", "other").send().await.expect(404);
    app.stop().await;
}

async fn trimmed_entries_are_told_of(app: TestApp) {
    let id = app.create(steps(8, 0)).await;
    execute(&app, &id).await;
    let whole = all(&app, &id).await;
    assert_eq!(
        short(&whole),
        [
            "truncated 6",
            "status pending",
            "status queued",
            "status running",
            "progress 6",
            "progress 7",
            "progress 8",
            "status completed"
        ]
    );
    for (after, first) in [("4", "truncated 6"), ("5", "progress 6"), ("6", "progress 7")] {
        let call = app.call(TRACK, &[&id]).user("ann").query(&[("after_seq_id", after)]);
        assert_eq!(Track::open(call).await.rest().await[0].short(), first, "after {after}");
    }
    let resumed = app.call(TRACK, &[&id]).user("ann").header("Last-Event-ID", &whole[0].id);
    assert_eq!(Track::open(resumed).await.rest().await, whole[1..]);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn trimmed_entries_are_told_of_on_sqlite() {
    trimmed_entries_are_told_of(TestApp::sqlite_with(&[("MAX_PROGRESS_ENTRIES", "3")]).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn trimmed_entries_are_told_of_on_postgres() {
    trimmed_entries_are_told_of(TestApp::postgres_with(&[("MAX_PROGRESS_ENTRIES", "3")]).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_stream_too_many_is_put_off() {
    let app = TestApp::sqlite_with(&[("MAX_STREAMS", "1")]).await;
    let id = app.create(echo()).await;
    let mut open = Track::open(app.call(TRACK, &[&id]).user("ann")).await;
    open.take(1).await;
    let refused = app.call(TRACK, &[&id]).user("ann").send().await;
    assert!(refused.headers.contains_key("retry-after"));
    assert_eq!(refused.expect(503)["code"], "too_many_streams");
    drop(open);
    wait::until("the place is free again", Duration::from_secs(30), || async {
        app.call(TRACK, &[&id]).user("ann").stream().await.status() == 200
    })
    .await;
    app.stop().await;
}
