//! Counts the statements that a client sends to PostgreSQL.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

/// Stands between a client and the server; everything is passed on as it is.
pub struct Meter {
    url: String,
    statements: Arc<AtomicU64>,
}

impl Meter {
    /// In front of the database that `url` names.
    #[expect(clippy::disallowed_methods, reason = "ends with the test's runtime")]
    pub async fn before(url: &str) -> Self {
        let config: tokio_postgres::Config = url.parse().unwrap();
        let tokio_postgres::config::Host::Tcp(host) = &config.get_hosts()[0] else { panic!("a server on TCP") };
        let target = format!("{host}:{}", config.get_ports().first().copied().unwrap_or(5432));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let own = listener.local_addr().unwrap().to_string();
        let statements = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&statements);
        let url = url.replacen(&target, &own, 1);
        assert!(url.contains(&own), "the URL names host and port");
        // What is encrypted cannot be counted, nor is the question whether it shall be a message.
        let url = format!("{url}{}sslmode=disable", if url.contains('?') { '&' } else { '?' });
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&target).await.unwrap();
                client.set_nodelay(true).unwrap();
                server.set_nodelay(true).unwrap();
                let ((from_client, mut to_client), (mut from_server, to_server)) =
                    (client.into_split(), server.into_split());
                tokio::spawn(count(from_client, to_server, Arc::clone(&counter)));
                tokio::spawn(async move { copy(&mut from_server, &mut to_client).await });
            }
        });
        Self { url, statements }
    }

    /// Of the same database, through here.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Statements so far, `BEGIN` and `COMMIT` among them. Preparing one is none.
    pub fn statements(&self) -> u64 {
        self.statements.load(Ordering::SeqCst)
    }
}

/// Passes messages on and counts those that execute: `Execute` and `Query`.
async fn count(mut client: OwnedReadHalf, mut server: OwnedWriteHalf, counter: Arc<AtomicU64>) -> Option<()> {
    // The first message has no type.
    let mut head = vec![0; 4];
    loop {
        client.read_exact(&mut head).await.ok()?;
        let length = u32::from_be_bytes(head[head.len() - 4..].try_into().ok()?);
        let mut message = head.clone();
        message.resize(head.len() + usize::try_from(length).ok()?.saturating_sub(4), 0);
        client.read_exact(&mut message[head.len()..]).await.ok()?;
        if head.len() == 5 && matches!(head[0], b'E' | b'Q') {
            counter.fetch_add(1, Ordering::SeqCst);
        }
        server.write_all(&message).await.ok()?;
        head.resize(5, 0);
    }
}
