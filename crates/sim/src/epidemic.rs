//! The abstract epidemic: news among nodes that are susceptible, infective or removed, in
//! synchronous cycles.
//!
//! No bytes and no clocks here, only who calls whom: the model of Demers et al. 1987 ("Epidemic
//! Algorithms for Replicated Database Maintenance") and of those after them, for up to a hundred
//! million nodes. The real protocol in virtual time is [`crate::World`].

pub mod anatomy;
pub mod distances;
pub mod edge_list;
mod graph;
mod model;
pub mod spatial;
mod summary;
mod topology;

pub use distances::Distances;
pub use graph::Graph;
pub use model::{Contact, Invalid, Method, Model, Stop, Watch};
pub use spatial::Spatial;
pub use summary::{Messages, Moments, Round, Summary, Traffic};
pub use topology::{Network, Topology, rectangle};
