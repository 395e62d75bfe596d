//! Changes as server-sent events.

use crate::handle::{Watch, WatchError};
use crate::http::app::{App, stopped};
use crate::http::wire::body::{Feeder, PIECE, fed};
use crate::http::wire::json;
use crate::http::wire::problem::Problem;
use crate::http::wire::query::Query;
use crate::view::Event;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use std::sync::Arc;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

/// `GET` of the changes under a prefix, from now on until the client goes or the node stops.
pub(crate) async fn watch(State(app): State<Arc<App>>, uri: Uri) -> Result<Response, Problem> {
    let query = Query::parse(uri.query(), &["prefix", "keys"])?;
    let with_values = !query.flag("keys")?;
    let Ok(permit) = Arc::clone(&app.watchers).try_acquire_owned() else {
        let message = format!(
            "all {} watches of this node are taken; end some, or watch another node",
            app.options.max_watchers
        );
        return Err(
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, message).header(header::RETRY_AFTER, "5")
        );
    };
    let (feeder, body) = fed();
    // Subscribed before the answer begins: what is written after that is seen.
    let watch = app.node.watch(query.prefix());
    tokio::spawn(async move {
        app.metrics.watches.inc();
        feed(&app, watch, with_values, feeder).await;
        app.metrics.watches.dec();
        drop(permit);
    });
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store"),
        // Some proxies hold answers back to send more at once.
        (header::HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    Ok((headers, body).into_response())
}

async fn feed(app: &App, mut watch: Watch, with_values: bool, feeder: Feeder) {
    let mut shutdown = app.shutdown.clone();
    let every = app.options.heartbeat;
    let mut heartbeat = interval_at(Instant::now() + every, every);
    heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut piece = b"retry: 1000\n: watching\n\n".to_vec();
    loop {
        if feeder.send(Ok(Bytes::from(std::mem::take(&mut piece)))).await.is_err() {
            return;
        }
        tokio::select! {
            biased;
            () = feeder.closed() => return,
            () = stopped(&mut shutdown) => return,
            next = watch.next() => if !add(&mut piece, next, with_values) { return },
            _ = heartbeat.tick() => piece.extend_from_slice(b": still here\n\n"),
        }
        // Under load one piece carries what else is there already.
        while piece.len() < PIECE {
            let next = tokio::select! {
                biased;
                next = watch.next() => next,
                () = std::future::ready(()) => break,
            };
            if !add(&mut piece, next, with_values) {
                let _ = feeder.send(Ok(Bytes::from(piece))).await;
                return;
            }
        }
    }
}

/// Adds an event to a piece; false if there will be no more.
fn add(piece: &mut Vec<u8>, next: Result<Event, WatchError>, with_values: bool) -> bool {
    match next {
        Ok(event) => {
            let head = format!("event: {}\nid: {}\n", event.kind.name(), event.entry.stamp());
            piece.extend_from_slice(head.as_bytes());
            piece.extend_from_slice(b"data: ");
            piece.extend_from_slice(&json::event(&event, with_values));
            piece.extend_from_slice(b"\n\n");
            true
        }
        Err(WatchError::Missed(count)) => {
            let text = format!("event: missed\ndata: {{\"missed\":{count}}}\n\n");
            piece.extend_from_slice(text.as_bytes());
            true
        }
        Err(WatchError::Closed) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watcher_that_lagged_is_told_how_much_it_missed() {
        let mut piece = Vec::new();
        assert!(add(&mut piece, Err(WatchError::Missed(7)), true));
        assert_eq!(piece, b"event: missed\ndata: {\"missed\":7}\n\n");
        assert!(!add(&mut piece, Err(WatchError::Closed), true));
    }
}
