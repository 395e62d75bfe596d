//! What the port knows of each client, and the `CLIENT` command.

use super::number;
use super::reply::Proto;
use super::resp::Request;
use super::session::{Fault, Muting, Session};
use super::table::{self, Id};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Longest name, library name or version of a client, bytes.
const MAX_TEXT: usize = 256;

/// One connected client, as others see it.
#[derive(Debug)]
pub(super) struct Client {
    pub id: u64,
    pub addr: SocketAddr,
    pub local: SocketAddr,
    since: Instant,
    /// Milliseconds from `since` to the last request.
    active: AtomicU64,
    last: AtomicU16,
    about: Mutex<About>,
}

#[derive(Clone, Debug, Default)]
struct About {
    name: Box<str>,
    library: Box<str>,
    version: Box<str>,
    proto: Proto,
}

impl Client {
    /// Notes that a request was served.
    pub(super) fn touch(&self, last: Option<Id>) {
        let active = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.active.store(active, Ordering::Relaxed);
        if let Some(last) = last {
            self.last.store(last as u16, Ordering::Relaxed);
        }
    }

    pub(super) fn set_proto(&self, proto: Proto) {
        self.about().proto = proto;
    }

    /// Forgets the name.
    pub(super) fn reset(&self) {
        let mut about = self.about();
        about.name = Box::default();
        about.proto = Proto::default();
    }

    fn about(&self) -> MutexGuard<'_, About> {
        self.about.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A line of `CLIENT LIST`, with its line end.
    fn describe(&self, to: &mut String) {
        let about = self.about().clone();
        let age = self.since.elapsed();
        let active = std::time::Duration::from_millis(self.active.load(Ordering::Relaxed));
        let last = table::by_number(self.last.load(Ordering::Relaxed)).map_or("NULL", |c| c.name);
        // Writing to a string does not fail.
        let _ = writeln!(
            to,
            "id={} addr={} laddr={} fd=-1 name={} age={} idle={} flags=N db=0 sub=0 psub=0 ssub=0 \
             multi=-1 watch=0 cmd={} user=default redir=-1 resp={} lib-name={} lib-ver={}",
            self.id,
            self.addr,
            self.local,
            about.name,
            age.as_secs(),
            age.saturating_sub(active).as_secs(),
            last,
            about.proto.number(),
            about.library,
            about.version,
        );
    }
}

/// Everyone connected, by id.
#[derive(Debug, Default)]
pub(super) struct Clients {
    next: AtomicU64,
    all: Mutex<BTreeMap<u64, Arc<Client>>>,
}

impl Clients {
    /// Takes a client in.
    pub(super) fn join(&self, addr: SocketAddr, local: SocketAddr) -> Arc<Client> {
        let client = Arc::new(Client {
            id: self.next.fetch_add(1, Ordering::Relaxed) + 1,
            addr,
            local,
            since: Instant::now(),
            active: AtomicU64::new(0),
            last: AtomicU16::new(u16::MAX),
            about: Mutex::default(),
        });
        self.lock().insert(client.id, Arc::clone(&client));
        client
    }

    /// Forgets a client.
    pub(super) fn part(&self, id: u64) {
        self.lock().remove(&id);
    }

    fn list(&self, only: Option<&[u64]>) -> String {
        let clients: Vec<_> = match only {
            None => self.lock().values().cloned().collect(),
            Some(ids) => {
                let all = self.lock();
                ids.iter().filter_map(|id| all.get(id).cloned()).collect()
            }
        };
        let mut text = String::new();
        for client in clients {
            client.describe(&mut text);
        }
        text
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Client>>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Carries out a `CLIENT` subcommand.
pub(super) fn run(session: &mut Session, id: Id, request: &Request<'_>) -> Result<(), Fault> {
    match id {
        Id::ClientId => {
            session.out.int(i64::try_from(session.client.id).unwrap_or(i64::MAX));
        }
        Id::ClientGetname => {
            let name = session.client.about().name.clone();
            session.out.bulk_or_null((!name.is_empty()).then_some(name.as_bytes()));
        }
        Id::ClientSetname => {
            set_name(session, request.arg(2))?;
            session.out.ok();
        }
        Id::ClientSetinfo => set_info(session, request)?,
        Id::ClientInfo => {
            let mut text = String::new();
            session.client.describe(&mut text);
            session.out.verbatim(&text);
        }
        Id::ClientList => list(session, request)?,
        Id::ClientNoEvict | Id::ClientNoTouch => match on_or_off(request, 2) {
            Some(_) => session.out.ok(),
            None => return Err(Fault::SYNTAX),
        },
        Id::ClientReply => reply(session, request)?,
        _ => return Err(Fault::SYNTAX),
    }
    Ok(())
}

/// Sets the client's name, as `CLIENT SETNAME` and `HELLO` do.
pub(super) fn set_name(session: &Session, name: &[u8]) -> Result<(), Fault> {
    check_text(name, "Client names")?;
    session.client.about().name = String::from_utf8_lossy(name).into();
    Ok(())
}

fn check_text(text: &[u8], what: &str) -> Result<(), Fault> {
    if !text.iter().all(|byte| (b'!'..=b'~').contains(byte)) {
        let message = format!("ERR {what} cannot contain spaces, newlines or special characters.");
        return Err(Fault::from(message));
    }
    if text.len() > MAX_TEXT {
        return Err(Fault::from(format!("ERR {what} are at most {MAX_TEXT} bytes long")));
    }
    Ok(())
}

fn set_info(session: &mut Session, request: &Request<'_>) -> Result<(), Fault> {
    let value = request.arg(3);
    let what = String::from_utf8_lossy(request.arg(2)).to_ascii_lowercase();
    if !matches!(what.as_str(), "lib-name" | "lib-ver") {
        return Err(Fault::from(format!("ERR Unrecognized option '{what}'")));
    }
    check_text(value, &what)?;
    let value = String::from_utf8_lossy(value).into();
    let mut about = session.client.about();
    match what.as_str() {
        "lib-name" => about.library = value,
        _ => about.version = value,
    }
    drop(about);
    session.out.ok();
    Ok(())
}

fn list(session: &mut Session, request: &Request<'_>) -> Result<(), Fault> {
    let text = if request.len() == 2 {
        session.server.clients.list(None)
    } else if request.is(2, "type") && request.len() == 4 {
        match request.arg(3).to_ascii_lowercase().as_slice() {
            b"normal" => session.server.clients.list(None),
            b"master" | b"replica" | b"slave" | b"pubsub" => String::new(),
            other => {
                let other = String::from_utf8_lossy(other).into_owned();
                return Err(Fault::from(format!("ERR Unknown client type '{other}'")));
            }
        }
    } else if request.is(2, "id") && request.len() > 3 {
        let ids: Option<Vec<u64>> = request.from(3).map(number::parse_u64).collect();
        let ids = ids.ok_or(Fault::from("ERR Invalid client ID"))?;
        session.server.clients.list(Some(&ids))
    } else {
        return Err(Fault::SYNTAX);
    };
    session.out.verbatim(&text);
    Ok(())
}

fn reply(session: &mut Session, request: &Request<'_>) -> Result<(), Fault> {
    if request.is(2, "skip") {
        if session.muting == Muting::On {
            session.muting = Muting::SkipNext;
        }
        session.out.muted = true;
        return Ok(());
    }
    match on_or_off(request, 2).ok_or(Fault::SYNTAX)? {
        true => {
            session.muting = Muting::On;
            session.out.muted = false;
            session.out.ok();
        }
        false => {
            session.muting = Muting::Off;
            session.out.muted = true;
        }
    }
    Ok(())
}

fn on_or_off(request: &Request<'_>, index: usize) -> Option<bool> {
    match (request.is(index, "on"), request.is(index, "off")) {
        (true, _) => Some(true),
        (_, true) => Some(false),
        _ => None,
    }
}
