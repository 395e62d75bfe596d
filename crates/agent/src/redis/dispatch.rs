//! Finds the command that a request asks for, and carries it out.

use super::command::table::{self, Command, Id, flag};
use super::command::{
    client, config, handshake, info, introspect, key, refused, scan, string, wait,
};
use super::fault::Fault;
use super::session::Session;
use super::stats;
use super::wire::resp::Request;
use std::io;

/// Carries out one request. Its reply is in `out` or waits in the batch.
pub(super) async fn execute(session: &mut Session, request: &Request<'_>) -> io::Result<()> {
    session.commands += 1;
    let result = match admit(session, request) {
        Ok(command) => {
            session.last = Some(command.id as u16);
            if !command.has(flag::QUEUES) {
                session.commit().await?;
            }
            match command.id {
                // Boxed, so that idle connections do not carry room for them.
                Id::Mget => Box::pin(string::mget(session, request)).await?,
                Id::Keys => Box::pin(scan::keys(session, request)).await?,
                Id::Scan => Box::pin(scan::scan(session, request)).await,
                Id::Randomkey => Box::pin(scan::randomkey(session)).await,
                Id::Wait => Box::pin(wait::wait(session, request)).await?,
                Id::Flushall | Id::Flushdb => Box::pin(scan::flush(session, request)).await,
                _ => run(session, command, request),
            }
        }
        Err(fault) => Err(fault),
    };
    if let Err(fault) = result {
        session.commit().await?;
        session.out.fault(&fault.0);
    }
    session.unmute();
    Ok(())
}

/// Finds the command and checks whether this client may call it so.
fn admit(session: &mut Session, request: &Request<'_>) -> Result<&'static Command, Fault> {
    let name = request.arg(0);
    let Some(command) = table::find(name) else {
        // A browser that was tricked into talking to this port must get nowhere (as Redis).
        if name.eq_ignore_ascii_case(b"post") || name.eq_ignore_ascii_case(b"host:") {
            stats::add(&session.server.options.stats.protocol_errors, 1);
            session.closing = true;
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
    if !session.authenticated && !command.has(flag::NO_AUTH) {
        return Err("NOAUTH Authentication required.".into());
    }
    if !command.has(flag::LOADING) && session.server.is_loading() {
        return Err(Fault::LOADING);
    }
    Ok(command)
}

fn run(
    session: &mut Session,
    command: &'static Command,
    request: &Request<'_>,
) -> Result<(), Fault> {
    use Id::{
        Append, Auth, Dbsize, Del, Echo, Exists, Expire, Expireat, Expiretime, Get, Getdel, Getex,
        Getrange, Getset, Hello, Info, MemoryUsage, Mset, ObjectEncoding, ObjectRefcount, Persist,
        Pexpire, Pexpireat, Pexpiretime, Ping, Psetex, Pttl, Quit, Reset, Select, Set, Setex,
        Strlen, Time, Touch, Ttl, Type, Unlink,
    };
    match command.id {
        Get => string::get(session, request)?,
        Set => string::set(session, request)?,
        Setex => string::setex(session, request, 1000)?,
        Psetex => string::setex(session, request, 1)?,
        Getset => string::getset(session, request)?,
        Getdel => string::getdel(session, request),
        Getex => string::getex(session, request)?,
        Mset => string::mset(session, request)?,
        Append => string::append(session, request)?,
        Strlen => string::strlen(session, request)?,
        Getrange => string::getrange(session, request)?,
        Del | Unlink => key::del(session, request),
        Exists | Touch => key::exists(session, request),
        Type => key::kind(session, request),
        Ttl => key::time_left(session, request, 1000),
        Pttl => key::time_left(session, request, 1),
        Expiretime => key::expire_time(session, request, 1000),
        Pexpiretime => key::expire_time(session, request, 1),
        Expire | Pexpire | Expireat | Pexpireat => key::expire(session, command, request)?,
        Persist => key::persist(session, request),
        ObjectEncoding => key::encoding(session, request),
        ObjectRefcount => key::refcount(session, request),
        MemoryUsage => key::memory_usage(session, request),
        Ping => handshake::ping(session, request)?,
        Echo => session.out.bulk(request.arg(1)),
        Auth => handshake::auth(session, request)?,
        Hello => handshake::hello(session, request)?,
        Select => handshake::select(session, request)?,
        Reset => handshake::reset(session),
        Quit => handshake::quit(session),
        Info => info::run(session, request),
        Time => info::time(session),
        Dbsize => session.out.int(i64::try_from(session.server.node.len()).unwrap_or(i64::MAX)),
        id => return run_contained(session, id, request),
    }
    Ok(())
}

/// The subcommands of containers.
fn run_contained(session: &mut Session, id: Id, request: &Request<'_>) -> Result<(), Fault> {
    use Id::{
        ClientHelp, Command, CommandCount, CommandDocs, CommandGetkeys, CommandHelp, CommandInfo,
        CommandList, ConfigGet, ConfigHelp, ConfigResetstat, ConfigRewrite, ConfigSet, MemoryHelp,
        ObjectHelp,
    };
    match id {
        Command | CommandCount | CommandDocs | CommandGetkeys | CommandInfo | CommandList => {
            introspect::run(session, id, request)
        }
        ClientHelp | CommandHelp | ConfigHelp | MemoryHelp | ObjectHelp => {
            introspect::help(session, request);
            Ok(())
        }
        ConfigGet | ConfigSet | ConfigRewrite | ConfigResetstat => {
            config::run(session, id, request)
        }
        id => client::run(session, id, request),
    }
}
