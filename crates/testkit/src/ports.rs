//! Ports of tests: free ones, and none.

/// A loopback port that nothing listens on at the moment.
pub fn free() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Environment of an instance that serves no drop-in API: in development mode each would take a
/// fixed port.
pub const NO_DROP_INS: [(&str, &str); 4] = [
    ("TASK_REPOSITORY_PORT", "none"),
    ("TASK_MANAGEMENT_PORT", "none"),
    ("SEEDCORE_PORT", "none"),
    ("TASK_TRACKER_PORT", "none"),
];
