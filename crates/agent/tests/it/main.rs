//! Tests of the agent from outside, as one program.

mod redis;
