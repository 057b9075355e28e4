//! Keeps this instance registered at Consul while it runs.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use task_clients::{Consul, ConsulError, Registration};
use task_protocols::background::Background;
use tokio_util::sync::CancellationToken;

use crate::config::Settings;
use crate::error::StartError;

/// Well within Consul's 30 s.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// Shutdown waits no longer for Consul; it forgets a silent instance by itself.
const FAREWELL: Duration = Duration::from_secs(2);

/// Registers, sends heartbeats, and deregisters at the end. Whatever goes wrong is logged and tried
/// again: the service does not depend on being found.
pub(crate) fn start(
    settings: &Settings,
    address: SocketAddr,
    instance_id: &str,
    work: &Background,
) -> Result<(), StartError> {
    if settings.consul.host.is_empty() {
        return Ok(());
    }
    let registration = Registration {
        id: format!("{}-{instance_id}", settings.service.name),
        name: settings.service.name.clone(),
        address: advertised(settings, address),
        port: address.port(),
        tags: vec!["api-v1".into(), format!("version-{}", env!("CARGO_PKG_VERSION"))],
    };
    tracing::info!(address = registration.address, port = registration.port, "registering at Consul");
    let consul = Consul::new(&settings.consul.host, settings.consul.port, registration)
        .map_err(|e| StartError::Internal(e.to_string()))?;
    let consul = Arc::new(consul);
    work.supervise("consul", move |stop| {
        let consul = Arc::clone(&consul);
        async move { keep(&consul, HEARTBEAT, &stop).await }
    });
    Ok(())
}

async fn keep(consul: &Consul, every: Duration, stop: &CancellationToken) {
    let mut registered = false;
    while !stop.is_cancelled() {
        let outcome = tokio::select! {
            outcome = beat(consul, registered) => outcome,
            () = stop.cancelled() => break,
        };
        match (&outcome, registered) {
            (Ok(()), false) => tracing::info!("registered at Consul"),
            (Err(error), true) => {
                tracing::warn!(
                    error = error as &dyn std::error::Error,
                    "Consul does not know this instance any more, or is away; registering again"
                );
            }
            (Err(error), false) => {
                tracing::warn!(
                    error = error as &dyn std::error::Error,
                    "not registered at Consul; trying again. Check CONSUL_HOST and CONSUL_PORT"
                );
            }
            (Ok(()), true) => {}
        }
        let forgotten = registered && outcome.is_err();
        registered = outcome.is_ok();
        if forgotten {
            continue;
        }
        tokio::select! {
            () = tokio::time::sleep(every) => {}
            () = stop.cancelled() => {}
        }
    }
    if let Err(error) = tokio::time::timeout(FAREWELL, consul.deregister()).await {
        tracing::debug!(%error, "Consul did not take the deregistration in time; it forgets a silent instance by itself");
    }
}

async fn beat(consul: &Consul, registered: bool) -> Result<(), ConsulError> {
    if registered { consul.pass().await } else { consul.register().await }
}

/// Where others reach this instance.
fn advertised(settings: &Settings, listening: SocketAddr) -> String {
    if !settings.consul.advertise_address.is_empty() {
        return settings.consul.advertise_address.clone();
    }
    let ip = if listening.ip().is_unspecified() { towards(&settings.consul.host, settings.consul.port) } else { None };
    ip.unwrap_or_else(|| listening.ip()).to_string()
}

/// This machine's address on the way to `host`. Nothing is sent: a UDP socket only picks its route.
fn towards(host: &str, port: u16) -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect((host, port)).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

#[cfg(test)]
mod tests {
    use tokio::runtime::Handle;
    use wiremock::matchers::{method, path, path_regex};
    use wiremock::{Mock, MockServer, ResponseTemplate};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);
    const SOON: Duration = Duration::from_millis(5);

    fn consul(server: &MockServer) -> Arc<Consul> {
        let registration = Registration {
            id: "tasks-1".into(),
            name: "tasks".into(),
            address: "10.0.0.7".into(),
            port: 8211,
            tags: Vec::new(),
        };
        let address = server.address();
        Arc::new(Consul::new(&address.ip().to_string(), address.port(), registration).unwrap())
    }

    fn run(consul: Arc<Consul>) -> Background {
        let work = Background::new(Handle::current());
        work.supervise("consul", move |stop| {
            let consul = Arc::clone(&consul);
            async move { keep(&consul, SOON, &stop).await }
        });
        work
    }

    async fn calls(server: &MockServer, part: &str) -> usize {
        let requests = server.received_requests().await.unwrap_or_default();
        requests.iter().filter(|request| request.url.path().contains(part)).count()
    }

    #[tokio::test]
    async fn an_instance_is_registered_passing_and_in_the_end_deregistered() {
        let server = MockServer::start().await;
        Mock::given(method("PUT")).respond_with(ResponseTemplate::new(200)).mount(&server).await;
        let work = run(consul(&server));
        task_testkit::wait::until("heartbeats", PATIENCE, || async { calls(&server, "/check/pass/").await >= 3 }).await;
        assert_eq!(calls(&server, "/service/register").await, 1);
        assert_eq!(calls(&server, "/service/deregister/").await, 0);
        let requests = server.received_requests().await.unwrap();
        let body: serde_json::Value = requests[0].body_json().unwrap();
        assert_eq!((&body["Port"], &body["Check"]["TTL"]), (&8211.into(), &"30s".into()));
        assert!(work.shut_down(PATIENCE).await);
        assert_eq!(calls(&server, "/v1/agent/service/deregister/tasks-1").await, 1);
    }

    #[tokio::test]
    async fn it_registers_again_when_consul_has_forgotten_it() {
        let server = MockServer::start().await;
        Mock::given(method("PUT"))
            .and(path_regex("^/v1/agent/check/pass/"))
            .respond_with(ResponseTemplate::new(404))
            .up_to_n_times(2)
            .mount(&server)
            .await;
        Mock::given(method("PUT")).respond_with(ResponseTemplate::new(200)).mount(&server).await;
        let work = run(consul(&server));
        task_testkit::wait::until("it registers again", PATIENCE, || async {
            calls(&server, "/service/register").await == 3 && calls(&server, "/check/pass/").await > 3
        })
        .await;
        assert!(work.shut_down(PATIENCE).await);
    }

    #[tokio::test]
    async fn a_consul_that_fails_stops_nothing() {
        let server = MockServer::start().await;
        Mock::given(method("PUT"))
            .and(path("/v1/agent/service/register"))
            .respond_with(ResponseTemplate::new(500))
            .up_to_n_times(4)
            .mount(&server)
            .await;
        Mock::given(method("PUT")).respond_with(ResponseTemplate::new(200)).mount(&server).await;
        let work = run(consul(&server));
        task_testkit::wait::until("it is registered", PATIENCE, || async { calls(&server, "/check/pass/").await > 0 })
            .await;
        assert_eq!(work.loops(), ["consul"]);
        assert!(work.shut_down(PATIENCE).await);
    }
}
