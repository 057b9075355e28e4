//! `task-service keys create | list | revoke`.

use std::sync::Arc;

use clap::Subcommand;
use task_domain::TenantId;
use task_protocols::ApiKey;
use task_protocols::background::Background;
use task_service::{Access, Caller, KeyDraft, KeyService, Scope, ServiceError};
use tokio::runtime::Handle;

use crate::config::Settings;
use crate::error::StartError;
use crate::output::print;
use crate::wiring::engine;

#[derive(Debug, Subcommand, Clone, PartialEq, Eq)]
pub enum KeysCommand {
    /// Makes a key and prints it, this once.
    Create {
        /// What it is for.
        #[arg(long)]
        name: String,
        /// The tenant whose work it may touch.
        #[arg(long, default_value = "default")]
        tenant: String,
        /// What it may do: tasks:write, tasks:work, facts, act_as_user, admin. Repeatable.
        #[arg(long = "scope", value_name = "SCOPE", required = true, value_parser = scope)]
        scopes: Vec<Scope>,
        /// Limits it to tasks of this type. Repeatable; without it, every type.
        #[arg(long = "task-type", value_name = "TYPE")]
        task_types: Vec<String>,
        /// Days from now, 1 to 3650; without it the key does not expire.
        #[arg(long, value_name = "DAYS")]
        expires_in_days: Option<i64>,
    },
    /// Lists the keys of a tenant.
    List {
        #[arg(long, default_value = "default")]
        tenant: String,
    },
    /// Ends a key; running instances refuse it within 5 seconds.
    Revoke {
        /// As `keys list` shows it.
        id: String,
    },
}

fn scope(text: &str) -> Result<Scope, String> {
    text.parse()
}

pub(crate) async fn execute(command: KeysCommand, settings: &Settings, migrate: bool) -> Result<(), StartError> {
    let stores = engine::open(settings, migrate).await?;
    let background = Background::new(Handle::current());
    let keys = KeyService::new(Arc::clone(&stores.api_keys), Arc::clone(&stores.tasks), background);
    match command {
        KeysCommand::Create { name, tenant, scopes, task_types, expires_in_days } => {
            let draft = KeyDraft { name, scopes, task_types, expires_in_days };
            let (key, text) = keys.create(&operator(&tenant)?, draft).await.map_err(refused)?;
            print(format_args!("{text}\n"))?;
            print("This key is shown once. Send it as `X-API-Key`, or as `Authorization: Bearer`.\n")?;
            print(format_args!("id       {}\nname     {}\ntenant   {}", key.id, key.name, key.tenant_id))?;
            let (scopes, types, expires) = (key.scopes.join(", "), types(&key), expiry(&key));
            print(format_args!("scopes   {scopes}\ntypes    {types}\nexpires  {expires}"))?;
        }
        KeysCommand::List { tenant } => {
            let caller = operator(&tenant)?;
            let listed = keys.list(&caller).await.map_err(refused)?;
            if listed.is_empty() {
                return Ok(print(format_args!("Tenant {tenant} has no keys; `task-service keys create` makes one."))?);
            }
            let now = stores.tasks.now().await?;
            let line = |[id, state, used, expires, name, scopes]: [&str; 6]| {
                print(format_args!("{id:<12}  {state:<8}  {used:<20}  {expires:<20}  {name:<24}  {scopes}"))
            };
            line(["ID", "STATE", "LAST USED", "EXPIRES", "NAME", "SCOPES"])?;
            for key in listed {
                let state = match (key.revoked_at, key.expires_at) {
                    (Some(_), _) => "revoked",
                    (None, Some(at)) if at <= now => "expired",
                    _ => "active",
                };
                let used = key.last_used_at.map_or_else(|| "never".to_owned(), minute);
                line([&key.id, state, &used, &expiry(&key), &key.name, &key.scopes.join(",")])?;
            }
        }
        KeysCommand::Revoke { id } => {
            let Some(key) = stores.api_keys.find_key(&id).await? else {
                return Err(StartError::Command(format!("there is no key {id}; `task-service keys list` shows them")));
            };
            keys.revoke(&operator(key.tenant_id.as_str())?, &id).await.map_err(refused)?;
            print(format_args!("Key {id} ({}) is revoked; running instances refuse it within 5 seconds.", key.name))?;
        }
    }
    Ok(())
}

/// Who holds the database may do anything.
fn operator(tenant: &str) -> Result<Caller, StartError> {
    let tenant_id = TenantId::new(tenant).map_err(|problem| StartError::Command(format!("--tenant {problem}")))?;
    let access = Access::Key {
        key_id: "command_line".into(),
        scopes: vec![Scope::Admin],
        task_types: Vec::new(),
        acting_for: None,
    };
    Ok(Caller { tenant_id, access })
}

fn refused(error: ServiceError) -> StartError {
    match error {
        ServiceError::Store(error) => StartError::Store(error),
        ServiceError::Invalid(problems) => {
            let told: Vec<_> = problems.iter().map(|p| format!("{} {}", option(&p.field), p.message)).collect();
            StartError::Command(told.join("; "))
        }
        error => StartError::Command(error.to_string()),
    }
}

/// The option that a field was read from.
fn option(field: &str) -> String {
    match field {
        // Given once for each.
        "scopes" | "task_types" => format!("--{}", field.trim_end_matches('s').replace('_', "-")),
        field => format!("--{}", field.replace('_', "-")),
    }
}

fn types(key: &ApiKey) -> String {
    if key.task_types.is_empty() { "every".into() } else { key.task_types.join(", ") }
}

fn expiry(key: &ApiKey) -> String {
    key.expires_at.map_or_else(|| "never".to_owned(), minute)
}

fn minute(at: chrono::DateTime<chrono::Utc>) -> String {
    at.format("%Y-%m-%d %H:%M UTC").to_string()
}
