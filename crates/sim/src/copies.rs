//! Copies of disks, made to be put back later.

use crate::disk::Disk;
use crate::ledger::Snapshot;
use rumormill_core::NodeId;

/// A copy of a node's disk.
#[derive(Clone, Debug)]
pub struct Copied {
    pub(crate) id: NodeId,
    pub(crate) disk: Disk,
    pub(crate) kept: Vec<u8>,
    pub(crate) held: Snapshot,
}

/// What a disk held of the members at some time, and whose it was.
#[derive(Clone, Debug)]
pub struct Backup {
    pub(crate) id: NodeId,
    pub(crate) disk: Disk,
}
