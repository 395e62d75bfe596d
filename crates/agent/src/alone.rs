//! Watches whether a node that is to join others finds any; says so if not, and why that may be.
//!
//! A datagram that nobody answers tells nothing. A stream tells more: whether anything listens there,
//! and whether it takes this node's greeting. Whoever refuses one says nothing but that.

use crate::command::Command;
use crate::frame;
use crate::report::{Alone, SeedTried};
use crate::seal::{Lock, stream as sealed};
use crate::snapshot::Snapshot;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

/// A node that has met nobody for so long says so: seeds are tried every two seconds (guess).
const FIRST: Duration = Duration::from_secs(5);
/// The pauses until it is said again grow up to this.
const LONGEST: Duration = Duration::from_secs(300);
/// How often it is looked whether somebody was met.
const STEP: Duration = Duration::from_millis(250);
/// How long a seed may take to answer by stream.
const PATIENCE: Duration = Duration::from_secs(2);
/// Seeds that are asked by stream at most.
const MAX_ASKED: usize = 16;

/// Watches one node.
pub(crate) struct Lonely {
    /// The addresses to join by that were given; those of names are in the snapshot.
    pub(crate) seeds: Vec<SocketAddr>,
    pub(crate) own: SocketAddr,
    /// What greetings of this cluster carry.
    pub(crate) tag: u32,
    pub(crate) lock: Option<Arc<Lock>>,
    pub(crate) snapshot: Arc<Snapshot>,
}

impl Lonely {
    /// Goes on until the node has met somebody, or has stopped.
    pub(crate) async fn run(self, commands: mpsc::WeakSender<Command>) {
        let mut pause = FIRST;
        loop {
            let until = Instant::now() + pause;
            while Instant::now() < until {
                tokio::time::sleep_until(until.min(Instant::now() + STEP)).await;
                if commands.upgrade().is_none_or(|commands| commands.is_closed()) {
                    return;
                }
                if self.has_company() {
                    return self.tell(None);
                }
            }
            let found = self.look().await;
            if self.has_company() {
                return self.tell(None);
            }
            self.tell(found);
            pause = (pause * 2).min(LONGEST);
        }
    }

    fn has_company(&self) -> bool {
        let members = self.snapshot.members.read().unwrap_or_else(PoisonError::into_inner);
        members.iter().any(|member| !member.is_self)
    }

    /// Says how it stands: `None` if somebody was met.
    fn tell(&self, alone: Option<Alone>) {
        let mut told = self.snapshot.alone.lock().unwrap_or_else(PoisonError::into_inner);
        match &alone {
            Some(alone) => tracing::warn!("{}", alone.warning()),
            None if told.is_some() => tracing::info!("no longer alone: a member has answered"),
            None => {}
        }
        *told = alone;
    }

    /// Asks the seeds; `None` if there are none but this node itself.
    async fn look(&self) -> Option<Alone> {
        let mut seeds = self.seeds.clone();
        let mut nameless = 0;
        for name in self.snapshot.seeds.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            nameless += u64::from(name.addresses.is_empty());
            seeds.extend(&name.addresses);
        }
        seeds.sort_unstable();
        seeds.dedup();
        seeds.retain(|seed| *seed != self.own);
        let count = seeds.len() as u64 + nameless;
        if count == 0 {
            return None;
        }
        let mut asking = JoinSet::new();
        for address in seeds.into_iter().take(MAX_ASKED) {
            asking.spawn(ask(address, self.own, self.tag, self.lock.clone()));
        }
        let mut tried = asking.join_all().await;
        tried.sort_unstable_by_key(|tried| tried.address);
        Some(Alone { seeds: count, nameless, tried })
    }
}

/// Finds out by a stream what is at a seed that does not answer datagrams.
pub(crate) async fn ask(
    address: SocketAddr,
    own: SocketAddr,
    tag: u32,
    lock: Option<Arc<Lock>>,
) -> SeedTried {
    let found = match timeout(PATIENCE, TcpStream::connect(address)).await {
        Err(_) => "silent",
        Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => "refused",
        Ok(Err(_)) => "silent",
        Ok(Ok(mut stream)) => match greeted(&mut stream, own, tag, lock).await {
            true => "stream-only",
            false => "stranger",
        },
    };
    SeedTried { address, found: found.into() }
}

/// True if the other end takes this node's greeting.
async fn greeted(
    stream: &mut TcpStream,
    own: SocketAddr,
    tag: u32,
    lock: Option<Arc<Lock>>,
) -> bool {
    if let Some(lock) = lock.filter(|lock| lock.mode.seals()) {
        let ring = lock.ring();
        let Some(key) = ring.keys().first() else { return false };
        return matches!(
            timeout(PATIENCE, sealed::dial(stream, key, lock.own, own)).await,
            Ok(Ok(_))
        );
    }
    if frame::greet(stream, tag, own).await.is_err() {
        return false;
    }
    // Whoever takes a plain greeting waits for more, and whoever does not hangs up.
    let mut first = [0];
    !matches!(timeout(PATIENCE / 2, stream.read(&mut first)).await, Ok(Ok(0) | Err(_)))
}
