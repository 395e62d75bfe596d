//! The real executable, run as a user runs it.

mod agent;
mod client;
mod demo;
mod files;
mod help;
mod process;
