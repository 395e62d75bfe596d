//! Stub.
use super::record::State;
use crate::base::id::NodeId;
use std::net::SocketAddr;
use std::sync::Arc;
/// A member.
#[derive(Clone, Debug)]
pub struct Member {
    /// Who.
    pub id: NodeId,
    /// State.
    pub state: State,
    /// Address.
    pub gossip: SocketAddr,
    /// The roster entry.
    pub entry: Arc<crate::data::Entry>,
}
/// Table.
#[derive(Debug, Default)]
pub struct Table;
