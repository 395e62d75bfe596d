//! The members to join by: addresses, host names and service names. Names are looked up again and
//! again for as long as the node runs; one that cannot be found is a warning, never an end.

mod dns;
mod resolver;

pub use resolver::{Lookup, Resolver, SystemResolver};

use crate::command::Command;
use crate::entropy::random_u64;
use crate::report::SeedStatus;
use crate::snapshot::Snapshot;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// What a service name begins with.
const SERVICE: &str = "srv+";
/// One name may take this long to be looked up.
const PATIENCE: Duration = Duration::from_secs(5);
/// While the node is alone or a name cannot be found, the pauses grow up to this.
const LONGEST: Duration = Duration::from_secs(10);
/// While all is well, names are looked up this often.
const CALM: Duration = Duration::from_secs(60);
/// Addresses of one name that are tried at most.
const MAX_ADDRESSES: usize = 256;

/// A member to join by, as it is written: `10.0.0.1:7400`, `db-1.example:7400`, or
/// `srv+_gossip._udp.example` for hosts and ports in SRV records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seed {
    Address(SocketAddr),
    Name(Name),
}

/// A member to join by that has to be looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    Host(String, u16),
    Service(String),
}

impl std::str::FromStr for Seed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(name) = text.strip_prefix(SERVICE) {
            dns::check_name(name).map_err(|wrong| {
                format!(
                    "{text:?} is no service to join by: {wrong}; write srv+_gossip._udp.example"
                )
            })?;
            return Ok(Self::Name(Name::Service(name.into())));
        }
        if let Ok(addr) = text.parse::<SocketAddr>()
            && addr.port() != 0
        {
            if let Some(what) = crate::reach::unreachable(addr.ip()) {
                return Err(format!(
                    "nobody can be reached at {addr}, {what}: name the address of a member"
                ));
            }
            return Ok(Self::Address(addr));
        }
        let named = text.rsplit_once(':').filter(|(host, _)| !host.is_empty());
        let named = named.and_then(|(host, port)| Some((host, port.parse().ok()?)));
        match named {
            Some((host, port @ 1..)) if !host.contains([':', '/', ' ']) => {
                Ok(Self::Name(Name::Host(host.into(), port)))
            }
            _ => Err(format!("{text:?} is no address to join by; write \"host:port\"")),
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(host, port) => write!(f, "{host}:{port}"),
            Self::Service(name) => write!(f, "{SERVICE}{name}"),
        }
    }
}

/// Looks the names up for as long as the node runs.
pub(crate) struct Seeker {
    names: Vec<Name>,
    resolver: Arc<dyn Resolver>,
    /// The shortest pause: how often seeds are tried.
    interval: Duration,
    found: Vec<SeedStatus>,
}

impl Seeker {
    pub(crate) fn new(names: Vec<Name>, resolver: Arc<dyn Resolver>, interval: Duration) -> Self {
        let new = |name: &Name| SeedStatus { name: name.to_string(), ..SeedStatus::default() };
        Self { found: names.iter().map(new).collect(), names, resolver, interval }
    }

    pub(crate) fn has_names(&self) -> bool {
        !self.names.is_empty()
    }

    /// Where the names were found.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        let mut all: Vec<_> =
            self.found.iter().flat_map(|found| found.addresses.iter().copied()).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Looks all names up, side by side.
    pub(crate) async fn look_up(&mut self) {
        let mut lookups = JoinSet::new();
        for (place, name) in self.names.iter().cloned().enumerate() {
            let resolver = Arc::clone(&self.resolver);
            lookups.spawn(async move { (place, look_up(&*resolver, &name).await) });
        }
        while let Some(done) = lookups.join_next().await {
            let Ok((place, result)) = done else { continue };
            let Some(found) = self.found.get_mut(place) else { continue };
            found.lookups += 1;
            let before = found.error.take();
            match result {
                Ok(addresses) => {
                    if before.is_some() {
                        tracing::info!(
                            name = found.name,
                            ?addresses,
                            "a member to join by is found"
                        );
                    }
                    found.addresses = addresses;
                }
                Err(error) => {
                    found.failures += 1;
                    found.error = Some(error.to_string());
                    if before.is_none()
                        && let Some(warning) = found.warning()
                    {
                        tracing::warn!("{warning}");
                    }
                }
            }
        }
    }

    /// Goes on until the node has stopped.
    pub(crate) async fn run(
        mut self,
        commands: mpsc::WeakSender<Command>,
        snapshot: Arc<Snapshot>,
    ) {
        let (mut told, mut pause) = ((Vec::new(), 0), self.interval);
        // The first time may be over already.
        let mut due = self.found.iter().any(|found| found.lookups == 0);
        loop {
            if due {
                self.look_up().await;
            }
            due = true;
            snapshot.seeds.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&self.found);
            let lost = self.found.iter().filter(|found| found.addresses.is_empty()).count();
            let seeds = (self.addresses(), lost);
            if seeds != told {
                told.clone_from(&seeds);
                let Some(commands) = commands.upgrade() else { return };
                let (seeds, lost) = seeds;
                if commands.send(Command::Seeds { seeds, lost }).await.is_err() {
                    return;
                }
            }
            let alone = snapshot.is_alone();
            let wait = if alone || self.found.iter().any(|found| found.error.is_some()) {
                let longer = (pause * 2).min(LONGEST.max(self.interval));
                std::mem::replace(&mut pause, longer)
            } else {
                pause = self.interval;
                CALM.max(self.interval)
            };
            let until = tokio::time::Instant::now() + jittered(wait);
            while tokio::time::Instant::now() < until {
                let step = tokio::time::Instant::now() + self.interval;
                tokio::time::sleep_until(step.min(until)).await;
                if commands.upgrade().is_none_or(|commands| commands.is_closed()) {
                    return;
                }
                if !alone && snapshot.is_alone() {
                    // Everyone is lost: they may have moved.
                    pause = self.interval;
                    break;
                }
            }
        }
    }
}

/// Between three quarters of a time and all of it: nodes that begin together go apart.
fn jittered(time: Duration) -> Duration {
    let share = u32::try_from(random_u64() % 256).unwrap_or(0);
    time - time / 1024 * share
}

/// All addresses of a name.
async fn look_up(resolver: &dyn Resolver, name: &Name) -> io::Result<Vec<SocketAddr>> {
    let found = async {
        match name {
            Name::Host(host, port) => resolver.host(host, *port).await,
            Name::Service(service) => {
                let (mut all, mut failed) = (Vec::new(), None);
                for (host, port) in resolver.service(service).await? {
                    match resolver.host(&host, port).await {
                        Ok(found) => all.extend(found),
                        Err(error) => {
                            let text = format!("{host}: {error}");
                            failed = Some(io::Error::new(error.kind(), text));
                        }
                    }
                }
                match failed {
                    Some(error) if all.is_empty() => Err(error),
                    _ => Ok(all),
                }
            }
        }
    };
    let late = || io::Error::new(io::ErrorKind::TimedOut, "no answer in 5 s");
    let mut found = tokio::time::timeout(PATIENCE, found).await.unwrap_or_else(|_| Err(late()))?;
    found.retain(|addr| addr.port() != 0);
    if found.is_empty() {
        return Err(io::Error::new(io::ErrorKind::NotFound, "it has no addresses"));
    }
    found.truncate(MAX_ADDRESSES);
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_addresses_hosts_or_services() {
        let seed = |text: &str| text.parse::<Seed>();
        let addr = |text: &str| Ok(Seed::Address(text.parse().unwrap()));
        let host = |host: &str, port| Ok(Seed::Name(Name::Host(host.into(), port)));
        assert_eq!(seed("10.0.0.1:7400"), addr("10.0.0.1:7400"));
        assert_eq!(seed("[::1]:7400"), addr("[::1]:7400"));
        assert_eq!(seed("db-1.example:7400"), host("db-1.example", 7400));
        let service = Name::Service("_gossip._udp.example".into());
        assert_eq!(service.to_string(), "srv+_gossip._udp.example");
        assert_eq!(seed("srv+_gossip._udp.example"), Ok(Seed::Name(service)));
        for bad in [
            "0.0.0.0:1",
            "224.0.0.1:1",
            "",
            "a",
            ":1",
            "a:0",
            "10.0.0.1:0",
            "a:b",
            "::1",
            "a b:1",
            "srv+",
            "srv+a..b",
        ] {
            assert!(seed(bad).is_err(), "{bad}");
        }
        assert!(seed("srv+a b").unwrap_err().contains("srv+_gossip._udp.example"));
    }

    #[test]
    fn pauses_are_not_in_step() {
        let wait = Duration::from_secs(8);
        for _ in 0..100 {
            assert!((wait * 3 / 4..=wait).contains(&jittered(wait)));
        }
    }
}
