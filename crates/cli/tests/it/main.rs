//! The real executable, run as a user runs it.

mod agent;
mod client;
mod demo;
mod docs;
mod files;
mod help;
mod process;
