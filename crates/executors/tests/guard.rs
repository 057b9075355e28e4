//! The guarded client against what people try, and against servers that misbehave.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic where it stands")]

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use http::{HeaderMap, Method};
use task_executors::{GuardError, GuardedClient, Lookup, Outbound, OutboundPolicy};
use tokio::io::AsyncWriteExt;
use wiremock::matchers::{header, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

/// Answers each look-up with the next of its lists, the last one for ever.
struct Scripted {
    answers: Vec<Vec<IpAddr>>,
    asked: AtomicUsize,
}

#[async_trait]
impl Lookup for Scripted {
    async fn lookup(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        let n = self.asked.fetch_add(1, Ordering::SeqCst).min(self.answers.len() - 1);
        Ok(self.answers[n].clone())
    }
}

fn resolving(answers: &[&[&str]]) -> Arc<Scripted> {
    let answers = answers.iter().map(|list| list.iter().map(|ip| ip.parse().unwrap()).collect()).collect();
    Arc::new(Scripted { answers, asked: AtomicUsize::new(0) })
}

fn get(url: &str) -> Outbound {
    Outbound { method: Method::GET, url: url.into(), headers: HeaderMap::new(), body: None, timeout: None }
}

/// http and any port, but only public addresses.
fn public_only() -> OutboundPolicy {
    OutboundPolicy { allow_http: true, allowed_ports: Vec::new(), ..OutboundPolicy::strict() }
}

fn local() -> GuardedClient {
    GuardedClient::new(OutboundPolicy::development(), resolving(&[&["127.0.0.1"]])).unwrap()
}

const HOSTILE_LITERALS: &[&str] = &[
    "http://127.0.0.1/",
    "http://127.1/",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0177.0.0.1/",
    "http://0x7f.1/",
    "http://127.0.0.1:22/",
    "http://127.255.255.254/",
    "http://0.0.0.0/",
    "http://0/",
    "http://10.0.0.1/",
    "http://10.255.255.255/",
    "http://172.16.0.1/",
    "http://172.31.255.255/",
    "http://192.168.0.1/",
    "http://192.168.1.1:8080/",
    "http://169.254.169.254/latest/meta-data/",
    "http://2852039166/",
    "http://0xa9fea9fe/",
    "http://100.64.0.1/",
    "http://100.127.255.255/",
    "http://192.0.0.1/",
    "http://192.0.2.1/",
    "http://192.88.99.1/",
    "http://198.18.0.1/",
    "http://198.19.255.255/",
    "http://198.51.100.1/",
    "http://203.0.113.1/",
    "http://224.0.0.1/",
    "http://239.255.255.250/",
    "http://240.0.0.1/",
    "http://255.255.255.255/",
    "http://[::1]/",
    "http://[::]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://[::ffff:10.0.0.1]/",
    "http://[::ffff:8.8.8.8]/",
    "http://[::127.0.0.1]/",
    "http://[fe80::1]/",
    "http://[fc00::1]/",
    "http://[fd12:3456::1]/",
    "http://[fec0::1]/",
    "http://[ff02::1]/",
    "http://[2001:db8::1]/",
    "http://[2001::1]/",
    "http://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/",
    "http://[2002:7f00:1::]/",
    "http://[64:ff9b::7f00:1]/",
    "http://[64:ff9b:1::a00:1]/",
    "http://[100::1]/",
    "http://[3fff::1]/",
    "http://[5f00::1]/",
    "http://\u{ff11}27.0.0.1/",
    "http://127\u{3002}0.0.1/",
    "http://①②⑦.0.0.1/",
];

#[tokio::test]
async fn no_literal_of_a_private_address_is_called() {
    let client = GuardedClient::new(public_only(), resolving(&[&["127.0.0.1"]])).unwrap();
    for url in HOSTILE_LITERALS {
        let error = client.call(get(url)).await.unwrap_err();
        assert!(matches!(error, GuardError::BlockedAddress(_)), "{url}: {error:?}");
    }
}

#[tokio::test]
async fn no_name_of_a_private_address_is_called() {
    for (name, addresses) in [
        ("http://localhost/", &["127.0.0.1"][..]),
        ("http://localhost6/", &["::1"]),
        ("http://metadata.google.internal/", &["169.254.169.254"]),
        ("http://127.0.0.1.nip.io/", &["127.0.0.1"]),
        ("http://one.good.one.bad/", &["93.184.216.34", "10.0.0.1"]),
        ("http://mapped.example/", &["::ffff:192.168.0.1"]),
        ("http://nat64.example/", &["64:ff9b::a00:1"]),
    ] {
        let client = GuardedClient::new(public_only(), resolving(&[addresses])).unwrap();
        let error = client.call(get(name)).await.unwrap_err();
        assert!(matches!(error, GuardError::BlockedAddress(_)), "{name}: {error:?}");
    }
}

#[tokio::test]
async fn other_schemes_ports_and_user_names_are_refused() {
    let client = GuardedClient::new(OutboundPolicy::strict(), resolving(&[&["93.184.216.34"]])).unwrap();
    for (url, code) in [
        ("http://example.com/", "blocked_scheme"),
        ("ftp://example.com/", "blocked_scheme"),
        ("file:///etc/passwd", "blocked_scheme"),
        ("gopher://127.0.0.1:6379/_", "blocked_scheme"),
        ("data:text/plain,hi", "blocked_scheme"),
        ("javascript:alert(1)", "blocked_scheme"),
        ("https://example.com:22/", "blocked_port"),
        ("https://example.com:6379/", "blocked_port"),
        ("https://user@example.com/", "userinfo_not_allowed"),
        ("https://user:pass@example.com/", "userinfo_not_allowed"),
        ("https://:pass@example.com/", "userinfo_not_allowed"),
        ("https://example.com@127.0.0.1/", "userinfo_not_allowed"),
        ("https://", "invalid_url"),
        ("//example.com/", "invalid_url"),
        ("example.com", "invalid_url"),
        ("https://exa mple.com/", "invalid_url"),
        ("https://[::1/", "invalid_url"),
        ("https://256.256.256.256/", "invalid_url"),
        ("", "invalid_url"),
    ] {
        assert_eq!(client.call(get(url)).await.unwrap_err().code(), code, "{url}");
    }
}

#[tokio::test]
async fn a_name_that_changes_its_mind_is_never_connected_to_unchecked() {
    let server = MockServer::start().await;
    Mock::given(method("GET")).respond_with(ResponseTemplate::new(200)).expect(0).mount(&server).await;
    // Documentation space passes no check; so the first answer is public but unreachable in time.
    let lookup = resolving(&[&["93.184.216.34"], &["127.0.0.1"]]);
    let client =
        GuardedClient::new(OutboundPolicy { timeout: Duration::from_millis(300), ..public_only() }, lookup).unwrap();
    let url = format!("http://rebind.example:{}/", server.address().port());
    let first = client.call(get(&url)).await.unwrap_err();
    assert!(matches!(first, GuardError::Timeout(_) | GuardError::ConnectFailed(_)), "{first:?}");
    let second = client.call(get(&url)).await.unwrap_err();
    assert!(matches!(second, GuardError::BlockedAddress(_)), "{second:?}");
}

#[tokio::test]
async fn a_redirect_is_checked_from_the_start() {
    let server = MockServer::start().await;
    for (from, to) in [
        ("/private", "http://10.0.0.1/"),
        ("/metadata", "http://169.254.169.254/"),
        ("/file", "file:///etc/passwd"),
        ("/user", "http://u@127.0.0.1/"),
    ] {
        Mock::given(path(from))
            .respond_with(ResponseTemplate::new(302).insert_header("Location", to))
            .mount(&server)
            .await;
    }
    for (from, code) in [
        ("/private", "blocked_address"),
        ("/metadata", "blocked_address"),
        ("/file", "blocked_scheme"),
        ("/user", "userinfo_not_allowed"),
    ] {
        assert_eq!(local().call(get(&format!("{}{from}", server.uri()))).await.unwrap_err().code(), code, "{from}");
    }
}

#[tokio::test]
async fn redirects_end_and_lose_what_was_meant_for_another() {
    let (server, other) = (MockServer::start().await, MockServer::start().await);
    Mock::given(path("/loop"))
        .respond_with(ResponseTemplate::new(302).insert_header("Location", "/loop"))
        .expect(4)
        .mount(&server)
        .await;
    assert_eq!(
        local().call(get(&format!("{}/loop", server.uri()))).await.unwrap_err(),
        GuardError::TooManyRedirects(3)
    );

    Mock::given(path("/away"))
        .respond_with(ResponseTemplate::new(307).insert_header("Location", format!("{}/here", other.uri()).as_str()))
        .mount(&server)
        .await;
    for secret in ["authorization", "x-api-key"] {
        Mock::given(path("/here"))
            .and(header(secret, "Bearer secret"))
            .respond_with(ResponseTemplate::new(500))
            .expect(0)
            .mount(&other)
            .await;
    }
    Mock::given(path("/here"))
        .and(method("POST"))
        .and(header("content-type", "text/plain"))
        .respond_with(ResponseTemplate::new(200).set_body_string("arrived"))
        .expect(1)
        .mount(&other)
        .await;
    let mut call = get(&format!("{}/away", server.uri()));
    call.method = Method::POST;
    call.body = Some("body".into());
    for (name, value) in
        [("authorization", "Bearer secret"), ("x-api-key", "Bearer secret"), ("content-type", "text/plain")]
    {
        call.headers.insert(name, value.parse().unwrap());
    }
    assert_eq!(local().call(call).await.unwrap().body, "arrived");
}

#[tokio::test]
async fn an_answer_is_bounded_in_size_and_time() {
    let server = MockServer::start().await;
    Mock::given(path("/large"))
        .respond_with(ResponseTemplate::new(200).set_body_bytes(vec![b'x'; 2 * 1024 * 1024]))
        .mount(&server)
        .await;
    Mock::given(path("/slow"))
        .respond_with(ResponseTemplate::new(200).set_delay(Duration::from_secs(60)))
        .mount(&server)
        .await;
    assert_eq!(
        local().call(get(&format!("{}/large", server.uri()))).await.unwrap_err(),
        GuardError::ResponseTooLarge(1024 * 1024)
    );
    let mut slow = get(&format!("{}/slow", server.uri()));
    slow.timeout = Some(Duration::from_millis(100));
    assert_eq!(local().call(slow).await.unwrap_err(), GuardError::Timeout(100));
}

#[tokio::test]
async fn garbage_is_an_error_and_not_a_crash() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let serve = async {
        let (mut socket, _) = listener.accept().await.unwrap();
        socket.write_all(b"\x00\xff not http at all\r\n\r\n").await.unwrap();
    };
    let client = local();
    let (answer, ()) = tokio::join!(client.call(get(&url)), serve);
    assert_eq!(answer.unwrap_err().code(), "connect_failed");
}
