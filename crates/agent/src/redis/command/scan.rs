//! Commands over all keys. They go in pages, so that nothing is held for long.

use super::glob::{self, Glob};
use super::key;
use super::wait::gone;
use crate::entropy::random_u64;
use crate::handle::Rumormill;
use crate::redis::fault::Fault;
use crate::redis::session::Session;
use crate::redis::wire::number;
use crate::redis::wire::resp::Request;
use rumormill_core::data::{Entry, Op};
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// Entries looked at in one go.
const PAGE: usize = 1000;
/// Most entries that one `SCAN` looks at, whatever `COUNT` says: it is a hint.
const MAX_SCAN: usize = 10_000;
/// Steps of patterns after which others get their turn.
const PATTERN_WORK: usize = 1 << 20;
/// How long keys are searched for a client that has closed its end: it may be waiting for the
/// answer, having no more to say, and nothing tells it from one that has hung up.
const HALF_CLOSED: Duration = Duration::from_secs(2);

/// A glob pattern, and the work done with it since others had their turn.
struct Pattern {
    glob: Glob,
    work: usize,
}

impl Pattern {
    fn new(glob: &[u8]) -> Result<Self, Fault> {
        if glob.len() > glob::MAX_PATTERN {
            let most = glob::MAX_PATTERN;
            return Err(Fault::from(format!("ERR the pattern is longer than {most} bytes")));
        }
        Ok(Self { glob: Glob::new(glob), work: 0 })
    }

    async fn matches(&mut self, key: &[u8]) -> bool {
        self.work += self.glob.cost(key.len());
        if self.work > PATTERN_WORK {
            self.work = 0;
            tokio::task::yield_now().await;
        }
        self.glob.matches(key)
    }
}

/// `KEYS pattern`
pub(crate) async fn keys(
    session: &mut Session,
    request: &Request<'_>,
) -> io::Result<Result<(), Fault>> {
    let mut pattern = match Pattern::new(request.arg(1)) {
        Ok(pattern) => pattern,
        Err(fault) => return Ok(Err(fault)),
    };
    // What was asked for before is answered before the search.
    session.send()?;
    session.settle();
    let node = session.server.node.clone();
    let found = tokio::select! {
        found = search(&node, request.arg(1), &mut pattern) => found,
        gone = gone(session.stream.tcp(), HALF_CLOSED) => return Err(gone),
    };
    session.out.array(found.len());
    for entry in found {
        session.out.bulk(entry.key());
        if session.crowded() {
            session.make_room().await?;
        }
    }
    Ok(Ok(()))
}

async fn search(node: &Rumormill, glob: &[u8], pattern: &mut Pattern) -> Vec<Arc<Entry>> {
    let (head, whole) = glob::literal_head(glob);
    if whole {
        return node.get(&head).into_iter().collect();
    }
    let mut found = Vec::new();
    let mut after: Option<Arc<Entry>> = None;
    loop {
        let page = node.scan(&head, after.as_deref().map(Entry::key), PAGE);
        let Some(last) = page.last() else { return found };
        after = Some(Arc::clone(last));
        for entry in page {
            if pattern.matches(entry.key()).await {
                found.push(entry);
            }
        }
        tokio::task::yield_now().await;
    }
}

/// `SCAN cursor [MATCH pattern] [COUNT count] [TYPE type]`
pub(crate) async fn scan(session: &mut Session, request: &Request<'_>) -> Result<(), Fault> {
    let cursor = number::parse_u64(request.arg(1)).ok_or(Fault::from("ERR invalid cursor"))?;
    let (mut pattern, mut count, mut wanted) = (None, 10, None);
    for index in (2..request.len()).step_by(2) {
        if index + 1 >= request.len() {
            return Err(Fault::SYNTAX);
        }
        let value = request.arg(index + 1);
        if request.is(index, "match") {
            pattern = if value == b"*" { None } else { Some(Pattern::new(value)?) };
        } else if request.is(index, "count") {
            let given = number::parse(value).ok_or(Fault::NOT_INTEGER)?;
            if given < 1 {
                return Err(Fault::SYNTAX);
            }
            count = usize::try_from(given).unwrap_or(MAX_SCAN).min(MAX_SCAN);
        } else if request.is(index, "type") {
            wanted = Some(value);
        } else {
            return Err(Fault::SYNTAX);
        }
    }
    let page = session.server.node.scan_hashed(cursor, count).await;
    let (next, mut page) = page.map_err(|error| Fault::of_write(&error))?;
    if let Some(wanted) = wanted {
        page.retain(|entry| wanted.eq_ignore_ascii_case(key::type_of(entry).as_bytes()));
    }
    if let Some(pattern) = &mut pattern {
        let mut matched = Vec::new();
        for entry in page {
            if pattern.matches(entry.key()).await {
                matched.push(entry);
            }
        }
        page = matched;
    }
    session.out.array(2);
    session.out.bulk(next.to_string().as_bytes());
    session.out.array(page.len());
    for entry in page {
        session.out.bulk(entry.key());
    }
    Ok(())
}

/// `RANDOMKEY`
pub(crate) async fn randomkey(session: &mut Session) -> Result<(), Fault> {
    let drawn = session.server.node.draw(random_u64()).await;
    let drawn = drawn.map_err(|error| Fault::of_write(&error))?;
    session.out.bulk_or_null(drawn.as_ref().map(|entry| entry.key()));
    Ok(())
}

/// `FLUSHALL [ASYNC|SYNC]` and `FLUSHDB [ASYNC|SYNC]`: deletes every live key, page by page.
pub(crate) async fn flush(session: &mut Session, request: &Request<'_>) -> Result<(), Fault> {
    let plain = request.len() == 1;
    let known = request.len() == 2 && (request.is(1, "async") || request.is(1, "sync"));
    if !plain && !known {
        return Err(Fault::SYNTAX);
    }
    let node = session.server.node.clone();
    let mut deleted = 0;
    let mut after: Option<Arc<Entry>> = None;
    loop {
        let page = node.scan(b"", after.as_deref().map(Entry::key), PAGE);
        let Some(last) = page.last() else { break };
        after = Some(Arc::clone(last));
        let ops = page.iter().map(|entry| Op::Delete { key: entry.key().into() }).collect();
        let done = node.write(ops).await.map_err(|error| Fault::of_write(&error))?;
        deleted += done.len();
        let written = done.iter().flatten().filter_map(|outcome| outcome.written.as_deref());
        written.for_each(|entry| session.written.note(entry));
    }
    let by = session.client.addr;
    tracing::info!(keys = deleted, by = %format_args!("Redis, from {by}"), "all keys were deleted");
    session.out.ok();
    Ok(())
}
