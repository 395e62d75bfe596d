//! What is counted of a port's handshakes.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

/// Why a handshake failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The client did not speak TLS.
    Plain,
    /// It took too long.
    Timeout,
    /// It got no turn in time, because too many were under way.
    Busy,
    /// The client showed no certificate, and one is wanted.
    NoCertificate,
    /// The client's certificate is not of the authority that is trusted, or not valid.
    BadCertificate,
    /// The client refused: it does not trust the certificate that it was shown, most likely.
    ClientRefused,
    /// The two have no version or cipher in common.
    Incompatible,
    /// The client went away.
    Gone,
    /// What the client sent made no sense.
    Malformed,
}

const REASONS: [(Reason, &str); 9] = [
    (Reason::Plain, "plain"),
    (Reason::Timeout, "timeout"),
    (Reason::Busy, "busy"),
    (Reason::NoCertificate, "no_certificate"),
    (Reason::BadCertificate, "bad_certificate"),
    (Reason::ClientRefused, "client_refused"),
    (Reason::Incompatible, "incompatible"),
    (Reason::Gone, "gone"),
    (Reason::Malformed, "malformed"),
];

impl Reason {
    /// The reason behind an error of a handshake.
    pub(super) fn of(error: &io::Error) -> Self {
        let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>())
        else {
            return Self::Gone;
        };
        match tls {
            rustls::Error::NoCertificatesPresented => Self::NoCertificate,
            rustls::Error::InvalidCertificate(_) | rustls::Error::InvalidCertRevocationList(_) => {
                Self::BadCertificate
            }
            rustls::Error::AlertReceived(_) => Self::ClientRefused,
            rustls::Error::PeerIncompatible(_) | rustls::Error::NoApplicationProtocol => {
                Self::Incompatible
            }
            _ => Self::Malformed,
        }
    }
}

/// Counters since the start, of one port.
#[derive(Debug, Default)]
pub struct TlsCounters {
    /// Handshakes that succeeded.
    pub handshakes: AtomicU64,
    /// Certificates that took the place of others.
    pub reloads: AtomicU64,
    /// Changed files that could not be used.
    pub reload_failures: AtomicU64,
    failed: [AtomicU64; REASONS.len()],
}

impl TlsCounters {
    /// Failed handshakes by reason; all reasons, in the same order always.
    pub fn failed(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        let counts = self.failed.iter().map(|count| count.load(Ordering::Relaxed));
        REASONS.iter().map(|(_, name)| *name).zip(counts)
    }

    /// Failed handshakes for one reason.
    #[must_use]
    pub fn failed_by(&self, reason: Reason) -> u64 {
        self.slot(reason).map_or(0, |count| count.load(Ordering::Relaxed))
    }

    /// Counts a failure; how many there were before.
    pub(super) fn fail(&self, reason: Reason) -> u64 {
        self.slot(reason).map_or(0, |count| count.fetch_add(1, Ordering::Relaxed))
    }

    fn slot(&self, reason: Reason) -> Option<&AtomicU64> {
        let at = REASONS.iter().position(|(one, _)| *one == reason)?;
        self.failed.get(at)
    }
}
