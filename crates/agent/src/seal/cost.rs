//! What sealing costs on this machine; see `examples/seal_cost.rs`.

use super::cluster::ClusterRing;
use super::datagram::{Opener, Sealer};
use super::key::Key;
use super::ring::KeyRing;
use super::stream;
use rumormill_core::NodeId;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::AsyncReadExt as _;

/// Seals and opens so many datagrams of so many bytes; the time for one. `None` if one did not open.
#[must_use]
pub fn datagram(len: usize, rounds: u32) -> Option<(Duration, Duration)> {
    let ring = ClusterRing::new(KeyRing::new(Key::generate()), "cost");
    let key = ring.keys().first()?;
    let (mut sealer, mut opener) = (Sealer::default(), Opener::default());
    let plain = vec![7; len];
    let mut sealed = Vec::new();
    let start = Instant::now();
    for _ in 0..rounds {
        sealer.seal(key, std::hint::black_box(&plain))?;
    }
    let sealing = start.elapsed();
    let mut opening = Duration::ZERO;
    for _ in 0..rounds.div_ceil(1000) {
        sealed.clear();
        for _ in 0..1000 {
            sealed.push(sealer.seal(key, &plain)?.to_vec());
        }
        let start = Instant::now();
        for datagram in &sealed {
            opener.open(&ring, std::hint::black_box(datagram)).ok()?;
        }
        opening += start.elapsed();
    }
    Some((sealing / rounds, opening / (rounds.div_ceil(1000) * 1000)))
}

/// Handshakes of streams, both ends in one task; the time for one.
///
/// # Errors
/// If one fails.
pub async fn handshake(rounds: u32) -> std::io::Result<Duration> {
    let ring = ClusterRing::new(KeyRing::new(Key::generate()), "cost");
    let key = ring.keys().first().ok_or(std::io::ErrorKind::NotFound)?;
    let addr = SocketAddr::from(([127, 0, 0, 1], 1));
    let start = Instant::now();
    for _ in 0..rounds {
        let (mut near, mut far) = tokio::io::duplex(1 << 16);
        let answer = async {
            far.read_exact(&mut [0; 4]).await?;
            let answered = stream::answer(&mut far, &ring, NodeId(2)).await;
            answered.map_err(|_| std::io::Error::from(std::io::ErrorKind::InvalidData))
        };
        tokio::try_join!(stream::dial(&mut near, key, NodeId(1), addr), answer)?;
    }
    Ok(start.elapsed() / rounds)
}
