//! `rumormill sim`.

mod cluster;
mod draw;
mod epidemic;
mod exchange;
mod fuzz;
mod graph;
mod lifeguard;
mod memory;
mod network;
mod plan;
mod replay;
mod sweep;
mod trace_file;
mod watched;

use crate::args::{Format, SimCommand};

pub fn run(command: &SimCommand, format: Format) -> anyhow::Result<()> {
    match command {
        SimCommand::Epidemic(args) => epidemic::run(args, format),
        SimCommand::Sweep(args) => sweep::run(args, format),
        SimCommand::Graph(args) => graph::run(args, format),
        SimCommand::Cluster(args) => cluster::run(args, format),
        SimCommand::Fuzz(args) => fuzz::run(args, format),
        SimCommand::Replay(args) => replay::run(args, format),
        SimCommand::Plan(args) => plan::run(args, format),
        SimCommand::Exchange(args) => exchange::run(args, format),
        SimCommand::Lifeguard(args) => lifeguard::run(args, format),
    }
}
