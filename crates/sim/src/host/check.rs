//! What is around a node holds too: whoever has something due is woken for it, and what waits is
//! counted as it is.

use super::Host;
use crate::event::Event;
use crate::packet::Packets;
use rumormill_core::Instant;
use rumormill_core::output::Via;

impl Host {
    /// Checks what must hold at the end of a turn of the node.
    ///
    /// # Errors
    /// What does not.
    pub(crate) fn check(&self, packets: &Packets, now: Instant) -> Result<(), String> {
        let good = |good: bool, what: &dyn Fn() -> String| if good { Ok(()) } else { Err(what()) };
        good(self.wakes.is_sorted_by(|one, next| one > next), &|| {
            format!("wake-ups are not in order: {:?}", self.wakes)
        })?;
        if let Some(due) = self.due {
            let next = self.wakes.last();
            good(next.is_some_and(|next| *next <= due.max(now)), &|| {
                format!("something is due at {due:?}, and the next wake-up is at {next:?}")
            })?;
        }
        let datagram = |event: &Event| match event {
            Event::Packet(slot) => {
                let packet = packets.get(*slot).filter(|packet| packet.via == Via::Datagram);
                packet.map_or(0, |packet| packet.bytes.len())
            }
            _ => 0,
        };
        let waits: usize = self.backlog.iter().map(datagram).sum();
        let counted = self.backlog_bytes;
        good(waits == counted, &|| {
            format!("{waits} bytes wait for the node, {counted} are counted")
        })?;
        let held: usize = self.held_back.iter().map(|send| send.bytes.len()).sum();
        let counted = self.held_bytes;
        good(held <= counted, &|| format!("{held} bytes wait to get out, {counted} are counted"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rumormill_core::NodeId;
    use rumormill_core::member::Tags;

    #[test]
    fn what_is_not_counted_as_it_is_is_found() {
        let mut host = Host::new(0, NodeId(1), Tags::default(), crate::disk::Disk::default());
        let packets = Packets::default();
        let look = |host: &Host| host.check(&packets, Instant(5));
        assert_eq!(look(&host), Ok(()));
        host.wakes = vec![Instant(9), Instant(7)];
        assert_eq!(look(&host), Ok(()));
        host.wakes.push(Instant(8));
        assert!(look(&host).is_err());
        host.wakes.clear();
        host.backlog_bytes = 1;
        assert!(look(&host).is_err());
    }
}
