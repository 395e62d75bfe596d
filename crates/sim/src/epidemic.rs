//! The abstract epidemic: news among nodes that are susceptible, infective or removed, in
//! synchronous cycles.
//!
//! No bytes and no clocks here, only who calls whom: the model of Demers et al. 1987 ("Epidemic
//! Algorithms for Replicated Database Maintenance") and of those after them, for up to a hundred
//! million nodes. The real protocol in virtual time is [`crate::World`].

pub mod anatomy;
pub mod bench;
mod check;
mod complex;
mod course;
pub mod distances;
mod down;
pub mod edge_list;
mod gossip;
mod graph;
mod invalid;
mod mail;
mod model;
mod outcome;
mod partners;
mod phone_call;
mod population;
mod ring;
mod run;
mod simple;
pub mod spatial;
mod summary;
mod topology;
mod tree;
mod trial;

pub use distances::Distances;
pub use graph::Graph;
pub use invalid::Invalid;
pub use model::{Contact, Contacts, Method, Model, Stop, Watch};
pub use run::{THREADS, TRIALS, run};
pub use spatial::Spatial;
pub use summary::{Messages, Moments, Round, Sample, Spread, Summary, Traffic};
pub use topology::{Network, Topology, rectangle};
