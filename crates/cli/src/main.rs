//! The rumormill command: agent, client, demo. This file only wires.

mod args;
mod client;
mod commands;
mod encoding;
mod environment;
mod failure;
mod line;
mod output;
mod plot;
mod rows;
mod sse;
mod trust;

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = match line::read() {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    let format = cli.format;
    match environment::check(&cli.command).and_then(|()| commands::run(cli)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failure::report(&error, format),
    }
}
