//! Parts that are broken on purpose, each beside its sound twin in the same set-up: the checker reports
//! the one and passes the other.

mod cursor_relay;
mod early_publish;
mod late_subscribe;
mod no_token;
mod support;
