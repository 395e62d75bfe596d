//! What goes over the wire: reading requests, and writing answers and refusals.

pub(super) mod body;
pub(super) mod json;
pub(super) mod problem;
pub(super) mod query;
