//! Why a call was not made, or not answered.

use std::net::IpAddr;

/// A call that failed. The messages are for the task's owner.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GuardError {
    #[error("`{0}` is not a URL that can be called")]
    InvalidUrl(String),
    #[error("URLs must start with https://; the operator can allow http with outbound.allow_http")]
    BlockedScheme,
    #[error("port {0} may not be called; the operator can add it to outbound.allowed_ports")]
    BlockedPort(u16),
    #[error("a URL must not carry a user name or password; send them in a header")]
    UserinfoNotAllowed,
    #[error("{0} is not a public address; the operator can add its network to outbound.allow_networks")]
    BlockedAddress(IpAddr),
    #[error("the host name `{0}` cannot be resolved")]
    UnknownHost(String),
    #[error("more than {0} redirects")]
    TooManyRedirects(usize),
    #[error("the answer is larger than {0} bytes")]
    ResponseTooLarge(usize),
    #[error("no answer within {0} ms")]
    Timeout(u128),
    #[error("the server could not be reached or broke off: {0}")]
    ConnectFailed(String),
}

impl GuardError {
    /// Stable, snake_case.
    pub fn code(&self) -> &'static str {
        match self {
            Self::InvalidUrl(_) => "invalid_url",
            Self::BlockedScheme => "blocked_scheme",
            Self::BlockedPort(_) => "blocked_port",
            Self::UserinfoNotAllowed => "userinfo_not_allowed",
            Self::BlockedAddress(_) => "blocked_address",
            Self::UnknownHost(_) => "unknown_host",
            Self::TooManyRedirects(_) => "too_many_redirects",
            Self::ResponseTooLarge(_) => "response_too_large",
            Self::Timeout(_) => "timeout",
            Self::ConnectFailed(_) => "connect_failed",
        }
    }

    /// Whether another attempt may fare better.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::UnknownHost(_) | Self::Timeout(_) | Self::ConnectFailed(_))
    }
}
