//! The real executable, run as a user runs it.

mod agent;
#[cfg(unix)]
mod chain;
mod client;
mod costs;
#[cfg(unix)]
mod coverage;
#[cfg(unix)]
mod crowd;
mod demo;
mod disk;
mod docs;
mod epidemics;
mod files;
mod fleet;
mod help;
mod keys;
mod liveness;
mod owned;
#[path = "../../../agent/tests/it/papers.rs"]
mod papers;
mod partition;
mod paths;
mod process;
#[cfg(unix)]
mod ring;
mod sim_cluster;
mod sim_epidemic;
mod sim_exchange;
mod sim_graph;
mod sim_lifeguard;
mod sim_replay;
#[cfg(unix)]
mod tls;
#[cfg(target_os = "linux")]
mod tour;
mod wire;
mod world;
