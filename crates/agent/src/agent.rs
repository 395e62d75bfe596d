//! The agent: a node with a Redis port and an HTTP port beside it. A thin user of the library.

use crate::error::StartError;
use crate::handle::{LeaveOptions, Rumormill};
use crate::namesake::Namesake;
use crate::seal::Encryption;
use crate::settings::{OnTerminate, Settings};
use crate::tls::{Tls, TlsFiles};
use crate::{http, net, redis};
use rumormill_core::base::hash::Keyed;
use serde::Serialize;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How long the ports may take to finish once the agent stops; each has a shorter bound itself.
const DRAIN: Duration = Duration::from_secs(8);
/// How often the log says how far a leave is.
const TELL: Duration = Duration::from_secs(1);

/// A running agent. Dropping it stops its ports; [`Agent::run_until`] or [`Agent::stop`] stops it
/// in order.
pub struct Agent {
    node: Rumormill,
    addresses: Addresses,
    stopping: watch::Sender<bool>,
    services: JoinSet<&'static str>,
    /// Watches whether the name is taken, unless it may be.
    namesake: Option<Namesake>,
    on_terminate: OnTerminate,
    leave_timeout: Duration,
}

/// Where an agent is reached: the addresses that are really bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Addresses {
    /// Gossip.
    pub gossip: SocketAddr,
    /// The Redis protocol, if it is served.
    pub redis: Option<SocketAddr>,
    /// HTTP, if it is served.
    pub http: Option<SocketAddr>,
}

/// Why an agent ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It was asked to stop.
    Stopped,
    /// Its node left the cluster.
    Left,
    /// The same because of `on_terminate`, and not all was handed over; [`Rumormill::leaving`] has
    /// what.
    LeftInPart,
    /// Another member of its name is alive there, and was before it.
    NameTaken(SocketAddr),
    /// A part of it ended by itself: `Redis`, `HTTP` or `node`.
    Failed(&'static str),
}

impl Agent {
    /// Starts an agent on the current Tokio runtime.
    ///
    /// # Errors
    /// If a setting, an address or the data folder cannot be used, or a port would be open to
    /// strangers; nothing is left running.
    pub async fn start(settings: Settings) -> Result<Self, StartError> {
        refuse_strangers(&settings)?;
        let redis_tls = open_tls(&settings.redis_tls, None)?;
        let http_tls = open_tls(&settings.http_tls, Some("http/1.1"))?;
        let redis = bind("Redis", settings.redis)?;
        let http = bind("HTTP", settings.http)?;
        let (redis_addr, http_addr) = (bound("Redis", &redis)?, bound("HTTP", &http)?);
        let node = settings.builder().services(redis_addr, http_addr).start().await?;
        let addresses =
            Addresses { gossip: node.identity().gossip, redis: redis_addr, http: http_addr };
        let (stopping, stop) = watch::channel(false);
        let mut services = JoinSet::new();
        let mut redis_stats = None;
        if let Some(listener) = redis {
            let mut options = redis_options(&settings);
            options.tls = redis_tls.clone();
            redis_stats = Some(Arc::clone(&options.stats));
            let serving = redis::serve(listener, node.clone(), options, stop.clone());
            services.spawn(named("Redis", serving));
        }
        if let Some(listener) = http {
            let mut options = http_options(&settings);
            options.redis = redis_stats;
            (options.tls, options.redis_tls) = (http_tls, redis_tls);
            services.spawn(named("HTTP", http::serve(listener, node.clone(), options, stop)));
        }
        let namesake = (!settings.allow_shared_name).then(|| Namesake {
            own: node.identity().clone(),
            tag: Keyed::for_cluster(&settings.config.cluster).tag(),
            lock: node.shared.lock.clone(),
            snapshot: Arc::clone(&node.shared.snapshot),
        });
        let Settings { on_terminate, leave_timeout, .. } = settings;
        Ok(Self { node, addresses, stopping, services, namesake, on_terminate, leave_timeout })
    }

    /// The node.
    #[must_use]
    pub fn node(&self) -> &Rumormill {
        &self.node
    }

    /// The addresses that are really bound.
    #[must_use]
    pub fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// Runs until it is asked to end, the node has left the cluster, or a port has failed; then it
    /// stops in order. Everything acknowledged is on disk when this returns.
    ///
    /// `asked` is ready whenever somebody asks: the first time the agent does what `on_terminate`
    /// says; once more while it leaves, and it stops at once.
    pub async fn run_until(mut self, mut asked: impl AsyncFnMut()) -> Ended {
        let node = self.node.clone();
        let namesake = self.namesake.take();
        let taken = async {
            match &namesake {
                Some(namesake) => namesake.found().await,
                None => std::future::pending().await,
            }
        };
        let ended = tokio::select! {
            () = asked() => Ended::Stopped,
            address = taken => Ended::NameTaken(address),
            () = self.node.shared.commands.closed() => Ended::Failed("node"),
            Some(service) = self.services.join_next() => Ended::Failed(service.unwrap_or("a task")),
        };
        let leaves = self.on_terminate == OnTerminate::Leave && ended == Ended::Stopped;
        match ended {
            // Else it would be held dead, and passes would wait for it.
            Ended::NameTaken(_) => drop(node.leave().await),
            Ended::Stopped if leaves => leave(&node, self.leave_timeout, asked()).await,
            Ended::Stopped => tracing::info!("stopping as a member, since on_terminate = stop"),
            Ended::Left | Ended::LeftInPart | Ended::Failed(_) => {}
        }
        // This lets the request that made the node leave be answered, and noted.
        self.stop().await;
        match node.leaving() {
            _ if matches!(ended, Ended::NameTaken(_)) => ended,
            Some(told) if told.leaves && leaves && !told.missing.is_empty() => Ended::LeftInPart,
            Some(told) if told.leaves => Ended::Left,
            _ => ended,
        }
    }

    /// Stops: no new requests, those under way are finished, then the node stops.
    pub async fn stop(mut self) {
        // No receiver means that no service is left to tell.
        let _ = self.stopping.send(true);
        let drained = async { while self.services.join_next().await.is_some() {} };
        if tokio::time::timeout(DRAIN, drained).await.is_err() {
            tracing::warn!("requests under way were cut off");
            self.services.shutdown().await;
        }
        self.node.shutdown().await;
    }
}

/// Leaves as `rumormill leave` makes it, and says how far it is; stops at once if that is asked for.
async fn leave(node: &Rumormill, limit: Duration, again: impl Future<Output = ()>) {
    tracing::info!("leaving, since on_terminate = leave; asked again, it stops at once");
    let options = LeaveOptions::default().timeout(limit).by("on_terminate = leave");
    let (mut leaving, mut again) = (pin!(node.leave_with(options)), pin!(again));
    let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + TELL, TELL);
    let mut said = String::new();
    loop {
        tokio::select! {
            _ = &mut leaving => return,
            () = &mut again => break,
            _ = ticks.tick() => {}
        }
        let words = node.leaving().map(|told| told.words()).unwrap_or_default();
        if words != said {
            tracing::info!("still leaving: {words}");
            said = words;
        }
    }
    tracing::warn!("asked again while leaving: stopping at once, without a goodbye");
    node.give_up_leaving().await;
    leaving.await;
}

fn redis_options(settings: &Settings) -> redis::Options {
    let password = settings.redis_password.as_ref();
    redis::Options {
        password: password.map(|password| redis::Password::new(password.expose())),
        loading: settings.loading,
        ..redis::Options::default()
    }
}

fn http_options(settings: &Settings) -> http::Options {
    http::Options {
        token: settings.http_token.as_ref().map(|token| http::Secret::new(token.expose())),
        hosts: settings.http_hosts.clone(),
        joining: !settings.join.is_empty(),
        loading: settings.loading,
        ..http::Options::default()
    }
}

async fn named(name: &'static str, service: impl Future<Output = ()>) -> &'static str {
    service.await;
    name
}

fn refuse_strangers(settings: &Settings) -> Result<(), StartError> {
    if settings.insecure {
        return Ok(());
    }
    let locked = settings.keys.is_some() && settings.encryption == Encryption::Require;
    let guarded = [
        ("gossip", Some(settings.gossip), locked),
        (
            "Redis",
            settings.redis,
            settings.redis_password.is_some() || wants_certificates(&settings.redis_tls),
        ),
        (
            "HTTP",
            settings.http,
            settings.http_token.is_some() || wants_certificates(&settings.http_tls),
        ),
    ];
    for (what, addr, has_key) in guarded {
        if let Some(addr) = addr
            && !has_key
            && !addr.ip().to_canonical().is_loopback()
        {
            return Err(StartError::Insecure { what, addr });
        }
    }
    Ok(())
}

/// True if only clients with a certificate get in.
fn wants_certificates(files: &Option<TlsFiles>) -> bool {
    files.as_ref().is_some_and(|files| files.client_ca.is_some())
}

fn open_tls(
    files: &Option<TlsFiles>,
    protocol: Option<&'static str>,
) -> Result<Option<Arc<Tls>>, StartError> {
    let Some(files) = files.clone() else { return Ok(None) };
    let opened = Tls::open(files, protocol);
    opened.map(|tls| Some(Arc::new(tls))).map_err(|error| StartError::Other(error.to_string()))
}

fn bind(what: &'static str, addr: Option<SocketAddr>) -> Result<Option<TcpListener>, StartError> {
    let Some(addr) = addr else { return Ok(None) };
    net::listen(addr).map(Some).map_err(|source| StartError::Bind { what, addr, source })
}

fn bound(
    what: &'static str,
    listener: &Option<TcpListener>,
) -> Result<Option<SocketAddr>, StartError> {
    let Some(listener) = listener else { return Ok(None) };
    listener
        .local_addr()
        .map(Some)
        .map_err(|error| StartError::Other(format!("cannot tell the {what} address: {error}")))
}
