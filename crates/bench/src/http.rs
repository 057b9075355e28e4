//! HTTP/1.1 over one kept connection: as little work as possible beside the server's.

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::Result;

/// As whom a request is made.
#[derive(Debug, Clone)]
pub enum Who {
    User(String),
    /// A user of this subscription level.
    UserAt(String, &'static str),
    /// The development key.
    Key,
}

impl Who {
    fn headers(&self) -> String {
        match self {
            Self::User(user) => format!("X-User-ID: {user}\r\n"),
            Self::UserAt(user, level) => format!("X-User-ID: {user}\r\nX-Subscription-Level: {level}\r\n"),
            Self::Key => "X-API-Key: dev_api_key\r\n".to_owned(),
        }
    }
}

/// An answer, read whole.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Result<Value> {
        Ok(serde_json::from_slice(&self.body)?)
    }

    /// The body, when the status is one of these.
    pub fn expect(self, allowed: &[u16]) -> Result<Self> {
        if allowed.contains(&self.status) {
            return Ok(self);
        }
        let text: String = String::from_utf8_lossy(&self.body).chars().take(300).collect();
        Err(format!("unexpected status {}: {text}", self.status).into())
    }
}

/// A connection that is kept between requests.
pub struct Connection {
    stream: BufReader<TcpStream>,
    line: String,
}

impl Connection {
    pub async fn open(address: &str) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::with_capacity(64 * 1024, stream), line: String::new() })
    }

    /// One request and its answer.
    pub async fn call(&mut self, method: &str, path: &str, who: &Who, body: Option<&Value>) -> Result<Answer> {
        self.send(method, path, who, body).await?;
        let (status, length) = self.head().await?;
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).await?;
        Ok(Answer { status, body })
    }

    pub async fn post(&mut self, path: &str, who: &Who, body: &Value) -> Result<Answer> {
        self.call("POST", path, who, Some(body)).await
    }

    pub async fn get(&mut self, path: &str, who: &Who) -> Result<Answer> {
        self.call("GET", path, who, None).await
    }

    async fn send(&mut self, method: &str, path: &str, who: &Who, body: Option<&Value>) -> Result<()> {
        let body = body.map(Value::to_string).unwrap_or_default();
        let kind = if body.is_empty() { "" } else { "Content-Type: application/json\r\n" };
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\n{}{kind}Content-Length: {}\r\n\r\n{body}",
            who.headers(),
            body.len()
        );
        Ok(self.stream.get_mut().write_all(request.as_bytes()).await?)
    }

    /// Status and length of the body.
    async fn head(&mut self) -> Result<(u16, usize)> {
        let first = self.line().await?.ok_or("the server closed the connection")?;
        let status = first.split(' ').nth(1).ok_or("no status line")?.parse()?;
        let mut length = 0;
        while let Some(header) = self.line().await?.filter(|header| !header.is_empty()) {
            if let Some((name, value)) = header.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse()?;
            }
        }
        Ok((status, length))
    }

    /// The next line without its end; `None` when the server closed the connection.
    async fn line(&mut self) -> Result<Option<&str>> {
        self.line.clear();
        let read = self.stream.read_line(&mut self.line).await?;
        Ok((read > 0).then(|| self.line.trim_end()))
    }

    /// Opens an event stream: the connection belongs to it from then on.
    pub async fn stream(mut self, path: &str, who: &Who) -> Result<Events> {
        self.send("GET", path, who, None).await?;
        match self.head().await? {
            (200, _) => Ok(Events { connection: self }),
            (status, _) => Err(format!("{path} answers {status}, not a stream").into()),
        }
    }
}

/// An open event stream.
pub struct Events {
    connection: Connection,
}

impl Events {
    /// The `data:` of the next frame. Sizes of chunks and comments are passed over: a frame is
    /// written in one chunk.
    pub async fn next(&mut self) -> Result<String> {
        loop {
            let line = self.connection.line().await?.ok_or("the stream ended")?;
            if let Some(data) = line.strip_prefix("data:") {
                return Ok(data.trim().to_owned());
            }
        }
    }
}
