//! `rumormill agent`.

use crate::args::{AgentArgs, Format};
use crate::failure::{Code, Failure};
use crate::output::Output;
use anyhow::Context as _;
use rumormill::settings::{LogFormat, SettingsError};
use rumormill::{Agent, Ended, Settings};
use serde::{Deserialize, Serialize};
use std::io::{IsTerminal as _, Read as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use tokio::sync::oneshot;
use tracing_subscriber::EnvFilter;

/// What an agent says of itself when it has started, as one line of JSON for programs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Hello {
    pub name: String,
    pub id: String,
    pub cluster: String,
    pub gossip: SocketAddr,
    pub redis: Option<SocketAddr>,
    pub http: Option<SocketAddr>,
    /// Whether the Redis port speaks TLS.
    #[serde(default)]
    pub redis_tls: bool,
    /// Whether the HTTP port speaks TLS.
    #[serde(default)]
    pub http_tls: bool,
    /// The data folder; none if entries live in memory.
    pub data: Option<PathBuf>,
    pub pid: u32,
    pub version: String,
}

pub fn run(args: &AgentArgs, format: Format) -> anyhow::Result<()> {
    let env = |name: &str| std::env::var_os(name);
    let settings =
        Settings::load(args.config.as_deref(), &args.flags(), &env).map_err(|error| {
            let code = match error {
                SettingsError::Internal(_) => Code::Failed,
                _ => Code::Usage,
            };
            Failure::new(code, error.to_string())
        })?;
    if args.print_config {
        let mut out = Output::new(format);
        match out.is_json() {
            true => out.json(&serde_json::json!({ "toml": settings.to_toml() }))?,
            false => out.bytes(settings.to_toml().as_bytes())?,
        }
        return out.flush();
    }
    start_logs(&settings)?;
    raise_open_files();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    runtime.block_on(serve(settings, args.exit_with_stdin, format))
}

/// Takes as many open files as the system lets it have: each client is one, and the usual soft limit
/// of 1,024 is there for programs that use `select`.
fn raise_open_files() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, getrlimit, setrlimit};
        let mut limit = getrlimit(Resource::Nofile);
        if limit.current == limit.maximum {
            return;
        }
        limit.current = limit.maximum;
        if let Err(error) = setrlimit(Resource::Nofile, limit) {
            tracing::debug!(%error, "the limit on open files stays as it is");
        }
    }
}

async fn serve(settings: Settings, exit_with_stdin: bool, format: Format) -> anyhow::Result<()> {
    let (cluster, data) = (settings.config.cluster.clone(), settings.data.clone());
    let (redis_tls, http_tls) = (settings.redis_tls.is_some(), settings.http_tls.is_some());
    // Signals are listened to before anything is started that they should stop.
    let mut ends = Ends::listen(exit_with_stdin)?;
    let agent = Agent::start(settings).await?;
    let node = agent.node().clone();
    let (identity, at) = (node.identity().clone(), agent.addresses());
    let hello = Hello {
        name: identity.name.clone(),
        id: identity.id.to_string(),
        cluster,
        gossip: at.gossip,
        redis: at.redis,
        http: at.http,
        redis_tls,
        http_tls,
        data,
        pid: std::process::id(),
        version: env!("CARGO_PKG_VERSION").into(),
    };
    if let Err(error) = greet(&hello, format) {
        // Nobody may be reading; that is no reason not to run.
        tracing::debug!(%error, "the start was not printed");
    }
    match agent.run_until(async || ends.next().await).await {
        Ended::Stopped => tracing::info!("stopped"),
        Ended::Left => tracing::info!("left the cluster and stopped"),
        Ended::LeftInPart => {
            let missing = node.leaving().map(|told| told.missing.join("; ")).unwrap_or_default();
            anyhow::bail!("it has left, and not all was handed over: {missing}")
        }
        Ended::NameTaken(address) => anyhow::bail!(
            "another member named {:?} is alive at {address}: give this one a name of its own with \
             --name, stop the other, or let both be with --allow-shared-name; left and stopped",
            identity.name
        ),
        Ended::Failed(port) => anyhow::bail!("the {port} port ended by itself; stopped"),
    }
    Ok(())
}

fn greet(hello: &Hello, format: Format) -> anyhow::Result<()> {
    let mut out = Output::new(format);
    if out.is_json() {
        out.json(hello)?;
        return out.flush();
    }
    let addr = |addr: Option<SocketAddr>| addr.map_or("off".into(), |addr| addr.to_string());
    let data = match &hello.data {
        Some(path) => path.display().to_string(),
        None => "in memory, gone when the agent stops (--data DIR keeps it)".into(),
    };
    out.line(format!("rumormill {}: agent {} is up", hello.version, hello.name))?;
    let scheme = if hello.http_tls { "https" } else { "http" };
    let rows = [
        ("id", hello.id.clone()),
        ("cluster", hello.cluster.clone()),
        ("gossip", hello.gossip.to_string()),
        ("redis", addr(hello.redis) + if hello.redis_tls { " (TLS)" } else { "" }),
        ("http", hello.http.map_or("off".into(), |addr| format!("{scheme}://{addr}/"))),
        ("data", data),
    ];
    for (name, value) in rows {
        out.line(format!("  {name:<8} {value}"))?;
    }
    out.flush()
}

/// What asks an agent to end: SIGINT, SIGTERM, and (if wanted) the end of standard input.
struct Ends {
    signals: Signals,
    stdin: Option<oneshot::Receiver<()>>,
}

impl Ends {
    /// Listens from now on.
    fn listen(with_stdin: bool) -> anyhow::Result<Self> {
        let signals = Signals::listen()?;
        Ok(Self { signals, stdin: with_stdin.then(end_of_stdin).transpose()? })
    }

    /// Ready when one of them asks; the end of standard input does so once.
    async fn next(&mut self) {
        let stdin = async {
            match &mut self.stdin {
                // An error means that the thread is gone, which it is at the end only.
                Some(end) => drop(end.await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.signals.next() => return,
            () = stdin => {}
        }
        self.stdin = None;
    }
}

fn end_of_stdin() -> anyhow::Result<oneshot::Receiver<()>> {
    let (ended, end) = oneshot::channel();
    let wait = move || {
        let mut stdin = std::io::stdin().lock();
        let mut waste = [0; 1024];
        while stdin.read(&mut waste).is_ok_and(|read| read > 0) {}
        // Nobody listens any more when the agent is stopping already.
        let _ = ended.send(());
    };
    let thread = std::thread::Builder::new().name("stdin".into());
    thread.spawn(wait).context("cannot watch standard input")?;
    Ok(end)
}

/// SIGINT and SIGTERM.
#[cfg(unix)]
pub struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    /// Listens from now on.
    pub fn listen() -> anyhow::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let interrupt = signal(SignalKind::interrupt()).context("cannot listen to signals")?;
        let terminate = signal(SignalKind::terminate()).context("cannot listen to signals")?;
        Ok(Self { interrupt, terminate })
    }

    /// Ready when one has come.
    pub async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Ctrl-C.
#[cfg(not(unix))]
pub struct Signals;

#[cfg(not(unix))]
impl Signals {
    pub fn listen() -> anyhow::Result<Self> {
        Ok(Self)
    }

    pub async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

fn start_logs(settings: &Settings) -> anyhow::Result<()> {
    let env = std::env::var("RUST_LOG").ok().filter(|filter| !filter.is_empty());
    let (from, filter) = match &env {
        Some(filter) => ("RUST_LOG", filter),
        None => ("log", &settings.log),
    };
    let filter = EnvFilter::try_new(filter)
        .map_err(|error| Failure::usage(format!("{from}: {filter:?} is no filter: {error}")))?;
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match settings.log_format {
        LogFormat::Human => logs.with_ansi(std::io::stderr().is_terminal()).try_init(),
        LogFormat::Json => logs.json().try_init(),
    };
    started.map_err(|error| anyhow::anyhow!("cannot start the log: {error}"))
}
