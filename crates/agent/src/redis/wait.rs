//! `WAIT`: how many other members hold all that a connection has written.

use super::number;
use super::resp::Request;
use super::session::{Fault, Session};
use rumormill_core::data::{Entry, Stamp};
use rumormill_core::spread::coverage::About;
use rumormill_core::spread::coverage::Want;
use std::collections::VecDeque;
use std::io;
use std::time::Duration;
use tokio::io::Interest;
use tokio::net::TcpStream;

/// Writes of a connection that are asked for by name; earlier ones are covered by comparing whole
/// replicas (see [`About::upto`]).
const NAMED: usize = 256;
/// Bytes of their keys.
const NAMED_BYTES: usize = 32 * 1024;
/// How often it is looked whether a client with requests in the pipe is still there.
const LOOK: Duration = Duration::from_millis(250);

/// What a connection has written and does not know to be everywhere.
#[derive(Debug, Default)]
pub(super) struct Written {
    latest: VecDeque<(Box<[u8]>, Stamp)>,
    bytes: usize,
    /// The time of the last write before those.
    earlier: Option<u64>,
    /// True once there were too many, for a client that has not waited yet: most never do, and
    /// their writes cost nothing more then.
    unnamed: bool,
}

impl Written {
    /// Takes a write down.
    pub(super) fn note(&mut self, entry: &Entry) {
        let stamp = entry.stamp();
        if self.unnamed {
            self.earlier = self.earlier.max(Some(stamp.time));
            return;
        }
        self.bytes += entry.key().len();
        self.latest.push_back((entry.key().into(), stamp));
        if self.latest.len() > NAMED || self.bytes > NAMED_BYTES {
            self.unnamed = true;
            self.earlier = self.earlier.max(Some(stamp.time));
            self.latest = VecDeque::new();
            self.bytes = 0;
        }
    }

    /// What to ask for; `None` if there is nothing.
    fn about(&self) -> Option<About> {
        if self.latest.is_empty() && self.earlier.is_none() {
            return None;
        }
        let mut writes: Vec<(Box<[u8]>, Stamp)> = self.latest.iter().cloned().collect();
        // Of one key the last write is enough.
        writes.sort_unstable_by(|one, other| one.0.cmp(&other.0).then(other.1.cmp(&one.1)));
        writes.dedup_by(|one, other| one.0 == other.0);
        Some(About { writes, upto: self.earlier })
    }
}

/// `WAIT numreplicas timeout`: waits until as many other members hold all writes of this connection,
/// or so many milliseconds have passed (0: for as long as the client stays); answers how many do.
pub(super) async fn wait(
    session: &mut Session,
    request: &Request<'_>,
) -> io::Result<Result<(), Fault>> {
    let (replicas, timeout) = match read(request) {
        Ok(read) => read,
        Err(fault) => return Ok(Err(fault)),
    };
    let others = || {
        let members = session.server.node.status().members;
        (members.alive + members.suspect).saturating_sub(1)
    };
    let Some(about) = session.written.about() else {
        // Nothing was written: everyone has all of it.
        let others = i64::try_from(others()).unwrap_or(i64::MAX);
        session.out.int(others);
        return Ok(Ok(()));
    };
    // From now on writes are named again: a client that waits once waits again.
    session.written.unnamed = false;
    // What was asked for before is answered before the wait.
    session.send()?;
    let node = session.server.node.clone();
    let want = Want::Members(replicas.saturating_add(1));
    let covered = tokio::select! {
        covered = node.wait_about(about, want, timeout) => covered,
        gone = gone(session.stream.tcp()) => return Err(gone),
    };
    Ok(match covered {
        Ok(coverage) => {
            if coverage.held >= coverage.of {
                session.written = Written::default();
            }
            let held = i64::try_from(coverage.held.saturating_sub(1));
            session.out.int(held.unwrap_or(i64::MAX));
            Ok(())
        }
        Err(error) => Err(Fault::from(format!("ERR {error}; the writes themselves stand"))),
    })
}

fn read(request: &Request<'_>) -> Result<(usize, Option<Duration>), Fault> {
    let replicas = number::parse(request.arg(1)).ok_or(Fault::NOT_INTEGER)?;
    let timeout = number::parse(request.arg(2))
        .ok_or(Fault::from("ERR timeout is not an integer or out of range"))?;
    let timeout = u64::try_from(timeout).map_err(|_| Fault::from("ERR timeout is negative"))?;
    let replicas = usize::try_from(replicas.max(0)).unwrap_or(usize::MAX);
    Ok((replicas, (timeout > 0).then(|| Duration::from_millis(timeout))))
}

/// Returns when the client has closed its end.
async fn gone(stream: &TcpStream) -> io::Error {
    loop {
        match stream.ready(Interest::READABLE).await {
            Ok(ready) if ready.is_read_closed() => return io::ErrorKind::UnexpectedEof.into(),
            // The next request waits.
            Ok(_) => tokio::time::sleep(LOOK).await,
            Err(error) => return error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rumormill_core::NodeId;

    fn entry(key: &str, time: u64) -> Entry {
        Entry::new(key.as_bytes(), b"v", Stamp { time, node: NodeId(1) }, None)
    }

    #[test]
    fn the_last_write_of_each_key_is_asked_for() {
        let mut written = Written::default();
        assert_eq!(written.about(), None);
        for (key, time) in [("a", 1), ("b", 2), ("a", 3)] {
            written.note(&entry(key, time));
        }
        let about = written.about().unwrap();
        let asked: Vec<_> = about.writes.iter().map(|(key, stamp)| (&**key, stamp.time)).collect();
        assert_eq!(asked, [(&b"a"[..], 3), (b"b", 2)]);
        assert_eq!(about.upto, None);
    }

    #[test]
    fn too_many_are_covered_as_a_whole_and_later_ones_named_again() {
        let mut written = Written::default();
        (0..2000).for_each(|time| written.note(&entry(&time.to_string(), time)));
        assert_eq!(written.about(), Some(About { writes: Vec::new(), upto: Some(1999) }));
        written.unnamed = false;
        written.note(&entry("later", 3000));
        let about = written.about().unwrap();
        assert_eq!((about.writes.len(), about.upto), (1, Some(1999)));
    }
}
