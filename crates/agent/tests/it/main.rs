//! Integration tests of the agent, in one binary.

mod http;
