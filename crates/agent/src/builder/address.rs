//! The addresses of a new node: those to join by, and the one that others are told.

use crate::error::StartError;
use crate::reach::advertisable;
use crate::seeds::{Name, Seed, Seeker};
use std::net::SocketAddr;
use tokio::net::TcpListener;

/// The members to join by: addresses, and names to look up.
pub(super) fn seeds(join: &[String]) -> Result<(Vec<SocketAddr>, Vec<Name>), StartError> {
    let (mut addresses, mut names) = (Vec::new(), Vec::new());
    for text in join {
        match text.parse().map_err(StartError::Other)? {
            Seed::Address(addr) => addresses.push(addr),
            Seed::Name(name) => names.push(name),
        }
    }
    Ok((addresses, names))
}

/// The address that others are told of a node that listens. Where it has to be found out by which
/// interface the members to join by are reached, names are looked up for the first time.
pub(super) async fn told(
    listener: &TcpListener,
    wanted: (SocketAddr, Option<SocketAddr>),
    seeds: &[SocketAddr],
    seeker: &mut Seeker,
) -> Result<SocketAddr, StartError> {
    let (gossip, advertise) = wanted;
    let error = |source| StartError::Bind { what: "gossip", addr: gossip, source };
    let bound = listener.local_addr().map_err(error)?;
    let mut routes = seeds.to_vec();
    if bound.ip().is_unspecified() && advertise.is_none() && routes.is_empty() {
        seeker.look_up().await;
        routes = seeker.addresses();
        routes.extend(seeker.has_names().then(|| anywhere(bound)));
    }
    advertised(bound, advertise, &routes)
}

/// An address that is nobody's, behind whatever leads to the rest of the world.
fn anywhere(bound: SocketAddr) -> SocketAddr {
    match bound {
        SocketAddr::V4(_) => SocketAddr::from(([192, 0, 2, 1], 9)),
        SocketAddr::V6(_) => SocketAddr::from(([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1], 9)),
    }
}

/// The address that others are told. One that is bound to every interface names none, so the one
/// by which the first seed is reached is taken.
fn advertised(
    bound: SocketAddr,
    wanted: Option<SocketAddr>,
    seeds: &[SocketAddr],
) -> Result<SocketAddr, StartError> {
    if let Some(mut wanted) = wanted {
        advertisable(wanted).map_err(StartError::Other)?;
        if wanted.port() == 0 {
            wanted.set_port(bound.port());
        }
        return Ok(wanted);
    }
    if !bound.ip().is_unspecified() {
        return Ok(bound);
    }
    let route = |seed: &SocketAddr| {
        // Connecting a datagram socket sends nothing; it chooses the interface.
        let socket = std::net::UdpSocket::bind(SocketAddr::new(bound.ip(), 0)).ok()?;
        socket.connect(seed).ok()?;
        socket.local_addr().ok().map(|local| SocketAddr::new(local.ip(), bound.port()))
    };
    seeds.iter().find_map(route).ok_or_else(|| {
        StartError::Other(format!(
            "{bound} is every interface at once: say with --advertise ADDR at which address \
             others reach this node"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_can_reach_is_not_told_to_others() {
        let bound: SocketAddr = "127.0.0.1:7400".parse().unwrap();
        let told = |text: &str| advertised(bound, Some(text.parse().unwrap()), &[]);
        for bad in [
            "0.0.0.0:7400",
            "[::]:7400",
            "224.0.0.1:7400",
            "239.255.0.1:7400",
            "[ff02::1]:7400",
            "255.255.255.255:7400",
            "[::ffff:0.0.0.0]:7400",
            "0.1.2.3:7400",
        ] {
            let error = told(bad).unwrap_err().to_string();
            assert!(error.starts_with("nobody can reach a node at "), "{bad}: {error}");
        }
        for (good, expected) in [
            ("10.0.0.7:7400", "10.0.0.7:7400"),
            ("[fe80::1]:7400", "[fe80::1]:7400"),
            // The port that was bound.
            ("10.0.0.7:0", "10.0.0.7:7400"),
        ] {
            assert_eq!(told(good).unwrap().to_string(), expected);
        }
    }
}
