//! The `task-service` program: reads its arguments and hands over to the factory.

use std::process::ExitCode;

use clap::Parser;

/// Requests and events are many small allocations that end on another thread than they began. Without huge
/// pages (its feature `no_thp`), of which each connection would keep more than it uses.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[expect(clippy::print_stderr, reason = "what a person sees when the program does not start")]
fn main() -> ExitCode {
    let arguments = task_factory::Arguments::parse();
    match task_factory::execute(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("task-service: {error}");
            let mut source = std::error::Error::source(&error);
            while let Some(cause) = source {
                eprintln!("  because: {cause}");
                source = cause.source();
            }
            ExitCode::FAILURE
        }
    }
}
