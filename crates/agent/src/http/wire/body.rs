//! Bodies: reading one with bounds on time and size, and feeding one piece by piece.

use super::problem::Problem;
use axum::body::{Body, BodyDataStream, Bytes};
use axum::http::StatusCode;
use futures_core::Stream;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// What is read of a refused body, so that a client that writes first and reads afterwards sees
/// the refusal and not a reset connection.
const DRAIN_BYTES: usize = 64 << 20;
const DRAIN_TIME: Duration = Duration::from_secs(10);

/// Pieces of an answer that wait for the client at most.
const AHEAD: usize = 4;
/// Pieces are about this long, or as long as one entry.
pub(crate) const PIECE: usize = 64 * 1024;

/// A body on its way in.
pub(crate) struct Upload {
    stream: BodyDataStream,
    patience: Duration,
}

impl Upload {
    pub(crate) fn new(body: Body, patience: Duration) -> Self {
        Self { stream: body.into_data_stream(), patience }
    }

    /// The next piece; `None` at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Problem> {
        match timeout(self.patience, self.piece()).await {
            Ok(Some(Ok(piece))) => Ok(Some(piece)),
            Ok(None) => Ok(None),
            Ok(Some(Err(error))) => Err(Problem::bad(format!("the body broke off: {error}"))),
            Err(_) => Err(self.too_slow()),
        }
    }

    /// The whole body, within one span of patience for all of it.
    pub(crate) async fn whole(
        &mut self,
        declared: Option<u64>,
        limit: usize,
    ) -> Result<Vec<u8>, Problem> {
        if declared.is_some_and(|length| length > limit as u64) {
            return Err(too_long(limit));
        }
        let patience = self.patience;
        let read = async {
            let mut whole = Vec::new();
            while let Some(piece) = self.piece().await {
                let piece =
                    piece.map_err(|error| Problem::bad(format!("the body broke off: {error}")))?;
                if whole.len() + piece.len() > limit {
                    return Err(too_long(limit));
                }
                whole.extend_from_slice(&piece);
            }
            Ok(whole)
        };
        let read = timeout(patience, read).await;
        read.unwrap_or_else(|_| Err(self.too_slow()))
    }

    /// Reads on for a bounded while and throws away what comes.
    pub(crate) fn drain(mut self) {
        tokio::spawn(timeout(DRAIN_TIME, async move {
            let mut left = DRAIN_BYTES;
            while let Some(Ok(piece)) = self.piece().await {
                let Some(still) = left.checked_sub(piece.len()) else { return };
                left = still;
            }
        }));
    }

    async fn piece(&mut self) -> Option<Result<Bytes, axum::Error>> {
        std::future::poll_fn(|context| Pin::new(&mut self.stream).poll_next(context)).await
    }

    fn too_slow(&self) -> Problem {
        let patience = humantime::format_duration(self.patience);
        let message = format!("the body did not arrive within {patience}; send it again");
        Problem::new(StatusCode::REQUEST_TIMEOUT, message)
    }
}

fn too_long(limit: usize) -> Problem {
    let message = format!(
        "the value is over the limit of {limit} bytes (limits.max_value); split it over several \
         keys, or raise the limit"
    );
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, message).with("limit", limit as u64)
}

/// Where an answer's pieces are put in; putting waits while the client is behind.
pub(crate) type Feeder = mpsc::Sender<io::Result<Bytes>>;

/// A body that is fed while it is sent. It ends when the feeder is dropped; an error cuts it off,
/// so that the client knows that there should have been more.
pub(crate) fn fed() -> (Feeder, Body) {
    let (feeder, pieces) = mpsc::channel(AHEAD);
    (feeder, Body::from_stream(Fed(pieces)))
}

struct Fed(mpsc::Receiver<io::Result<Bytes>>);

impl Stream for Fed {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(context)
    }
}
