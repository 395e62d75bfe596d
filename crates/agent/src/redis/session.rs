//! What one client has said of itself, and the carrying out of its requests.
//!
//! Consecutive writes wait in a batch and go to the node together; whatever must see them commits
//! the batch first, so replies come in the order of the requests.

use super::batch::{Answer, Batch};
use super::client::{self, Client};
use super::reply::{Out, Proto};
use super::resp::{Limits, Request};
use super::server::Server;
use super::stats;
use super::stream::Stream;
use super::table::{self, Command, Id, flag};
use super::wait::{self, Written};
use super::{command_info, config, handshake, info, keys, refused, strings, walk};
use crate::error::WriteError;
use rumormill_core::data::{Entry, Op};
use std::borrow::Cow;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::Interest;

/// A client may leave this many bytes of replies lying before its requests are left lying.
pub(super) const OUT_BOUND: usize = 32 * 1024 * 1024;
/// The same once all clients together hold too much.
pub(super) const OUT_BOUND_TIGHT: usize = 128 * 1024;

/// An error reply: a code in capitals, a space, a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault(pub Cow<'static, str>);

impl Fault {
    pub(super) const SYNTAX: Self = Self(Cow::Borrowed("ERR syntax error"));
    pub(super) const NOT_INTEGER: Self =
        Self(Cow::Borrowed("ERR value is not an integer or out of range"));

    pub(super) fn arity(name: &str) -> Self {
        Self::from(format!("ERR wrong number of arguments for '{name}' command"))
    }

    pub(super) fn of_write(error: &WriteError) -> Self {
        match error {
            WriteError::Store(_) => Self::from(format!("MISCONF {error}; reads go on")),
            _ => Self::from(format!("ERR {error}")),
        }
    }
}

impl From<&'static str> for Fault {
    fn from(text: &'static str) -> Self {
        Self(Cow::Borrowed(text))
    }
}

impl From<String> for Fault {
    fn from(text: String) -> Self {
        Self(Cow::Owned(text))
    }
}

/// Which replies a client wants (`CLIENT REPLY`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Muting {
    On,
    Off,
    /// The command after this one is not answered.
    SkipNext,
    /// This command is not answered.
    Skipping,
}

/// One client's state.
pub(super) struct Session {
    pub server: Arc<Server>,
    pub client: Arc<Client>,
    pub stream: Stream,
    pub out: Out,
    pub batch: Batch,
    /// For `WAIT`.
    pub written: Written,
    pub authenticated: bool,
    pub muting: Muting,
    /// No further requests are read.
    pub closing: bool,
    pub hits: u64,
    pub misses: u64,
    commands: u64,
    last: Option<Id>,
}

impl Session {
    pub(super) fn new(server: Arc<Server>, client: Arc<Client>, stream: Stream) -> Self {
        Self {
            authenticated: server.options.password.is_none(),
            server,
            client,
            stream,
            out: Out::default(),
            batch: Batch::default(),
            written: Written::default(),
            muting: Muting::On,
            closing: false,
            hits: 0,
            misses: 0,
            commands: 0,
            last: None,
        }
    }

    /// Bounds on the next request.
    pub(super) fn limits(&self) -> Limits {
        if self.authenticated { self.server.limits } else { Limits::UNAUTHENTICATED }
    }

    /// As if newly connected.
    pub(super) fn reset(&mut self) {
        self.authenticated = self.server.options.password.is_none();
        self.muting = Muting::On;
        self.out.muted = false;
        self.out.proto = Proto::default();
        self.client.reset();
    }

    /// Carries out one request. Its reply is in `out` or waits in the batch.
    pub(super) async fn execute(&mut self, request: &Request<'_>) -> io::Result<()> {
        self.commands += 1;
        let result = match self.admit(request) {
            Ok(command) => {
                self.last = Some(command.id);
                if !command.has(flag::QUEUES) {
                    self.commit().await?;
                }
                match command.id {
                    // Boxed, so that idle connections do not carry room for them.
                    Id::Mget => Box::pin(strings::mget(self, request)).await?,
                    Id::Keys => Box::pin(walk::keys(self, request)).await?,
                    Id::Scan => Box::pin(walk::scan(self, request)).await,
                    Id::Randomkey => Box::pin(walk::randomkey(self)).await,
                    Id::Wait => Box::pin(wait::wait(self, request)).await?,
                    Id::Flushall | Id::Flushdb => Box::pin(walk::flush(self, request)).await,
                    _ => self.run(command, request),
                }
            }
            Err(fault) => Err(fault),
        };
        if let Err(fault) = result {
            self.commit().await?;
            self.out.fault(&fault.0);
        }
        self.unmute();
        Ok(())
    }

    /// Finds the command and checks whether this client may call it so.
    fn admit(&mut self, request: &Request<'_>) -> Result<&'static Command, Fault> {
        let name = request.arg(0);
        let Some(command) = table::find(name) else {
            // A browser that was tricked into talking to this port must get nowhere (as Redis).
            if name.eq_ignore_ascii_case(b"post") || name.eq_ignore_ascii_case(b"host:") {
                stats::add(&self.server.options.stats.protocol_errors, 1);
                self.closing = true;
                return Err("ERR this port speaks the Redis protocol, not HTTP".into());
            }
            return Err(refused::explain(name, &mut request.from(1)).into());
        };
        let command = match command.subcommands {
            [] => command,
            _ if request.len() == 1 => command,
            _ => command.subcommand(request.arg(1)).ok_or_else(|| {
                let asked = request.arg(1);
                let asked = String::from_utf8_lossy(asked.get(..128).unwrap_or(asked));
                let container = command.name.to_ascii_uppercase();
                Fault::from(format!("ERR unknown subcommand '{asked}'. Try {container} HELP."))
            })?,
        };
        if !command.takes(request.len()) {
            return Err(Fault::arity(command.name));
        }
        if !self.authenticated && !command.has(flag::NO_AUTH) {
            return Err("NOAUTH Authentication required.".into());
        }
        Ok(command)
    }

    fn run(&mut self, command: &'static Command, request: &Request<'_>) -> Result<(), Fault> {
        use Id::{
            Append, Auth, Dbsize, Del, Echo, Exists, Expire, Expireat, Expiretime, Get, Getdel,
            Getex, Getrange, Getset, Hello, Info, MemoryUsage, Mset, ObjectEncoding,
            ObjectRefcount, Persist, Pexpire, Pexpireat, Pexpiretime, Ping, Psetex, Pttl, Quit,
            Reset, Select, Set, Setex, Strlen, Time, Touch, Ttl, Type, Unlink,
        };
        match command.id {
            Get => strings::get(self, request),
            Set => strings::set(self, request)?,
            Setex => strings::setex(self, request, 1000)?,
            Psetex => strings::setex(self, request, 1)?,
            Getset => strings::getset(self, request)?,
            Getdel => strings::getdel(self, request),
            Getex => strings::getex(self, request)?,
            Mset => strings::mset(self, request)?,
            Append => strings::append(self, request)?,
            Strlen => strings::strlen(self, request),
            Getrange => strings::getrange(self, request)?,
            Del | Unlink => keys::del(self, request),
            Exists | Touch => keys::exists(self, request),
            Type => keys::kind(self, request),
            Ttl => keys::time_left(self, request, 1000),
            Pttl => keys::time_left(self, request, 1),
            Expiretime => keys::expire_time(self, request, 1000),
            Pexpiretime => keys::expire_time(self, request, 1),
            Expire | Pexpire | Expireat | Pexpireat => keys::expire(self, command, request)?,
            Persist => keys::persist(self, request),
            ObjectEncoding => keys::encoding(self, request),
            ObjectRefcount => keys::refcount(self, request),
            MemoryUsage => keys::memory_usage(self, request),
            Ping => handshake::ping(self, request)?,
            Echo => self.out.bulk(request.arg(1)),
            Auth => handshake::auth(self, request)?,
            Hello => handshake::hello(self, request)?,
            Select => handshake::select(self, request)?,
            Reset => handshake::reset(self),
            Quit => handshake::quit(self),
            Info => info::run(self, request),
            Time => info::time(self),
            Dbsize => self.out.int(i64::try_from(self.server.node.len()).unwrap_or(i64::MAX)),
            id => return self.run_contained(id, request),
        }
        Ok(())
    }

    /// The subcommands of containers.
    fn run_contained(&mut self, id: Id, request: &Request<'_>) -> Result<(), Fault> {
        use Id::{
            ClientHelp, Command, CommandCount, CommandDocs, CommandGetkeys, CommandHelp,
            CommandInfo, CommandList, ConfigGet, ConfigHelp, ConfigResetstat, ConfigRewrite,
            ConfigSet, MemoryHelp, ObjectHelp,
        };
        match id {
            Command | CommandCount | CommandDocs | CommandGetkeys | CommandInfo | CommandList => {
                command_info::run(self, id, request)
            }
            ClientHelp | CommandHelp | ConfigHelp | MemoryHelp | ObjectHelp => {
                command_info::help(self, request);
                Ok(())
            }
            ConfigGet | ConfigSet | ConfigRewrite | ConfigResetstat => {
                config::run(self, id, request)
            }
            id => client::run(self, id, request),
        }
    }

    /// The live entry under a key, counted as a hit or a miss.
    pub(super) fn read(&mut self, key: &[u8]) -> Option<Arc<Entry>> {
        let entry = self.server.node.get(key);
        match entry {
            Some(_) => self.hits += 1,
            None => self.misses += 1,
        }
        entry
    }

    /// Puts operations into the batch, answered together.
    pub(super) fn write(&mut self, ops: impl IntoIterator<Item = Op>, answer: Answer) {
        self.batch.push(ops, answer, self.out.muted);
    }

    /// Sends the batch to the node and writes its replies.
    pub(super) async fn commit(&mut self) -> io::Result<()> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let muted = self.out.muted;
        let mut done = Box::pin(self.batch.carry_out(&self.server.node)).await;
        done.written().for_each(|entry| self.written.note(entry));
        while done.answer_next(&mut self.out) {
            if self.crowded() {
                self.make_room().await?;
            }
        }
        self.out.muted = muted;
        Ok(())
    }

    /// True if replies pile up, so that nothing more should be done for this client.
    pub(super) fn crowded(&self) -> bool {
        let unsent = self.out.unsent().len();
        unsent > OUT_BOUND || (unsent > OUT_BOUND_TIGHT && self.server.budget.is_spent())
    }

    /// Sends until replies are well below the bound.
    pub(super) async fn make_room(&mut self) -> io::Result<()> {
        self.drain(OUT_BOUND_TIGHT / 2).await
    }

    /// Sends until at most `left` bytes wait.
    ///
    /// # Errors
    /// If the connection broke, or took nothing for the configured time.
    pub(super) async fn drain(&mut self, left: usize) -> io::Result<()> {
        loop {
            self.send()?;
            let unsent = self.out.unsent().len();
            if unsent <= left && !(left == 0 && self.stream.is_pending()) {
                return Ok(());
            }
            let patience = self.server.options.slow_timeout;
            match tokio::time::timeout(patience, self.stream.ready(Interest::WRITABLE)).await {
                Ok(ready) => ready?,
                Err(_) => return Err(self.too_slow(patience)),
            }
        }
    }

    /// Counts a client that takes no replies; the error that ends it.
    pub(super) fn too_slow(&self, patience: Duration) -> io::Error {
        stats::add(&self.server.options.stats.closed_slow, 1);
        let text = format!("the client has taken no replies for {} s", patience.as_secs());
        io::Error::new(io::ErrorKind::TimedOut, text)
    }

    /// Sends as much as the socket takes now.
    pub(super) fn send(&mut self) -> io::Result<()> {
        let mut total = 0;
        while !self.out.unsent().is_empty() {
            match self.stream.try_write(self.out.unsent()) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => {
                    total += n as u64;
                    self.out.sent(n);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        stats::add(&self.server.options.stats.sent_bytes, total);
        self.stream.try_flush()
    }

    /// Adds what was counted since the last call to the shared counters.
    pub(super) fn settle(&mut self) {
        if self.commands == 0 {
            return;
        }
        let shared = &self.server.options.stats;
        stats::add(&shared.commands, std::mem::take(&mut self.commands));
        stats::add(&shared.hits, std::mem::take(&mut self.hits));
        stats::add(&shared.misses, std::mem::take(&mut self.misses));
        stats::add(&shared.errors, std::mem::take(&mut self.out.faults));
        self.client.touch(self.last);
    }

    fn unmute(&mut self) {
        match self.muting {
            Muting::On => {}
            Muting::Off => self.out.muted = true,
            Muting::SkipNext => {
                self.muting = Muting::Skipping;
                self.out.muted = true;
            }
            Muting::Skipping => {
                self.muting = Muting::On;
                self.out.muted = false;
            }
        }
    }
}
