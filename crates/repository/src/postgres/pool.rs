//! Connections: two pools, and single ones for what must not share a session.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use deadpool::Runtime;
use deadpool::managed::QueueMode;
use diesel::sql_types::Text;
use diesel::{ConnectionError, ConnectionResult, QueryResult};
use diesel_async::pooled_connection::deadpool::{Object, Pool};
use diesel_async::pooled_connection::{AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use futures::FutureExt;
use futures::future::BoxFuture;
use task_protocols::{PoolUse, StoreResult};
use tokio::runtime::Handle;
use tokio::sync::OnceCell;
use tokio::task::JoinHandle;
use tokio_postgres::config::SslMode;
use tokio_postgres::{Client, NoTls};

use super::config::{ConnectError, PostgresConfig, target};
use super::errors;
use super::saved::Types;
use super::statement::{Sql, Statement};
use super::tls::Tls;

/// Longest time from the first packet to a usable session.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Counting takes no connection from requests and claims.
const ANALYTICS_CONNECTIONS: usize = 2;

pub(super) type Connection = Object<AsyncPgConnection>;

/// How to open a connection, and who drives it.
struct Opener {
    target: tokio_postgres::Config,
    /// `None`: nothing is encrypted.
    tls: Option<Tls>,
    config: PostgresConfig,
    runtime: Handle,
}

pub(super) struct Pools {
    opener: Arc<Opener>,
    main: Pool<AsyncPgConnection>,
    claims: Pool<AsyncPgConnection>,
    analytics: Pool<AsyncPgConnection>,
    types: OnceCell<Types>,
}

impl Pools {
    pub(super) fn new(config: PostgresConfig, runtime: Handle) -> Result<Self, ConnectError> {
        let (target, tls) = target(&config)?;
        let tls = Tls::new(&tls, target.get_ssl_negotiation())?;
        let opener = Arc::new(Opener { target, tls, config, runtime });
        let main = pool(&opener, opener.config.main_connections, Session::Main)?;
        let claims = pool(&opener, opener.config.claim_connections, Session::Claims)?;
        let analytics = pool(&opener, ANALYTICS_CONNECTIONS, Session::Main)?;
        Ok(Self { opener, main, claims, analytics, types: OnceCell::new() })
    }

    pub(super) async fn main(&self) -> StoreResult<Connection> {
        self.main.get().await.map_err(errors::no_connection)
    }

    pub(super) async fn claims(&self) -> StoreResult<Connection> {
        self.claims.get().await.map_err(errors::no_connection)
    }

    pub(super) async fn analytics(&self) -> StoreResult<Connection> {
        self.analytics.get().await.map_err(errors::no_connection)
    }

    /// The types of what saves send, asked for once.
    pub(super) async fn types(&self, connection: &mut AsyncPgConnection) -> QueryResult<Types> {
        self.types.get_or_try_init(async || Types::of(connection).await).await.copied()
    }

    pub(super) fn in_use(&self) -> Vec<PoolUse> {
        let pools = [("main", &self.main), ("claims", &self.claims), ("analytics", &self.analytics)];
        let used = pools.map(|(name, pool)| {
            let status = pool.status();
            let in_use = status.size.saturating_sub(status.available);
            PoolUse { name, size: status.max_size, in_use, waiting: status.waiting }
        });
        used.into()
    }

    /// A connection of its own, without the pool's timeouts; it closes when dropped.
    pub(super) async fn alone(&self) -> ConnectionResult<AsyncPgConnection> {
        open(Arc::clone(&self.opener), Session::Alone).await
    }

    /// Runs blocking work beside the connections.
    pub(super) fn spawn_blocking<R: Send + 'static>(&self, work: impl FnOnce() -> R + Send + 'static) -> JoinHandle<R> {
        self.opener.runtime.spawn_blocking(work)
    }
}

fn pool(opener: &Arc<Opener>, size: usize, session: Session) -> Result<Pool<AsyncPgConnection>, ConnectError> {
    if size == 0 {
        return Err(ConnectError::EmptyPool);
    }
    let mut manager = ManagerConfig::default();
    // No round trip: a connection that is known to be closed is dropped without asking the server.
    manager.recycling_method = RecyclingMethod::Fast;
    let for_setup = Arc::clone(opener);
    manager.custom_setup = Box::new(move |_| open(Arc::clone(&for_setup), session).boxed());
    let timeout = Some(opener.config.acquire_timeout);
    Pool::builder(AsyncDieselConnectionManager::new_with_config("", manager))
        .max_size(size)
        // The session that was used last has everything at hand: few work, the others rest.
        .queue_mode(QueueMode::Lifo)
        .runtime(Runtime::Tokio1)
        .wait_timeout(timeout)
        .create_timeout(timeout)
        .recycle_timeout(timeout)
        .build()
        .map_err(ConnectError::Pool)
}

#[derive(Clone, Copy)]
enum Session {
    Main,
    Claims,
    Alone,
}

/// Opens a connection on the main runtime: the socket belongs to the runtime that opens it, and a
/// caller's runtime may be one busy thread.
async fn open(opener: Arc<Opener>, session: Session) -> ConnectionResult<AsyncPgConnection> {
    let runtime = opener.runtime.clone();
    let opening = async move {
        let (client, connection) = connect(&opener).await.map_err(|error| bad(&error))?;
        // It ends by itself when the client is dropped or the server goes away; the client's own
        // calls then tell of it.
        let driver = async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection to PostgreSQL ended");
            }
        };
        drop(spawn(&opener.runtime, driver));
        let mut connection = AsyncPgConnection::try_from(client).await?;
        // A LIMIT that is a parameter would have the server plan each claim anew, at half the rate.
        let plans = match session {
            Session::Main => Some("auto"),
            Session::Claims => Some("force_generic_plan"),
            Session::Alone => None,
        };
        if let Some(plans) = plans {
            prepare(&mut connection, &opener.config, plans)
                .await
                .map_err(ConnectionError::CouldntSetupConfiguration)?;
        }
        Ok(connection)
    };
    let opened = spawn(&runtime, async move { tokio::time::timeout(CONNECT_TIMEOUT, opening).await });
    match opened.await {
        Ok(Ok(connection)) => connection,
        Ok(Err(_)) => Err(ConnectionError::BadConnection("PostgreSQL did not answer in time".into())),
        Err(_) => Err(ConnectionError::BadConnection("the runtime is shutting down".into())),
    }
}

/// What moves the bytes of a connection until it ends.
type Driver = BoxFuture<'static, Result<(), tokio_postgres::Error>>;

async fn connect(opener: &Opener) -> Result<(Client, Driver), tokio_postgres::Error> {
    if let Some(tls) = &opener.tls {
        match opener.target.connect(tls.clone()).await {
            Ok((client, connection)) => return Ok((client, connection.boxed())),
            // A server may offer TLS and then not be able to: preferred is not required.
            Err(error) if error.as_db_error().is_none() && opener.target.get_ssl_mode() == SslMode::Prefer => {}
            Err(error) => return Err(error),
        }
    }
    let (client, connection) = opener.target.connect(NoTls).await?;
    Ok((client, connection.boxed()))
}

/// Connections end with their client, not at shutdown, so the supervised runner is not for them.
fn spawn<F>(runtime: &Handle, future: F) -> JoinHandle<F::Output>
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    runtime.spawn(future)
}

async fn prepare(connection: &mut AsyncPgConnection, config: &PostgresConfig, plans: &str) -> QueryResult<()> {
    let millis = |timeout: Duration| timeout.as_millis().to_string();
    Sql(include_str!("sql/session.sql"))
        .bind::<Text, _>(millis(config.statement_timeout))
        .bind::<Text, _>(millis(config.lock_timeout))
        .bind::<Text, _>(millis(config.idle_in_transaction_timeout))
        .bind::<Text, _>(plans)
        .execute(connection)
        .await
        .map(|_| ())
}

/// The client's error with its causes; it names host and user at most.
fn bad(error: &tokio_postgres::Error) -> ConnectionError {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    ConnectionError::BadConnection(text)
}
