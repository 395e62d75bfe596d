//! Integration tests of the agent library: real sockets, real folders.

mod cluster;
mod http;
mod support;
