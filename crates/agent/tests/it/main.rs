//! Integration tests of the agent library: real sockets, real folders.

mod clocks;
mod cluster;
mod coverage;
#[cfg(unix)]
mod folders;
// The nodes need a second loopback address.
#[cfg(target_os = "linux")]
mod hostile;
mod http;
#[cfg(target_os = "linux")]
mod keys;
mod loading;
mod members;
mod papers;
mod redis;
mod seeds;
mod strangers;
mod support;
mod tls;
