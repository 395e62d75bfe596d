//! Every message has a bound, timers do not spin, and traffic does not build up without end.

use rumormill_core::data::entry::{MAX_KEY, MAX_VALUE};
use rumormill_core::output::Via;
use rumormill_core::{Config, Node};

/// Ticks of one node at one point in time, at most. A node does with one what is due.
pub(crate) const MAX_TICKS: u32 = 1000;

/// Checks a packet that a node sends.
pub(crate) fn sent(config: &Config, via: Via, len: usize) -> Result<(), String> {
    let bound = match via {
        Via::Datagram => config.limits.datagram,
        // A piece holds at least one entry, however large, and a little framing.
        Via::Stream => config.repair.piece_bytes + MAX_KEY + MAX_VALUE + 4096,
    };
    match len <= bound {
        true => Ok(()),
        false => Err(format!("sends a {via:?} packet of {len} bytes, over the bound of {bound}")),
    }
}

/// Checks how often a node was woken at the same point in time.
pub(crate) fn ticked(times: u32) -> Result<(), String> {
    match times <= MAX_TICKS {
        true => Ok(()),
        false => Err(format!(
            "its deadline is still in the past after {MAX_TICKS} ticks at one point in time: a \
             tick must do what is due and move the deadline"
        )),
    }
}

/// Checks how many packets a node has sent within a second.
pub(crate) fn sent_in_a_second(packets: u32, bound: u32) -> Result<(), String> {
    match packets <= bound {
        true => Ok(()),
        false => Err(format!("sends more than {bound} packets in one second")),
    }
}

/// Checks how many packets are on their way.
pub(crate) fn in_flight(packets: usize, bound: usize) -> Result<(), String> {
    match packets <= bound {
        true => Ok(()),
        false => Err(format!("more than {bound} packets are on their way at once")),
    }
}

/// Checks how much a node holds of what is not users' data.
pub(crate) fn held(config: &Config, node: &Node) -> Result<(), String> {
    let members = node.members().count();
    let most = config.limits.max_members.saturating_add(1);
    match members <= most {
        true => Ok(()),
        false => Err(format!("knows {members} members, itself included, of {most} at most")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_inclusive() {
        let config = Config::default();
        let datagram = config.limits.datagram;
        assert!(sent(&config, Via::Datagram, datagram).is_ok());
        assert!(sent(&config, Via::Datagram, datagram + 1).is_err());
        assert!(sent(&config, Via::Stream, datagram + 1).is_ok());
        assert!(sent(&config, Via::Stream, 16 << 20).is_err());
        assert!(ticked(MAX_TICKS).is_ok() && ticked(MAX_TICKS + 1).is_err());
        assert!(sent_in_a_second(5, 5).is_ok() && sent_in_a_second(6, 5).is_err());
        assert!(in_flight(5, 5).is_ok() && in_flight(6, 5).is_err());
    }
}
