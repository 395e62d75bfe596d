//! What waits in the queue of a world.

use crate::faults::Forge;

/// What is to happen at some time.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Event {
    /// A node may have something due.
    Wake(u32),
    /// A packet arrives.
    Packet(u32),
    /// A sender learns that a stream is lost.
    StreamLost { from: u32, to: u32, id: u32 },
    /// A node may have handed over all that it had to before it leaves.
    Depart(u32),
    /// A step of a plan.
    Fault(u32),
    /// The next write of a workload.
    Write { load: u32 },
    /// The next packet that strangers have made up.
    Strange { forge: Forge, begun: u32 },
}
