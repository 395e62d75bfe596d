//! The roster goes with the token where no anti-entropy compares it.
//!
//! At each visit a member tells who gave it the token, and who began the pass, what its roster is,
//! and the two exchange what differs. So what is known at one end of a hop is soon known at the
//! other; who began the pass gathers on the first lap what others know and hands it out on the
//! second; and if it is refused, since it has not heard of a member or of the pass before, it hears
//! of that now and the next pass is not. Who says that it waits for the next member is told as well:
//! that one may have said goodbye to others.

use super::{Message, SIEVE, Stage};
use crate::data::Digest;
use crate::member::Table;
use crate::output::{Class, Via};
use crate::wire::{Origin, Outbox, kind};
use std::net::SocketAddr;

/// With whom a member compares its roster when a message comes.
pub fn compared_with(
    message: &Message,
    from: &Origin,
    table: &Table,
) -> impl Iterator<Item = SocketAddr> + use<> {
    let (token, waits) = match message {
        Message::Token(token) => (Some(token), false),
        Message::Progress(progress) => (None, progress.stage == Stage::Waiting),
        _ => (None, false),
    };
    let by = token.filter(|token| token.hop != SIEVE).map(|token| token.pass.by);
    let by = by.filter(|by| *by != table.own() && *by != from.peer);
    let by = by.and_then(|by| table.get(by)).map(|member| member.gossip());
    let giver = (token.is_some() || waits).then_some(from.address);
    giver.into_iter().chain(by)
}

/// Tells what this node's roster is.
pub fn tell(to: SocketAddr, roster: Digest, outbox: &mut Outbox) {
    let mut body = Vec::with_capacity(24);
    roster.encode(&mut body);
    outbox.push(to, Class::Repair, Via::Datagram, kind::RING_ROSTER, &[&body]);
}
