//! Connections: how many, and how long each may dawdle.
//!
//! axum's own server bounds neither, so hyper is driven from here.

use super::app::{App, Shutdown, stopped};
use crate::tls::{self, Refused, Tls};
use axum::Router;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{Instant, Sleep, sleep_until, timeout};

/// Connections that are being told at once that there are too many.
const REFUSALS: usize = 64;
/// How long one of them may take.
const REFUSAL_TIME: Duration = Duration::from_secs(1);
/// Rest after the system could not accept, for want of file descriptors, say.
const ACCEPT_REST: Duration = Duration::from_millis(100);

/// Accepts connections until the shutdown, then waits a while for requests in flight.
pub(super) async fn accept(listener: TcpListener, router: Router, app: Arc<App>) {
    let room = Arc::new(Semaphore::new(app.options.max_connections));
    let refusals = Arc::new(Semaphore::new(REFUSALS));
    let mut shutdown = app.shutdown.clone();
    let mut open = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            biased;
            () = stopped(&mut shutdown) => break,
            Some(_) = open.join_next(), if !open.is_empty() => continue,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => match Arc::clone(&room).try_acquire_owned() {
                Ok(permit) => {
                    let (router, app) = (router.clone(), Arc::clone(&app));
                    match app.options.tls.clone() {
                        None => open.spawn(plain(stream, router, app, permit)),
                        Some(tls) => open.spawn(sealed(stream, tls, router, app, permit)),
                    };
                }
                Err(_) => {
                    app.metrics.refused.inc();
                    // Under TLS the answer would cost a handshake; the end must do.
                    if app.options.tls.is_none()
                        && let Ok(permit) = Arc::clone(&refusals).try_acquire_owned()
                    {
                        open.spawn(refuse(stream, app.options.max_connections, permit));
                    }
                }
            },
            // The connection's own trouble, not the listener's.
            Err(error) if is_of_connection(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "cannot accept HTTP connections; trying again");
                tokio::time::sleep(ACCEPT_REST).await;
            }
        }
    }
    drop(listener);
    let _ = timeout(app.options.grace, async { while open.join_next().await.is_some() {} }).await;
    open.shutdown().await;
}

fn is_of_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// Where a request came from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) SocketAddr);

/// What a client is told that does not speak TLS to a port that wants it.
fn plain_refusal() -> String {
    let json = "{\"error\":\"this port speaks HTTPS only: write https:// instead of http://\"}";
    format!(
        "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n{json}",
        json.len()
    )
}

async fn plain(stream: TcpStream, router: Router, app: Arc<App>, _permit: OwnedSemaphorePermit) {
    let peer = prepare(&stream);
    connection(stream, peer, router, app).await;
}

async fn sealed(
    stream: TcpStream,
    tls: Arc<Tls>,
    router: Router,
    app: Arc<App>,
    _permit: OwnedSemaphorePermit,
) {
    let peer = prepare(&stream);
    match tls.accept(stream).await {
        Ok(stream) => connection(stream, peer, router, app).await,
        Err(Refused::Plain(stream)) => tls::tell(stream, plain_refusal().as_bytes()).await,
        Err(Refused::Failed(error)) => tracing::debug!(%error, "a TLS handshake failed"),
    }
}

fn prepare(stream: &TcpStream) -> Option<Peer> {
    // Answers are written whole, so waiting for more to send only costs time.
    let _ = stream.set_nodelay(true);
    stream.peer_addr().ok().map(Peer)
}

async fn connection(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: Option<Peer>,
    router: Router,
    app: Arc<App>,
) {
    app.metrics.connections.inc();
    let routes = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: hyper::Request<hyper::body::Incoming>| {
        if let Some(peer) = peer {
            request.extensions_mut().insert(peer);
        }
        routes.call(request)
    });
    let io = TokioIo::new(Patient::new(stream, app.options.write_timeout));
    let mut shutdown: Shutdown = app.shutdown.clone();
    let mut serving = std::pin::pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(app.options.header_timeout)
            .serve_connection(io, service)
    );
    let served = tokio::select! {
        served = serving.as_mut() => served,
        () = stopped(&mut shutdown) => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = served {
        tracing::debug!(%error, "an HTTP connection ended early");
    }
    app.metrics.connections.dec();
}

/// Tells a client that it is one too many, and waits a moment so that it can read that.
async fn refuse(mut stream: TcpStream, most: usize, _permit: OwnedSemaphorePermit) {
    let json = format!(
        "{{\"error\":\"all {most} HTTP connections of this node are taken; close some, or ask \
         another node\"}}"
    );
    let answer = format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\n\
         content-length: {}\r\nretry-after: 1\r\nconnection: close\r\n\r\n{json}",
        json.len()
    );
    let _ = timeout(REFUSAL_TIME, async {
        stream.write_all(answer.as_bytes()).await?;
        stream.shutdown().await?;
        // Closing with unread bytes would reset the connection and lose the answer.
        let mut unread = [0; 4096];
        while stream.read(&mut unread).await? > 0 {}
        io::Result::Ok(())
    })
    .await;
}

/// A stream that breaks when the peer leaves what is written to it unread for too long.
struct Patient<S> {
    stream: S,
    patience: Duration,
    deadline: Option<Pin<Box<Sleep>>>,
}

impl<S> Patient<S> {
    fn new(stream: S, patience: Duration) -> Self {
        Self { stream, patience, deadline: None }
    }

    fn watch<T>(
        &mut self,
        context: &mut Context<'_>,
        progress: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if progress.is_ready() {
            self.deadline = None;
            return progress;
        }
        let until = Instant::now() + self.patience;
        let deadline = self.deadline.get_or_insert_with(|| Box::pin(sleep_until(until)));
        match deadline.as_mut().poll(context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let progress = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.watch(context, progress)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let progress = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.watch(context, progress)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Under TLS bytes that were taken may still wait for the peer.
        let progress = Pin::new(&mut self.stream).poll_flush(context);
        self.watch(context, progress)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let progress = Pin::new(&mut self.stream).poll_shutdown(context);
        self.watch(context, progress)
    }
}
