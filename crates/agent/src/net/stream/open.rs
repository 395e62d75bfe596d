//! Opening streams: dialling, accepting, and the greeting either way.

use super::carry::{Opened, run};
use super::link::{Link, Shared, StreamEvent, link, slot};
use crate::frame;
use crate::seal::stream as sealed;
use crate::seal::{ClusterKey, Drop as Dropped, Encryption, KeyId, Lock};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

const CONNECT: Duration = Duration::from_secs(3);
const GREETING: Duration = Duration::from_secs(5);

/// Dials a peer: its link, whose queue is carried once the two have greeted each other.
pub(super) fn dial(
    to: SocketAddr,
    own: SocketAddr,
    tag: u32,
    key: Option<Arc<ClusterKey>>,
    shared: Shared,
) -> Link {
    let (link, queue) = link(&shared, key.as_ref().map(|key| key.id));
    let (number, backlog) = (link.number, Arc::clone(&link.backlog));
    tokio::spawn(async move {
        let ended = async {
            let _slot = slot(&shared.dialled, &shared)?;
            let mut stream = timeout(CONNECT, TcpStream::connect(to)).await??;
            stream.set_nodelay(true)?;
            let opened = match (&key, &shared.lock) {
                (Some(key), Some(lock)) => {
                    let handshake = sealed::dial(&mut stream, key, lock.own, own);
                    Opened::sealed(timeout(GREETING, handshake).await??, stream)
                }
                _ => {
                    frame::greet(&mut stream, tag, own).await?;
                    Opened::plain(stream)
                }
            };
            run(opened, to, queue, &shared).await
        };
        let ended = ended.await.inspect_err(|error| tracing::debug!(%to, %error, "stream lost"));
        let lost = ended.is_err() || backlog.lost.load(Ordering::Relaxed);
        let _ = shared.events.send(StreamEvent::Closed { to, number, lost }).await;
    });
    link
}

/// Takes in whoever dials, for as long as the listener lives.
pub(super) async fn accept(listener: TcpListener, tag: u32, shared: Shared) {
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of descriptors, most likely: wait for some to come back.
                tracing::warn!(%error, "cannot accept a stream");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        tokio::spawn(welcome(stream, tag, shared.clone()));
    }
}

async fn welcome(stream: TcpStream, tag: u32, shared: Shared) {
    let greeted = {
        let Ok(_slot) = slot(&shared.half_open, &shared) else { return };
        match timeout(GREETING, greeting(stream, tag, shared.lock.as_deref())).await {
            Ok(greeted) => greeted,
            Err(_) => Err(Dropped::Short),
        }
    };
    let (from, key, opened) = match greeted {
        Ok(greeted) => greeted,
        Err(why) => {
            shared.lock.iter().for_each(|lock| lock.counters.dropped(why));
            return shared.counters.shed();
        }
    };
    let Ok(_slot) = slot(&shared.accepted, &shared) else { return };
    let (link, queue) = link(&shared, key);
    let (number, backlog) = (link.number, Arc::clone(&link.backlog));
    if shared.events.send(StreamEvent::Accepted { from, link, key }).await.is_err() {
        return;
    }
    let ended = run(opened, from, queue, &shared).await;
    let lost = ended.is_err() || backlog.lost.load(Ordering::Relaxed);
    let _ = shared.events.send(StreamEvent::Closed { to: from, number, lost }).await;
}

/// Hears who has dialled, sealed or plain as the lock has it.
async fn greeting(
    mut stream: TcpStream,
    tag: u32,
    lock: Option<&Lock>,
) -> Result<(SocketAddr, Option<KeyId>, Opened), Dropped> {
    stream.set_nodelay(true).map_err(|_| Dropped::Short)?;
    let magic = frame::read_magic(&mut stream).await.map_err(|_| Dropped::Short)?;
    match (magic, lock) {
        (sealed::MAGIC, Some(lock)) => {
            let (session, from) = sealed::answer(&mut stream, &lock.ring(), lock.own).await?;
            Ok((from, Some(session.key), Opened::sealed(session, stream)))
        }
        (frame::MAGIC, lock) => {
            if let Some(lock) = lock {
                lock.counters.came_plain();
                if lock.mode == Encryption::Require {
                    return Err(Dropped::Plaintext);
                }
            }
            let from = frame::read_greeting(&mut stream, tag).await;
            Ok((from.map_err(|_| Dropped::Short)?, None, Opened::plain(stream)))
        }
        (magic, _) if frame::is_of_another_version(magic) => Err(Dropped::OtherVersion),
        _ => Err(Dropped::Plaintext),
    }
}
