//! The drop-in APIs of older task services: where each listens, and who may call it.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use actix_web::dev::ServerHandle;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use task_compat::common::{self, Admission, Api, Cors, DropIn};
use task_domain::Origin;
use task_protocols::background::Background;
use task_server::ApiState;
use task_service::OriginService;

use crate::config::{Settings, is_loopback};
use crate::error::StartError;

/// Over the defaults in development mode: the ports that the older services had.
pub(crate) const DEVELOPMENT: &str = "
[drop_in]
task_repository_port = 8503
task_management_port = 12000
seedcore_port = 8000
task_tracker_port = 3002
";

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DropInSettings {
    pub task_repository_port: Port,
    pub task_management_port: Port,
    pub seedcore_port: Port,
    pub task_tracker_port: Port,
    pub task_management_key: SecretString,
    pub seedcore_key: SecretString,
    pub task_tracker_key: SecretString,
    /// Length of a lease that an old client takes and never renews, seconds.
    pub task_repository_lease_seconds: i64,
    /// The same of the Task Tracker.
    pub task_tracker_lease_seconds: i64,
    /// Conversations that an instance works at, at the same time.
    pub task_management_concurrency: usize,
    /// Whether those without a key of their own may listen beyond loopback.
    pub open: bool,
    /// `*`, or a comma separated list; empty = nobody, in development mode pages of this machine.
    pub cors_origins: String,
}

impl DropInSettings {
    /// What `cors_origins` lists, `*` included.
    pub(crate) fn cors_origins(&self) -> impl Iterator<Item = &str> {
        self.cors_origins.split(',').map(str::trim).filter(|origin| !origin.is_empty())
    }
}

/// A port, 0 = any free one; or none, which turns the API off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "PortText")]
pub struct Port(pub Option<u16>);

#[derive(Deserialize)]
#[serde(untagged)]
enum PortText {
    Number(u16),
    Text(String),
}

impl TryFrom<PortText> for Port {
    type Error = String;

    fn try_from(text: PortText) -> Result<Self, String> {
        match text {
            PortText::Number(port) => Ok(Self(Some(port))),
            PortText::Text(text) if text == "none" => Ok(Self(None)),
            PortText::Text(text) => {
                let port =
                    text.trim().parse().map_err(|_| format!("`{text}` is no port: a number up to 65535, or none"))?;
                Ok(Self(Some(port)))
            }
        }
    }
}

/// What the settings say of one API.
struct Wanted {
    api: &'static Api,
    port: Port,
    /// The environment variable of the port.
    setting: &'static str,
    /// That of its own key, when it has one.
    key: &'static str,
    admission: Admission,
}

fn wanted(settings: &DropInSettings) -> Vec<Wanted> {
    let anybody = |key: &SecretString| {
        let key = (!key.expose_secret().is_empty()).then(|| key.clone());
        Admission::Anybody { key }
    };
    vec![
        Wanted {
            api: &task_compat::task_repository::API,
            port: settings.task_repository_port,
            setting: "TASK_REPOSITORY_PORT",
            key: "API_KEY",
            admission: Admission::Keys,
        },
        Wanted {
            api: &task_compat::task_management::API,
            port: settings.task_management_port,
            setting: "TASK_MANAGEMENT_PORT",
            key: "TASK_MANAGEMENT_API_KEY",
            admission: anybody(&settings.task_management_key),
        },
        Wanted {
            api: &task_compat::seedcore::API,
            port: settings.seedcore_port,
            setting: "SEEDCORE_PORT",
            key: "SEEDCORE_API_KEY",
            admission: anybody(&settings.seedcore_key),
        },
        Wanted {
            api: &task_compat::task_tracker::API,
            port: settings.task_tracker_port,
            setting: "TASK_TRACKER_PORT",
            key: "TASK_TRACKER_API_KEY",
            admission: anybody(&settings.task_tracker_key),
        },
    ]
}

/// An API whose port was free.
struct Bound {
    api: &'static Api,
    listener: TcpListener,
    address: SocketAddr,
    admission: Admission,
}

/// The drop-in APIs of this instance: those that are served, and those that could not be.
#[derive(Default)]
pub(crate) struct DropIns {
    bound: Vec<Bound>,
    up: Vec<(&'static Api, SocketAddr)>,
    left_out: Vec<(&'static Api, String)>,
    /// Those that listen on loopback only, and the variable of the key that would change that.
    held_back: Vec<(&'static Api, &'static str)>,
    servers: Vec<ServerHandle>,
}

impl DropIns {
    /// Takes the ports. In development mode one that is taken leaves its API out.
    ///
    /// # Errors
    /// Otherwise a port that cannot be had, with the name of its setting.
    pub(crate) fn bind(settings: &Settings) -> Result<Self, StartError> {
        let mut drop_ins = Self::default();
        for Wanted { api, port, setting, key, admission } in wanted(&settings.drop_in) {
            let Port(Some(port)) = port else { continue };
            let host = host(settings, &admission);
            if host != settings.service.host {
                drop_ins.held_back.push((api, key));
            }
            let address = format!("{host}:{port}");
            let listener = TcpListener::bind(&address).and_then(|listener| Ok((listener.local_addr()?, listener)));
            match listener {
                Ok((address, listener)) => drop_ins.bound.push(Bound { api, listener, address, admission }),
                Err(source) if settings.development => {
                    let why = format!("{address}: {source}; free it, or set {setting} to another port");
                    drop_ins.left_out.push((api, why));
                }
                Err(source) => return Err(StartError::ListenDropIn { api: api.title, address, setting, source }),
            }
        }
        Ok(drop_ins)
    }

    /// Starts serving what was bound.
    ///
    /// # Errors
    /// When a listener cannot be taken over.
    pub(crate) fn serve(
        &mut self,
        settings: &Settings,
        engine: &Arc<ApiState>,
        background: &Background,
    ) -> Result<(), StartError> {
        for Bound { api, listener, address, admission } in std::mem::take(&mut self.bound) {
            let tasks = OriginService::new(Arc::clone(&engine.tasks), engine.workers.clone(), api.origin);
            let lease_seconds = match api.origin {
                Origin::TaskTracker => settings.drop_in.task_tracker_lease_seconds,
                _ => settings.drop_in.task_repository_lease_seconds,
            };
            let drop_in =
                DropIn { api, tasks, lease_seconds, engine: Arc::clone(engine), admission, cors: cors(settings) };
            let server = common::run(listener, drop_in, settings.service.http_workers)?;
            self.servers.push(server.handle());
            self.up.push((api, address));
            background.spawn(async move {
                if let Err(error) = server.await {
                    tracing::error!(%error, api = api.origin.as_str(), "the HTTP server of a drop-in API ended");
                }
            });
        }
        Ok(())
    }

    /// Title and address of each that is served.
    pub(crate) fn up(&self) -> impl Iterator<Item = (&'static Api, SocketAddr)> {
        self.up.iter().copied()
    }

    /// Tells the log where each is, and why one is not where it may be looked for.
    pub(crate) fn announce(&self) {
        for (api, address) in self.up() {
            tracing::info!(api = api.origin.as_str(), %address, "serving a drop-in API");
        }
        for (api, key) in &self.held_back {
            tracing::warn!(
                api = api.origin.as_str(),
                "it believes anybody, so it listens on loopback only: set {key}, or DROP_IN_OPEN=1 where only trusted callers reach it"
            );
        }
        for (title, why) in self.left_out() {
            tracing::warn!(api = title, why, "a drop-in API is not served");
        }
    }

    /// Title of each that is not, and why.
    pub(crate) fn left_out(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.left_out.iter().map(|(api, why)| (api.title, why.as_str()))
    }

    /// Lets the requests under way finish, then closes.
    pub(crate) async fn stop(&self) {
        futures::future::join_all(self.servers.iter().map(|server| server.stop(true))).await;
    }
}

/// An API that believes anybody stays on loopback, unless it is told to be open.
fn host<'s>(settings: &'s Settings, admission: &Admission) -> &'s str {
    let believes_anybody = matches!(admission, Admission::Anybody { key: None });
    let host = settings.service.host.as_str();
    if believes_anybody && !settings.drop_in.open && !is_loopback(host) { "127.0.0.1" } else { host }
}

fn cors(settings: &Settings) -> Cors {
    let origins: Vec<String> = settings.drop_in.cors_origins().map(str::to_owned).collect();
    match origins.as_slice() {
        [any] if any == "*" => Cors::Anybody,
        [] if settings.development => Cors::Local,
        [] => Cors::Nobody,
        _ => Cors::Listed(origins),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(development: bool, pairs: &[(&str, &str)]) -> Settings {
        Settings::from_environment(None, development, |name| {
            pairs.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned())
        })
        .unwrap()
    }

    #[test]
    fn the_old_ports_are_taken_in_development_mode_only() {
        let ports = |settings: &Settings| wanted(&settings.drop_in).iter().map(|w| w.port.0).collect::<Vec<_>>();
        assert_eq!(ports(&load(true, &[]))[..2], [Some(8503), Some(12000)]);
        assert!(ports(&load(false, &[])).iter().all(Option::is_none));
        let settings = load(true, &[("TASK_REPOSITORY_PORT", "none"), ("TASK_MANAGEMENT_PORT", "0")]);
        assert_eq!(ports(&settings)[..2], [None, Some(0)]);
    }

    #[test]
    fn an_api_that_believes_anybody_stays_on_loopback() {
        let everywhere = ("HOST", "0.0.0.0");
        let open = Admission::Anybody { key: None };
        let keyed = Admission::Anybody { key: Some(SecretString::from("k")) };
        let settings = load(false, &[everywhere]);
        assert_eq!(host(&settings, &open), "127.0.0.1");
        assert_eq!(host(&settings, &keyed), "0.0.0.0");
        assert_eq!(host(&settings, &Admission::Keys), "0.0.0.0");
        assert_eq!(host(&load(false, &[everywhere, ("DROP_IN_OPEN", "1")]), &open), "0.0.0.0");
    }

    #[test]
    fn cors_is_for_this_machine_in_development_and_for_nobody_else_unless_named() {
        assert_eq!(cors(&load(true, &[])), Cors::Local);
        assert_eq!(cors(&load(false, &[])), Cors::Nobody);
        assert_eq!(cors(&load(false, &[("DROP_IN_CORS_ORIGINS", "*")])), Cors::Anybody);
        let listed = cors(&load(false, &[("DROP_IN_CORS_ORIGINS", "https://a.example, https://b.example")]));
        assert_eq!(listed, Cors::Listed(vec!["https://a.example".into(), "https://b.example".into()]));
    }
}
