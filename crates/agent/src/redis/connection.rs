//! The life of one connection: read, carry out, send, and the ways it ends.

use super::dispatch::execute;
use super::server::Server;
use super::session::{OUT_BOUND_TIGHT, Session};
use super::stats;
use super::wire::input::Input;
use super::wire::stream::Stream;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::Interest;
use tokio::sync::watch;
use tokio::time::Instant;

/// Buffers up to this many bytes are not counted against the budget of all clients.
const FREE_BYTES: usize = 128 * 1024;
/// After an error, what the client still sends is read for this long at most, so that the error
/// reaches it: unread bytes would make the system cut the connection hard.
const LINGER: Duration = Duration::from_secs(3);
const LINGER_BYTES: usize = 1024 * 1024;

/// Serves one client until it goes.
pub(super) async fn serve(
    stream: Stream,
    server: Arc<Server>,
    mut shutdown: watch::Receiver<bool>,
) {
    let (Ok(addr), Ok(local)) = (stream.tcp().peer_addr(), stream.tcp().local_addr()) else {
        return;
    };
    let client = server.clients.join(addr, local);
    let guard = Guard { server: Arc::clone(&server), id: client.id, held: 0 };
    let mut connection = Connection {
        session: Session::new(server, client, stream),
        input: Input::default(),
        guard,
    };
    if let Err(error) = connection.run(&mut shutdown).await {
        tracing::debug!(%addr, %error, "a Redis client was cut off");
    }
    connection.session.stream.say_goodbye();
    connection.session.settle();
}

/// Waits until the port is to close: it was said, or nobody is left to say it.
pub(super) async fn stopped(shutdown: &mut watch::Receiver<bool>) {
    let _ = shutdown.wait_for(|stop| *stop).await;
}

/// Undoes what a connection has entered in shared tables, however it ends.
struct Guard {
    server: Arc<Server>,
    id: u64,
    /// Bytes counted against the budget.
    held: u64,
}

impl Guard {
    fn hold(&mut self, bytes: u64) {
        if bytes != self.held {
            self.server.budget.change(self.held, bytes);
            self.held = bytes;
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.hold(0);
        self.server.clients.part(self.id);
    }
}

struct Connection {
    session: Session,
    input: Input,
    guard: Guard,
}

/// What ended a wait.
enum Woken {
    Ready,
    Shutdown,
    Idle,
    Slow,
}

impl Connection {
    async fn run(&mut self, shutdown: &mut watch::Receiver<bool>) -> io::Result<()> {
        // When the client last took replies, or had taken all.
        let mut progress = Instant::now();
        loop {
            self.serve_arrived().await?;
            let before = self.session.out.unsent().len();
            self.session.send()?;
            let unsent = self.session.out.unsent().len();
            if unsent == 0 || unsent < before {
                progress = Instant::now();
            }
            self.session.settle();
            if self.session.closing {
                return self.part().await;
            }
            if self.session.crowded() {
                self.session.make_room().await?;
                continue;
            }
            self.tidy();
            match self.wait(shutdown, progress).await? {
                Woken::Ready => {}
                Woken::Shutdown => return Ok(()),
                Woken::Idle => {
                    stats::add(&self.guard.server.options.stats.closed_idle, 1);
                    return Ok(());
                }
                Woken::Slow => {
                    return Err(self.session.too_slow(self.guard.server.options.slow_timeout));
                }
            }
            if self.read()? {
                return self.session.drain(0).await;
            }
        }
    }

    /// Carries out every request that has wholly arrived.
    async fn serve_arrived(&mut self) -> io::Result<()> {
        while !self.session.closing {
            match self.input.parse(&self.session.limits()) {
                Ok(Some(len)) => {
                    let request = self.input.request();
                    match request.len() {
                        // To `CLIENT REPLY SKIP` it is a command, as in Redis.
                        0 => self.session.unmute(),
                        _ => execute(&mut self.session, &request).await?,
                    }
                    self.input.consume(len);
                    if self.session.crowded() {
                        self.session.make_room().await?;
                    }
                }
                Ok(None) => break,
                Err(error) => {
                    self.session.commit().await?;
                    self.session.out.fault(&format!("ERR Protocol error: {error}"));
                    stats::add(&self.guard.server.options.stats.protocol_errors, 1);
                    self.session.closing = true;
                }
            }
        }
        self.session.commit().await
    }

    /// Reads what has arrived; true at the end of the stream.
    fn read(&mut self) -> io::Result<bool> {
        if self.input.grows_large() && self.guard.server.budget.is_spent() {
            stats::add(&self.guard.server.options.stats.closed_memory, 1);
            let text =
                "ERR the clients of this node together hold too much memory; try again later";
            self.session.out.fault(text);
            self.session.closing = true;
            return Ok(false);
        }
        match self.input.fill(&mut self.session.stream) {
            Ok(0) => return Ok(true),
            Ok(n) => stats::add(&self.guard.server.options.stats.received_bytes, n as u64),
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
                ) => {}
            Err(error) => return Err(error),
        }
        self.account();
        Ok(false)
    }

    /// Waits until there is something to read, or room to send what waits.
    async fn wait(
        &self,
        shutdown: &mut watch::Receiver<bool>,
        progress: Instant,
    ) -> io::Result<Woken> {
        let options = &self.guard.server.options;
        let unsent = self.session.out.unsent().len();
        let interest = match unsent == 0 && !self.session.stream.is_pending() {
            true => Interest::READABLE,
            false => Interest::READABLE | Interest::WRITABLE,
        };
        let (limit, woken) = match unsent {
            0 => (options.idle_timeout.map(|idle| Instant::now() + idle), Woken::Idle),
            n if n > OUT_BOUND_TIGHT => (Some(progress + options.slow_timeout), Woken::Slow),
            _ => (None, Woken::Slow),
        };
        let time_is_up = async {
            match limit {
                Some(limit) => tokio::time::sleep_until(limit).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            ready = self.session.stream.ready(interest) => ready.map(|()| Woken::Ready),
            () = stopped(shutdown) => Ok(Woken::Shutdown),
            () = time_is_up => Ok(woken),
        }
    }

    /// Says goodbye in a way that lets the last reply arrive.
    async fn part(&mut self) -> io::Result<()> {
        self.session.drain(0).await?;
        self.session.stream.shutdown().await?;
        let stream = self.session.stream.tcp();
        let drain = async {
            let mut scrap = [0_u8; 1024];
            let mut left = LINGER_BYTES;
            while left > 0 {
                stream.readable().await?;
                match stream.try_read(&mut scrap) {
                    Ok(0) => return Ok(()),
                    Ok(n) => left = left.saturating_sub(n),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(())
        };
        // Time is up: the client has had its chance.
        tokio::time::timeout(LINGER, Box::pin(drain)).await.unwrap_or(Ok(()))
    }

    /// Gives memory back before a wait.
    fn tidy(&mut self) {
        self.input.release();
        self.session.out.release();
        self.session.batch.release();
        self.account();
    }

    fn account(&mut self) {
        let bytes = self.input.allocated() + self.session.out.capacity();
        self.guard.hold(bytes.saturating_sub(FREE_BYTES) as u64);
    }
}
