//! The `task-service` program: reads its arguments and hands over to the factory.

use std::process::ExitCode;

use clap::Parser;

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
