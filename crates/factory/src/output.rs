//! What commands write for the person who called them.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write};

/// Writes a text and ends its line. That nobody reads on (`… | head`) is no failure.
pub(crate) fn print(text: impl Display) -> io::Result<()> {
    match writeln!(io::stdout().lock(), "{text}") {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}
