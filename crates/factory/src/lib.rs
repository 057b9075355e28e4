//! Wires everything: configuration → adapters → services → listeners and background loops.
//!
//! Deliberately absent: rules, SQL, routes. What can be chosen is chosen here.

mod app;
mod banner;
mod cli;
mod clock;
mod config;
mod drop_in;
mod error;
mod keys_cli;
mod logging;
mod output;
mod shutdown;
mod wiring;

pub use app::Application;
pub use cli::{Arguments, Command, execute};
pub use config::Settings;
pub use error::StartError;
pub use keys_cli::KeysCommand;
