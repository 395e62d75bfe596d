//! Arguments of the simulators, one file for each.

mod cluster;
mod draw;
mod epidemic;
mod exchange;
mod fuzz;
mod graph;
mod lifeguard;
mod plan;
mod point;
mod replay;
mod seeds;
mod settings;
mod sweep;
mod topology;
mod trials;

pub use cluster::{Begin, ClusterArgs, ConfigArgs, Hop, LoadArgs, NetworkArgs};
pub use draw::DrawArgs;
pub use epidemic::EpidemicArgs;
pub use exchange::ExchangeArgs;
pub use fuzz::FuzzArgs;
pub use graph::GraphArgs;
pub use lifeguard::LifeguardArgs;
pub use plan::PlanArgs;
pub use point::PointArgs;
pub use replay::{Kinds, ReplayArgs};
pub use seeds::Seeds;
pub use settings::{MethodArg, SettingsArgs};
pub use sweep::SweepArgs;
pub use topology::{Name, Source, TopologyArgs};

use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub enum SimCommand {
    /// Let news spread among up to a hundred million nodes, round by round.
    Epidemic(Box<EpidemicArgs>),
    /// Run a grid of epidemics and compare them.
    Sweep(Box<SweepArgs>),
    /// Show how far apart the nodes of a network are: six degrees, measured.
    Graph(Box<GraphArgs>),
    /// Run the real protocol on many nodes, in virtual time.
    Cluster(Box<ClusterArgs>),
    /// Look for seeds of faults at which the real protocol breaks a promise.
    Fuzz(Box<FuzzArgs>),
    /// Step through what happened in a run of the real protocol.
    Replay(Box<ReplayArgs>),
    /// Say what a deployment will cost and how fast it will be, before you deploy.
    Plan(Box<PlanArgs>),
    /// Show every message of one exchange between two replicas.
    Exchange(Box<ExchangeArgs>),
    /// Starve some members and count who is held dead for it: Lifeguard's experiment.
    Lifeguard(Box<LifeguardArgs>),
}
