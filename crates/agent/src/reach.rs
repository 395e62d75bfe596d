//! Addresses that no other node can reach.

use std::net::{IpAddr, SocketAddr};

/// Refuses what no other node can reach: members that were told such an address would hear of a node
/// that they can never answer. Port 0 stands for the bound one.
pub(crate) fn advertisable(addr: SocketAddr) -> Result<(), String> {
    let Some(what) = unreachable(addr.ip()) else { return Ok(()) };
    Err(format!(
        "nobody can reach a node at {addr}, {what}: name the address of one interface of this \
         machine, or of what forwards to it"
    ))
}

/// What an address is that is no single node's.
pub(crate) fn unreachable(ip: IpAddr) -> Option<&'static str> {
    match ip.to_canonical() {
        ip if ip.is_unspecified() => Some("every address at once"),
        ip if ip.is_multicast() => Some("a multicast group"),
        IpAddr::V4(ip) if ip.is_broadcast() => Some("the broadcast address"),
        // RFC 1122: "this network", which routers do not carry.
        IpAddr::V4(ip) if ip.octets()[0] == 0 => Some("an address of no machine"),
        _ => None,
    }
}
