//! TLS for the Redis and HTTP ports: the certificate that is shown, who must show one in turn, and
//! handshakes that are bounded in number and time.
//!
//! `files` reads certificates and keys, `validity` how long one lasts, `counters` counts. What is
//! done on an open connection is the port's own matter.

mod counters;
pub mod files;
mod validity;

pub use counters::{Reason, TlsCounters};
pub use files::TlsFiles;
pub use validity::{Validity, fuzz as fuzz_validity};

use files::{Loaded, Signature, TlsError};
use rustls::ServerConfig;
use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// What every TLS record of a handshake begins with, and nothing that people type.
const HANDSHAKE: u8 = 22;
/// After a refusal, what the client still sends is read for this long at most: unread bytes would
/// make the system cut the connection hard, and the reason would be lost.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 64 * 1024;

/// Bounds of a port's handshakes.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// How long one may take, waiting for its turn included.
    pub patience: Duration,
    /// How many may be under way at once; more wait for their turn.
    pub at_once: usize,
    /// How often the files are looked at for a change.
    pub refresh: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { patience: Duration::from_secs(10), at_once: 256, refresh: Duration::from_secs(10) }
    }
}

/// The TLS side of one port.
#[derive(Debug)]
pub struct Tls {
    files: TlsFiles,
    /// The protocol that is offered by its name (ALPN), if any.
    protocol: Option<&'static str>,
    current: RwLock<Loaded>,
    bounds: Bounds,
    turns: Semaphore,
    counters: TlsCounters,
}

/// Why a connection came to nothing.
#[derive(Debug)]
pub(crate) enum Refused {
    /// The client does not speak TLS. It may be told so in plain.
    Plain(TcpStream),
    /// Anything else; it has been counted, and told in TLS if that was possible.
    Failed(io::Error),
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// If they cannot be used; says which and what to do.
    pub fn open(files: TlsFiles, protocol: Option<&'static str>) -> Result<Self, TlsError> {
        Self::with(files, protocol, Bounds::default())
    }

    /// [`Tls::open`] with bounds of the caller's choice.
    ///
    /// # Errors
    /// As [`Tls::open`].
    pub fn with(
        files: TlsFiles,
        protocol: Option<&'static str>,
        bounds: Bounds,
    ) -> Result<Self, TlsError> {
        let loaded = files.load(protocol)?;
        Ok(Self {
            files,
            protocol,
            current: RwLock::new(loaded),
            bounds,
            turns: Semaphore::new(bounds.at_once),
            counters: TlsCounters::default(),
        })
    }

    /// True if clients must show a certificate.
    #[must_use]
    pub fn wants_certificates(&self) -> bool {
        self.files.client_ca.is_some()
    }

    /// What was counted.
    #[must_use]
    pub fn counters(&self) -> &TlsCounters {
        &self.counters
    }

    /// From when to when the certificate that is shown is valid.
    #[must_use]
    pub fn validity(&self) -> Validity {
        self.current.read().unwrap_or_else(PoisonError::into_inner).validity
    }

    fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner).config)
    }

    /// Shakes hands with a client.
    pub(crate) async fn accept(&self, tcp: TcpStream) -> Result<TlsStream<TcpStream>, Refused> {
        let end = Instant::now() + self.bounds.patience;
        let mut first = [0];
        match timeout_at(end, tcp.peek(&mut first)).await {
            Ok(Ok(1)) if first == [HANDSHAKE] => {}
            Ok(Ok(1)) => {
                if self.counters.fail(Reason::Plain) == 0 {
                    let peer = tcp.peer_addr().ok();
                    tracing::warn!(?peer, "a client does not speak TLS to a port that wants it");
                }
                return Err(Refused::Plain(tcp));
            }
            Ok(Ok(_)) => return Err(self.failed(io::ErrorKind::UnexpectedEof.into())),
            Ok(Err(error)) => return Err(self.failed(error)),
            Err(_) => return Err(self.late(Reason::Timeout)),
        }
        let Ok(Ok(turn)) = timeout_at(end, self.turns.acquire()).await else {
            return Err(self.late(Reason::Busy));
        };
        let accepting = TlsAcceptor::from(self.config()).accept(tcp).into_fallible();
        match timeout_at(end, accepting).await {
            Ok(Ok(stream)) => {
                self.counters.handshakes.fetch_add(1, Ordering::Relaxed);
                Ok(stream)
            }
            Ok(Err((error, tcp))) => {
                drop(turn);
                let refused = self.failed(error);
                // The client was told why in TLS, and may still read it.
                let _ = timeout(LINGER, part(tcp)).await;
                Err(refused)
            }
            Err(_) => Err(self.late(Reason::Timeout)),
        }
    }

    fn late(&self, reason: Reason) -> Refused {
        self.counters.fail(reason);
        Refused::Failed(io::ErrorKind::TimedOut.into())
    }

    fn failed(&self, error: io::Error) -> Refused {
        self.counters.fail(Reason::of(&error));
        Refused::Failed(error)
    }

    /// Reads the files again whenever they change, for as long as it is polled. Connections that
    /// are open keep what they began with.
    pub(crate) async fn keep_fresh(&self) {
        let mut seen = self.current.read().unwrap_or_else(PoisonError::into_inner).signature;
        let (mut complained, mut warned) = (None, false);
        loop {
            if !warned && self.current.read().unwrap_or_else(PoisonError::into_inner).expires_soon()
            {
                warned = true;
                let until = self.validity().not_after_text();
                tracing::warn!(cert = ?self.files.cert, %until, "the certificate expires soon");
            }
            tokio::time::sleep(self.bounds.refresh).await;
            let (files, protocol) = (self.files.clone(), self.protocol);
            let look = tokio::task::spawn_blocking(move || look(&files, protocol, seen)).await;
            match look {
                Ok(Look::Same) | Err(_) => {}
                Ok(Look::New(loaded)) => {
                    (seen, complained, warned) = (loaded.signature, None, false);
                    let until = loaded.validity.not_after_text();
                    tracing::info!(cert = ?self.files.cert, %until, "a new certificate is shown");
                    *self.current.write().unwrap_or_else(PoisonError::into_inner) = loaded;
                    self.counters.reloads.fetch_add(1, Ordering::Relaxed);
                }
                // One file may be there before the other, so it is tried again and again, and
                // said once for each state of the files.
                Ok(Look::Bad(signature, error)) => {
                    if complained != Some(signature) {
                        complained = Some(signature);
                        tracing::warn!(%error, "the new certificate is not used, the old one stays");
                        self.counters.reload_failures.fetch_add(1, Ordering::Relaxed);
                    }
                }
            }
        }
    }
}

/// What a look at the files has found.
enum Look {
    Same,
    New(Loaded),
    Bad(Signature, TlsError),
}

fn look(files: &TlsFiles, protocol: Option<&'static str>, seen: Signature) -> Look {
    let signature = files.signature();
    if signature == seen {
        return Look::Same;
    }
    match files.load(protocol) {
        Ok(loaded) => Look::New(loaded),
        Err(error) => Look::Bad(signature, error),
    }
}

/// Closes a connection in a way that lets the last bytes arrive.
async fn part(mut tcp: TcpStream) -> io::Result<()> {
    tcp.shutdown().await?;
    let mut scrap = [0; 1024];
    let mut left = LINGER_BYTES;
    while left > 0 {
        match tcp.read(&mut scrap).await? {
            0 => break,
            n => left = left.saturating_sub(n),
        }
    }
    Ok(())
}

/// Tells a client in plain why it is refused, and closes.
pub(crate) async fn tell(mut tcp: TcpStream, words: &[u8]) {
    let telling = async {
        tcp.write_all(words).await?;
        part(tcp).await
    };
    // A client that has gone already needs no telling.
    let _ = timeout(LINGER, telling).await;
}
