//! The Redis-protocol port: RESP2 and RESP3 over TCP, for every Redis client.
//!
//! `wire` reads requests and writes replies; `command` has the table of commands and, by their
//! kinds, what each does with a `session`; `dispatch` finds the one that a request asks for;
//! `connection` is the life of one client's connection, and this file takes clients in.

mod batch;
mod clients;
mod command;
mod connection;
mod dispatch;
mod fault;
mod fuzz;
mod options;
mod server;
mod session;
mod stats;
mod wire;
mod written;

pub use fuzz::{fuzz_glob, fuzz_resp};
pub use options::{Options, Password};
pub use stats::RedisStats;

use crate::handle::Rumormill;
use crate::tls::{self, Refused, Tls};
use connection::stopped;
use server::Server;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Probes find connections whose other end is gone; Redis' default.
const KEEPALIVE: Duration = Duration::from_secs(300);
/// How long connections may take to finish what they are at when the port closes.
const GOODBYE: Duration = Duration::from_secs(2);

/// What a client is told that does not speak TLS to a port that wants it.
const PLAIN: &[u8] =
    b"-ERR this port speaks TLS only: connect with TLS (redis-cli --tls, rediss://)\r\n";

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
