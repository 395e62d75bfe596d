//! `WAIT`: how many other members hold all that a connection has written.

use crate::redis::fault::Fault;
use crate::redis::session::Session;
use crate::redis::wire::number;
use crate::redis::wire::resp::Request;
use crate::redis::written::Written;
use rumormill_core::spread::coverage::Want;
use std::io;
use std::time::Duration;
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::time::Instant;

/// How often it is looked whether a client with requests in the pipe is still there.
const LOOK: Duration = Duration::from_millis(250);

/// `WAIT numreplicas timeout`: waits until as many other members hold all writes of this connection,
/// or so many milliseconds have passed (0: for as long as the client stays); answers how many do.
pub(crate) async fn wait(
    session: &mut Session,
    request: &Request<'_>,
) -> io::Result<Result<(), Fault>> {
    let (replicas, timeout) = match read(request) {
        Ok(read) => read,
        Err(fault) => return Ok(Err(fault)),
    };
    let Some(about) = session.written.about() else {
        // Nothing was written: everyone has all of it.
        session.out.count(session.server.node.present().saturating_sub(1));
        return Ok(Ok(()));
    };
    // From now on writes are named again: a client that waits once waits again.
    session.written.unnamed = false;
    // What was asked for before is answered before the wait.
    session.send()?;
    session.settle();
    let _blocked = session.client.block();
    let node = session.server.node.clone();
    let want = Want::Members(replicas.saturating_add(1));
    let covered = tokio::select! {
        covered = node.wait_about(about, want, timeout) => covered,
        gone = gone(session.stream.tcp(), Duration::ZERO) => return Err(gone),
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

/// Returns when the client has gone: its connection is broken, or it has closed its end for so long.
pub(super) async fn gone(stream: &TcpStream, half_closed: Duration) -> io::Error {
    let mut closed = None;
    loop {
        match stream.ready(Interest::READABLE).await {
            Ok(ready) if ready.is_read_closed() => {
                let since = *closed.get_or_insert_with(Instant::now);
                if since.elapsed() >= half_closed || broken(stream) {
                    return io::ErrorKind::UnexpectedEof.into();
                }
            }
            // The next request waits.
            Ok(_) => {}
            Err(error) => return error,
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// True if nothing can be sent any more either.
fn broken(stream: &TcpStream) -> bool {
    !matches!(socket2::SockRef::from(stream).take_error(), Ok(None))
}
