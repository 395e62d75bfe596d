//! The real executable, run as a user runs it.

mod agent;
mod client;
mod demo;
mod disk;
mod files;
mod fleet;
mod help;
mod partition;
mod process;
mod wire;
mod world;
