//! `organism`: lets the configured organism do the task; also every type of origin `seedcore`.

use std::time::Duration;

use async_trait::async_trait;
use http::Method;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use serde_json::{Value, json};
use task_domain::{JsonObject, MAX_JSON_DEPTH, Origin, Task, is_within_depth};
use task_protocols::{ConfigProblem, ExecutionContext, ExecutorError, Outcome, TaskExecutor};

use crate::fields::{Fields, invalid_config};
use crate::guard::{GuardedClient, Outbound};
use crate::http::{refused, unexpected};
use crate::shared::{failure, progress, unless_cancelled};

const MAX_TYPE: usize = 255;
const KEYS: &[&str] = &["type", "params", "domain", "drift_score"];

/// Config: `type` (of the organism's; default the task's name), `params` (object), `domain` (text),
/// `drift_score` (number). Sends `Idempotency-Key: {run_id}`. What the organism returns is the whole
/// result; its `success` decides.
#[derive(Clone)]
pub struct Organism {
    client: GuardedClient,
    url: String,
    timeout: Duration,
}

impl Organism {
    /// `client` must be one that may call `url`, whatever its address: nothing else is called.
    pub fn new(client: GuardedClient, url: String, timeout: Duration) -> Self {
        Self { client, url, timeout }
    }

    async fn run(&self, context: &ExecutionContext) -> Result<Outcome, ExecutorError> {
        let body = body(&context.task).map_err(invalid_config)?;
        progress(context, 0, "Asking the organism").await;
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Ok(key) = HeaderValue::from_str(&context.execution.run_id.to_string()) {
            headers.insert("idempotency-key", key);
        }
        let call = Outbound {
            method: Method::POST,
            url: self.url.clone(),
            headers,
            body: Some(body.to_string().into()),
            timeout: Some(self.timeout),
        };
        let fetched = self.client.call(call).await.map_err(|error| refused(&error))?;
        if !fetched.status.is_success() {
            return Err(unexpected(&fetched));
        }
        let invalid =
            |why: &str| failure("invalid_answer", format!("The organism did not answer as it should: {why}"), false);
        let answer: Value = serde_json::from_slice(&fetched.body).map_err(|error| invalid(&error.to_string()))?;
        if !answer.is_object() {
            return Err(invalid("its answer is no object"));
        }
        if !is_within_depth(&answer, MAX_JSON_DEPTH) {
            return Err(invalid(&format!("its answer is nested deeper than {MAX_JSON_DEPTH} levels")));
        }
        if answer["success"] == json!(true) {
            return Ok(Outcome { result: answer, api_calls_made: 1, ..Outcome::default() });
        }
        let message = match &answer["error"] {
            Value::String(text) if !text.is_empty() => text.clone(),
            Value::Null => "The organism did not succeed, and did not say why".to_owned(),
            other => other.to_string(),
        };
        Err(ExecutorError { code: "organism_failed", message, details: Some(answer), retryable: false })
    }
}

/// What the organism is sent. A task of origin `seedcore` has its own type, any params and, kept
/// for it in `attributes`, what the model has no column for.
fn body(task: &Task) -> Result<Value, Vec<ConfigProblem>> {
    let seedcore = task.origin == Origin::Seedcore;
    if !seedcore {
        read(&task.config)?;
    }
    let given = |key: &str| task.config.get(key).or_else(|| task.attributes.get(key)).filter(|value| !value.is_null());
    // Seedcore's params are its config, unless they stand within it.
    let within = given("params").is_some() && task.config.keys().all(|key| KEYS.contains(&key.as_str()));
    let params = match given("params").filter(|_| within || !seedcore) {
        Some(params) => params.clone(),
        None if seedcore => json!(task.config),
        None => json!({}),
    };
    let own_type = if seedcore { &task.task_type } else { &task.name };
    Ok(json!({
        "type": given("type").filter(|_| !seedcore).cloned().unwrap_or_else(|| json!(own_type)),
        "params": params,
        "description": task.description.as_deref().unwrap_or_default(),
        "domain": given("domain"),
        "drift_score": given("drift_score").cloned().unwrap_or_else(|| json!(0.0)),
    }))
}

fn read(config: &JsonObject) -> Result<(), Vec<ConfigProblem>> {
    let mut fields = Fields::of(config);
    fields.text("type", MAX_TYPE);
    if fields.present("params").is_some_and(|params| !params.is_object()) {
        fields.problem("params", "must be an object");
    }
    fields.text("domain", MAX_TYPE);
    if fields.present("drift_score").is_some_and(|score| !score.is_number()) {
        fields.problem("drift_score", "must be a number");
    }
    fields.finish(())
}

#[async_trait]
impl TaskExecutor for Organism {
    fn task_types(&self) -> &'static [&'static str] {
        &["organism"]
    }

    fn validate_config(&self, config: &JsonObject) -> Vec<ConfigProblem> {
        read(config).err().unwrap_or_default()
    }

    async fn execute(&self, context: ExecutionContext) -> Result<Outcome, ExecutorError> {
        unless_cancelled(&context, self.run(&context)).await
    }
}
