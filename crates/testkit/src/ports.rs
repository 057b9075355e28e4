//! Free ports.

/// A loopback port that nothing listens on at the moment.
pub fn free() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
