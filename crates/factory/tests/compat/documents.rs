//! The curl lines of the old services' documents, as they are written there, against the program as it starts
//! in development mode. Only the ports differ, because the old ones may be taken.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use task_testkit::sqlite::{TempDatabase, temp_database};
use task_testkit::{ports, wait};

/// The old ports, and the settings that move them.
const PORTS: [(&str, &str); 4] = [
    ("8503", "TASK_REPOSITORY_PORT"),
    ("12000", "TASK_MANAGEMENT_PORT"),
    ("8000", "SEEDCORE_PORT"),
    ("3002", "TASK_TRACKER_PORT"),
];

/// The program in a folder of its own.
struct Program {
    child: Child,
    folder: TempDatabase,
    /// Each old port with the one that is served.
    moved: Vec<(&'static str, String)>,
}

impl Program {
    async fn start() -> Self {
        let folder = temp_database();
        let moved: Vec<_> = PORTS.iter().map(|(old, _)| (*old, ports::free().to_string())).collect();
        let settings = PORTS.iter().zip(&moved).map(|((_, setting), (_, port))| (*setting, port.as_str()));
        let child = Command::new(env!("CARGO_BIN_EXE_task-service"))
            .arg("--dev")
            .env("SERVICE_PORT", ports::free().to_string())
            .env("LOG_LEVEL", "error")
            .env_remove("DATABASE_URL")
            .envs(settings)
            .current_dir(folder.folder())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let program = Self { child, folder, moved };
        wait::until("the last of its ports answers", Duration::from_secs(60), || async {
            program.sh("curl http://localhost:3002/").0 > 0
        })
        .await;
        program
    }

    /// Runs a line in a shell: status and body of its answer.
    fn sh(&self, line: &str) -> (u16, String) {
        let mut line = line.to_owned();
        for (old, port) in &self.moved {
            line = line.replace(&format!("localhost:{old}/"), &format!("localhost:{port}/"));
        }
        let body = self.folder.folder().join("body");
        let options = format!("curl -s --noproxy '*' -m 60 -o {} -w '%{{http_code}}'", body.display());
        let line = line.replacen("curl", &options, 1);
        let output = Command::new("sh").args(["-c", &line]).current_dir(self.folder.folder()).output().unwrap();
        let status = String::from_utf8(output.stdout).unwrap();
        (status.trim().parse().unwrap_or_default(), fs::read_to_string(body).unwrap_or_default())
    }

    /// Runs a line, which must be answered with this status and a body of exactly these keys: those of the
    /// object, or of a list's first item.
    fn line(&self, line: &str, status: u16, keys: &str) -> Value {
        let (answered, body) = self.sh(line);
        assert_eq!(answered, status, "{line}\n{body}");
        let body: Value = serde_json::from_str(&body).unwrap_or_else(|_| panic!("{line}\n{body}"));
        let object = body.as_object().or_else(|| body.get(0)?.as_object());
        let mut found: Vec<_> = object.unwrap_or_else(|| panic!("{line}\n{body}")).keys().map(String::as_str).collect();
        let mut expected: Vec<_> = keys.split_whitespace().collect();
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected, "{line}\n{body:#}");
        body
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const DETAIL: &str = "detail";

#[tokio::test(flavor = "multi_thread")]
async fn the_old_documents_lines_work_as_written() {
    let program = Program::start().await;
    task_management(&program);
    task_repository(&program);
    seedcore_tasks(&program);
    seedcore_facts(&program);
    task_tracker(&program);
}

fn task_management(program: &Program) {
    let task = "title description id status created_at updated_at processed_at conversations";
    let entry = "content status id task_id created_at updated_at";
    let made = program.line(
        r#"curl -X POST "http://localhost:12000/tasks/" \
            -H "Content-Type: application/json" \
            -d '{"title": "Customer request", "description": "What was asked", "conversations": [{"content": "Hello", "status": "active"}, {"content": "How can I help?", "status": "active"}]}'"#,
        200,
        task,
    );
    assert_eq!(made["conversations"].as_array().unwrap().len(), 2);
    let (id, said) = (&made["id"], &made["conversations"][0]["id"]);
    let item = "id title status created_at conversation_count";
    program.line(r#"curl "http://localhost:12000/tasks/""#, 200, item);
    program.line(r#"curl "http://localhost:12000/tasks/?skip=0&limit=10""#, 200, item);
    program.line(&format!(r#"curl "http://localhost:12000/tasks/{id}""#), 200, task);
    let updated = program.line(
        &format!(
            r#"curl -X PUT "http://localhost:12000/tasks/{id}" -H "Content-Type: application/json" -d '{{"title": "Changed", "status": "completed"}}'"#
        ),
        200,
        task,
    );
    assert_eq!((&updated["title"], &updated["status"]), (&"Changed".into(), &"completed".into()));
    program.line(
        &format!(
            r#"curl -X POST "http://localhost:12000/tasks/{id}/conversations/" -H "Content-Type: application/json" -d '{{"content": "One more", "status": "active"}}'"#
        ),
        200,
        entry,
    );
    let listed = program.line(&format!(r#"curl "http://localhost:12000/tasks/{id}/conversations/""#), 200, entry);
    assert_eq!(listed.as_array().unwrap().len(), 3);
    program.line(
        &format!(
            r#"curl -X PUT "http://localhost:12000/conversations/{said}" -H "Content-Type: application/json" -d '{{"content": "Said otherwise", "status": "processed"}}'"#
        ),
        200,
        entry,
    );
    program.line("curl http://localhost:12000/health", 200, "status message");
    let status = "status worker_instance_id worker_running current_tasks tasks";
    program.line("curl http://localhost:12000/status", 200, status);
    program.line(&format!("curl -X DELETE http://localhost:12000/tasks/{id}"), 200, "message");
    program.line(&format!("curl http://localhost:12000/tasks/{id}"), 404, DETAIL);
}

fn task_repository(program: &Program) {
    let document = "task_id task_type status priority tenant_id batch_id request template tags metadata created_at \
        updated_at processor_id processing_started_at results error completed_at";
    let mut ids = Vec::new();
    for _ in 0..2 {
        let made = program.line(
            r#"curl -X POST "http://localhost:8503/api/v1/tasks" \
                -H "Content-Type: application/json" -H "X-API-Key: dev_api_key" \
                -d '{"task_type": "text_generation", "request": {"content": {"prompt": "Hello"}, "metadata": {"user": "u1"}}, "template": {"service_type": "text", "template_data": {"style": "short"}, "parameters": {"max_tokens": 100}}, "tags": {"service": "text-service", "source": "web", "category": "generation", "custom_tags": ["a", "b"]}, "priority": 1, "tenant_id": "tenant_1"}'"#,
            201,
            "task_id status message",
        );
        assert_eq!(made["status"], "created");
        ids.push(made["task_id"].as_str().unwrap().to_owned());
    }
    let listed = program.line(
        r#"curl "http://localhost:8503/api/v1/tasks?task_type=text_generation&tenant_id=tenant_1&service_tag=text-service&limit=10" -H "X-API-Key: dev_api_key""#,
        200,
        "tasks total limit filters",
    );
    assert_eq!(listed["total"], 2);
    for id in &ids {
        let claimed = program.line(
            &format!(
                r#"curl -X POST "http://localhost:8503/api/v1/tasks/{id}/claim?processor_id=worker_1" -H "X-API-Key: dev_api_key""#
            ),
            200,
            document,
        );
        assert_eq!((&claimed["status"], &claimed["processor_id"]), (&"processing".into(), &"worker_1".into()));
    }
    program.line(
        &format!(
            r#"curl -X POST "http://localhost:8503/api/v1/tasks/{}/complete" -H "X-API-Key: dev_api_key" -H "Content-Type: application/json" -d '{{"text": "Hi", "tokens": 3}}'"#,
            ids[0]
        ),
        200,
        "success message",
    );
    program.line(
        &format!(
            r#"curl -X POST "http://localhost:8503/api/v1/tasks/{}/fail" -H "X-API-Key: dev_api_key" -H "Content-Type: application/json" -d '{{"message": "No answer from the model"}}'"#,
            ids[1]
        ),
        200,
        "success message",
    );
    let read = |id: &str| {
        let line = format!(r#"curl "http://localhost:8503/api/v1/tasks/{id}" -H "X-API-Key: dev_api_key""#);
        program.line(&line, 200, document)
    };
    let (done, failed) = (read(&ids[0]), read(&ids[1]));
    assert_eq!((&done["status"], &done["results"]["tokens"]), (&"completed".into(), &3.into()));
    assert_eq!((&failed["status"], &failed["error"]), (&"failed".into(), &"No answer from the model".into()));
    program.line(r#"curl "http://localhost:8503/api/v1/tasks" -H "X-API-Key: wrong""#, 401, DETAIL);
    program.line("curl http://localhost:8503/health", 200, "status service version timestamp tasks_count components");
}

fn seedcore_tasks(program: &Program) {
    let task = "id type description params domain drift_score status result error created_at updated_at";
    let create = |immediately: bool| {
        let line = format!(
            r#"curl -X POST http://localhost:8000/api/v1/tasks -H "Content-Type: application/json" -d '{{"type": "general_query", "params": {{"query": "What is the weather?"}}, "description": "A question", "domain": "general", "drift_score": 0.1, "run_immediately": {immediately}}}'"#
        );
        program.line(&line, 200, task)
    };
    let get = |path: &str, keys: &str| program.line(&format!("curl http://localhost:8000/api/v1/{path}"), 200, keys);
    let post = |path: &str| program.line(&format!("curl -X POST http://localhost:8000/api/v1/{path}"), 200, task);
    assert_eq!(create(true)["status"], "queued");
    let made = create(false);
    assert_eq!(made["status"], "created");
    let id = made["id"].as_str().unwrap();
    assert_eq!(get("tasks", "total items")["total"], 2);
    get(&format!("tasks/{id}"), task);
    assert_eq!(post(&format!("tasks/{id}/run"))["status"], "queued");
    assert_eq!(post(&format!("tasks/{id}/cancel"))["status"], "cancelled");
    get(&format!("tasks/{id}/status"), "id status updated_at error");
    program.line("curl http://localhost:8000/health", 200, "status service version");
}

fn seedcore_facts(program: &Program) {
    let fact = "id text tags meta_data created_at updated_at";
    let line = r#"curl -X POST http://localhost:8000/api/v1/facts -H "Content-Type: application/json" -d '{"text": "An important fact", "tags": ["reference", "manual"], "meta_data": {"source": "handbook"}}'"#;
    let made = program.line(line, 200, fact);
    let id = made["id"].as_str().unwrap();
    let search = r#"curl "http://localhost:8000/api/v1/facts?q=important&tag=reference&limit=50&offset=0""#;
    assert_eq!(program.line(search, 200, "total items")["total"], 1);
    let line = format!(
        r#"curl -X PATCH http://localhost:8000/api/v1/facts/{id} -H "Content-Type: application/json" -d '{{"tags": ["reference"]}}'"#
    );
    assert_eq!(program.line(&line, 200, fact)["text"], "An important fact");
    program.line(&format!("curl http://localhost:8000/api/v1/facts/{id}"), 200, fact);
    program.line(&format!("curl -X DELETE http://localhost:8000/api/v1/facts/{id}"), 200, "deleted");
    program.line(&format!("curl http://localhost:8000/api/v1/facts/{id}"), 404, DETAIL);
}

fn task_tracker(program: &Program) {
    let moved = "taskId status updatedAt";
    let create = || {
        let line = r#"curl -X POST http://localhost:3002/api/v1/tasks -H "Content-Type: application/json" -d '{"taskType": "video_render", "metadata": {"user": "u1"}, "params": {"frames": 100}, "timeoutSeconds": 3600}'"#;
        let made = program.line(line, 201, "taskId status createdAt timeoutAt");
        made["taskId"].as_str().unwrap().to_owned()
    };
    let post = |id: &str, action: &str, body: &str, keys: &str| {
        let line = format!(
            r#"curl -X POST http://localhost:3002/api/v1/tasks/{id}/{action} -H "Content-Type: application/json" -d '{body}'"#
        );
        program.line(&line, 201, keys)
    };
    let worker = r#"{"workerId": "worker-1"}"#;
    let id = create();
    post(&id, "start", worker, moved);
    post(&id, "progress", r#"{"progress": {"percent": 50, "message": "half"}}"#, "taskId seqId timestamp");
    post(&id, "complete", r#"{"workerId": "worker-1", "result": {"url": "https://example.org/v.mp4"}}"#, moved);
    let row = "id taskType status metadata params result error progressHistory timeoutSeconds workerId originalTaskId \
        retryCount createdAt updatedAt startedAt completedAt timeoutAt";
    let read = program.line(&format!("curl http://localhost:3002/api/v1/tasks/{id}"), 200, row);
    assert_eq!((&read["status"], read["progressHistory"].as_array().unwrap().len()), (&"completed".into(), 1));
    for (query, has_progress) in [("", true), ("?afterSeqId=1", false), ("?ignoreHistory=true", false)] {
        let line = format!(r#"curl -N "http://localhost:3002/api/v1/tasks/{id}/track{query}""#);
        let (status, stream) = program.sh(&line);
        assert_eq!((status, stream.contains(r#""event":"progress""#)), (200, has_progress), "{line}\n{stream}");
        assert!(stream.contains(r#""status":"completed""#), "{line}\n{stream}");
    }
    let failed = create();
    post(&failed, "start", worker, moved);
    post(&failed, "fail", r#"{"workerId": "worker-1", "error": {"message": "No space left"}}"#, moved);
    let retried = format!("curl -X POST http://localhost:3002/api/v1/tasks/{failed}/retry");
    program.line(&retried, 201, "newTaskId originalTaskId status retryCount");
    let late = create();
    program.line(&format!("curl -X POST http://localhost:3002/api/v1/tasks/{late}/timeout"), 201, moved);
    program.line("curl -X POST http://localhost:3002/api/v1/tasks/timeouts/process", 201, "processedCount");
    let claimed = program.line(
        r#"curl -X POST http://localhost:3002/api/v1/tasks/claim -H "Content-Type: application/json" -d '{"taskTypes": ["video_render"], "workerId": "worker-2"}'"#,
        201,
        row,
    );
    let claimed = claimed["id"].as_str().unwrap();
    post(claimed, "release", r#"{"workerId": "worker-2"}"#, "taskId status message");
    let unknown = "curl http://localhost:3002/api/v1/tasks/unknown";
    program.line(unknown, 404, "message error statusCode");
}
