//! Who is connected, and what each has said of itself.

use super::wire::reply::Proto;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// One connected client, as others see it.
#[derive(Debug)]
pub(super) struct Client {
    pub id: u64,
    pub addr: SocketAddr,
    pub local: SocketAddr,
    pub since: Instant,
    /// Milliseconds from `since` to the last request.
    pub active: AtomicU64,
    /// The number of the last command, as the table has it.
    pub last: AtomicU16,
    /// It waits for something, in `WAIT` that is.
    blocked: AtomicBool,
    about: Mutex<About>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct About {
    pub name: Box<str>,
    pub library: Box<str>,
    pub version: Box<str>,
    pub proto: Proto,
}

impl Client {
    /// Notes that a request was served.
    pub(super) fn touch(&self, last: Option<u16>) {
        let active = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.active.store(active, Ordering::Relaxed);
        if let Some(last) = last {
            self.last.store(last, Ordering::Relaxed);
        }
    }

    /// Shows it as waiting for as long as the result lives.
    pub(super) fn block(self: &Arc<Self>) -> Blocked {
        self.blocked.store(true, Ordering::Relaxed);
        Blocked(Arc::clone(self))
    }

    pub(super) fn is_blocked(&self) -> bool {
        self.blocked.load(Ordering::Relaxed)
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

    /// What it has said of itself.
    pub(super) fn about(&self) -> MutexGuard<'_, About> {
        self.about.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// See [`Client::block`].
pub(super) struct Blocked(Arc<Client>);

impl Drop for Blocked {
    fn drop(&mut self) {
        self.0.blocked.store(false, Ordering::Relaxed);
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
            blocked: AtomicBool::new(false),
            about: Mutex::default(),
        });
        self.lock().insert(client.id, Arc::clone(&client));
        client
    }

    /// Forgets a client.
    pub(super) fn part(&self, id: u64) {
        self.lock().remove(&id);
    }

    /// All of them, or those with these ids, in the order of the ids given.
    pub(super) fn chosen(&self, only: Option<&[u64]>) -> Vec<Arc<Client>> {
        match only {
            None => self.lock().values().cloned().collect(),
            Some(ids) => {
                let all = self.lock();
                ids.iter().filter_map(|id| all.get(id).cloned()).collect()
            }
        }
    }

    /// How many wait for something.
    pub(super) fn blocked(&self) -> usize {
        self.lock().values().filter(|client| client.is_blocked()).count()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Client>>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
