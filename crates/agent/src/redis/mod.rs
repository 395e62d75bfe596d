//! The Redis-protocol port: RESP2 and RESP3 over TCP, for every Redis client.
//!
//! `resp` reads requests and `reply` writes replies, without IO; `table` says which commands there
//! are; `session` carries them out through a [`Rumormill`] handle; `connection` does the IO.

mod batch;
mod client;
mod command_info;
mod config;
mod connection;
mod fuzz;
mod glob;
mod handshake;
mod info;
mod inline;
mod input;
mod keys;
mod number;
mod refused;
mod reply;
mod resp;
mod server;
mod session;
mod stats;
mod stream;
mod strings;
mod table;
mod wait;
mod walk;

pub use fuzz::{fuzz_glob, fuzz_resp};
pub use stats::RedisStats;

use crate::handle::Rumormill;
use crate::tls::{self, Refused, Tls};
use server::Server;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use subtle::ConstantTimeEq as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// The Redis version whose commands and errors are followed; clients decide by it what to send.
const REDIS_VERSION: &str = "7.4.0";
/// Probes find connections whose other end is gone; Redis' default.
const KEEPALIVE: Duration = Duration::from_secs(300);
/// How long connections may take to finish what they are at when the port closes.
const GOODBYE: Duration = Duration::from_secs(2);

/// What a client is told that does not speak TLS to a port that wants it.
const PLAIN: &[u8] =
    b"-ERR this port speaks TLS only: connect with TLS (redis-cli --tls, rediss://)\r\n";

/// A password that does not show itself in logs.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(Box<[u8]>);

impl Password {
    /// Wraps a password.
    #[must_use]
    pub fn new(password: impl AsRef<[u8]>) -> Self {
        Self(password.as_ref().into())
    }

    /// Compares in a time that depends on this password's length only.
    fn is(&self, given: &[u8]) -> bool {
        let mut padded = given.to_vec();
        padded.resize(self.0.len(), 0);
        let same_length = (given.len() as u64).ct_eq(&(self.0.len() as u64));
        (padded.ct_eq(&self.0) & same_length).into()
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

/// Settings of the port.
#[derive(Clone, Debug)]
pub struct Options {
    /// What clients must show by `AUTH` or `HELLO`; without one everyone may do everything.
    pub password: Option<Password>,
    /// Connections at once; more are told so and closed.
    pub max_clients: usize,
    /// Clients that have sent nothing for this long are closed; never by default.
    pub idle_timeout: Option<Duration>,
    /// Clients that leave many replies lying and take none for this long are closed.
    pub slow_timeout: Duration,
    /// Longest request, bytes: what one `MSET` may carry. At least two of the largest values.
    pub max_request: usize,
    /// Bytes in the large buffers of all clients together above which none may grow.
    pub max_buffered: u64,
    /// With it clients must speak TLS; without it they must not.
    pub tls: Option<Arc<Tls>>,
    /// Where the port counts.
    pub stats: Arc<RedisStats>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            password: None,
            max_clients: 20_000,
            idle_timeout: None,
            slow_timeout: Duration::from_secs(60),
            max_request: 64 * 1024 * 1024,
            max_buffered: 512 * 1024 * 1024,
            tls: None,
            stats: Arc::default(),
        }
    }
}

/// Serves clients until `shutdown` turns true or its sender is gone; then what they are at is
/// finished, and they are closed.
pub async fn serve(
    listener: TcpListener,
    node: Rumormill,
    options: Options,
    mut shutdown: watch::Receiver<bool>,
) {
    let port = listener.local_addr().map_or(0, |addr| addr.port());
    let server = Arc::new(Server::new(node, options, port));
    let mut connections = JoinSet::new();
    // Ends with this function.
    let mut chores = JoinSet::new();
    if let Some(tls) = server.options.tls.clone() {
        chores.spawn(async move { tls.keep_fresh().await });
    }
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => admit(stream, &server, &mut connections, &shutdown),
                Err(error) => rest_after(&error, &server).await,
            },
            Some(_) = connections.join_next() => {
                server.options.stats.connections.store(connections.len() as u64, Ordering::Relaxed);
            }
            () = stopped(&mut shutdown) => break,
        }
    }
    drop(listener);
    let all_gone = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(GOODBYE, all_gone).await.is_err() {
        connections.shutdown().await;
    }
    server.options.stats.connections.store(0, Ordering::Relaxed);
}

/// Waits until the port is to close: it was said, or nobody is left to say it.
async fn stopped(shutdown: &mut watch::Receiver<bool>) {
    let _ = shutdown.wait_for(|stop| *stop).await;
}

/// Starts serving a new client, or tells it that there are too many.
fn admit(
    stream: TcpStream,
    server: &Arc<Server>,
    connections: &mut JoinSet<()>,
    shutdown: &watch::Receiver<bool>,
) {
    let stats = &server.options.stats;
    while connections.try_join_next().is_some() {}
    if connections.len() >= server.options.max_clients {
        stats::add(&stats.refused, 1);
        if server.options.tls.is_none() {
            // A new connection takes a line at once, or is not worth waiting for.
            let _ = stream.try_write(b"-ERR max number of clients reached\r\n");
        }
        return;
    }
    if let Err(error) = prepare(&stream) {
        tracing::debug!(%error, "a Redis client has gone at once");
        return;
    }
    stats::add(&stats.connections_total, 1);
    let (shared, shutdown) = (Arc::clone(server), shutdown.clone());
    match server.options.tls.clone() {
        None => connections.spawn(connection::serve(stream.into(), shared, shutdown)),
        Some(tls) => connections.spawn(serve_sealed(stream, tls, shared, shutdown)),
    };
    stats.connections.store(connections.len() as u64, Ordering::Relaxed);
}

/// Serves a client that speaks TLS; tells one that does not.
async fn serve_sealed(
    stream: TcpStream,
    tls: Arc<Tls>,
    server: Arc<Server>,
    shutdown: watch::Receiver<bool>,
) {
    match tls.accept(stream).await {
        Ok(stream) => connection::serve(stream.into(), server, shutdown).await,
        Err(Refused::Plain(stream)) => tls::tell(stream, PLAIN).await,
        Err(Refused::Failed(error)) => tracing::debug!(%error, "a TLS handshake failed"),
    }
}

fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let keepalive = socket2::TcpKeepalive::new().with_time(KEEPALIVE);
    socket2::SockRef::from(stream).set_tcp_keepalive(&keepalive)
}

/// After a failed accept: most likely file descriptors have run out, so wait for some to be freed.
async fn rest_after(error: &io::Error, server: &Server) {
    let stats = &server.options.stats;
    if stats.accept_errors.fetch_add(1, Ordering::Relaxed) == 0 {
        tracing::warn!(%error, "the Redis port cannot accept connections; raise `ulimit -n`");
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords() {
        let password = Password::new("secret");
        assert!(password.is(b"secret"));
        for wrong in ["", "secre", "secret\0", "secret2", "Secret"] {
            assert!(!password.is(wrong.as_bytes()), "{wrong:?}");
        }
        assert!(Password::new("").is(b""));
        assert!(!Password::new("").is(b"x"));
        assert_eq!(format!("{password:?}"), "Password(..)");
    }
}
