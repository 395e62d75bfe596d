//! Commands about the connection itself.

use super::REDIS_VERSION;
use super::client;
use crate::redis::fault::Fault;
use crate::redis::session::Session;
use crate::redis::stats;
use crate::redis::wire::number;
use crate::redis::wire::reply::Proto;
use crate::redis::wire::resp::Request;

/// `PING [message]`
pub(crate) fn ping(session: &mut Session, request: &Request<'_>) -> Result<(), Fault> {
    match request.len() {
        1 => session.out.simple("PONG"),
        2 => session.out.bulk(request.arg(1)),
        _ => return Err(Fault::arity("ping")),
    }
    Ok(())
}

/// `SELECT index`: there is one database.
pub(crate) fn select(session: &mut Session, request: &Request<'_>) -> Result<(), Fault> {
    match number::parse(request.arg(1)) {
        Some(0) => session.out.ok(),
        Some(_) => return Err("ERR DB index is out of range".into()),
        None => return Err("ERR value is not an integer or out of range".into()),
    }
    Ok(())
}

/// `AUTH [user] password`
pub(crate) fn auth(session: &mut Session, request: &Request<'_>) -> Result<(), Fault> {
    match request.len() {
        2 if session.server.options.password.is_none() => Err(
            "ERR AUTH <password> called without any password configured for the default user. Are \
             you sure your configuration is correct?"
                .into(),
        ),
        2 => check(session, b"default", request.arg(1)),
        3 => check(session, request.arg(1), request.arg(2)),
        _ => Err(Fault::SYNTAX),
    }?;
    session.out.ok();
    Ok(())
}

fn check(session: &mut Session, user: &[u8], password: &[u8]) -> Result<(), Fault> {
    let expected = session.server.options.password.as_ref();
    // Without a password the one user there is may come with any, as in Redis.
    let right = expected.is_none_or(|expected| expected.is(password));
    if user != b"default" || !right {
        stats::add(&session.server.options.stats.auth_failures, 1);
        return Err("WRONGPASS invalid username-password pair or user is disabled.".into());
    }
    session.authenticated = true;
    Ok(())
}

/// `HELLO [version [AUTH user password] [SETNAME name]]`
pub(crate) fn hello(session: &mut Session, request: &Request<'_>) -> Result<(), Fault> {
    let mut proto = session.out.proto;
    if request.len() > 1 {
        proto = match number::parse(request.arg(1)) {
            Some(2) => Proto::Resp2,
            Some(3) => Proto::Resp3,
            Some(_) => return Err("NOPROTO unsupported protocol version".into()),
            None => {
                return Err("ERR Protocol version is not an integer or out of range".into());
            }
        };
    }
    let (mut name, mut index) = (None, 2);
    while index < request.len() {
        let more = request.len() - index - 1;
        if request.is(index, "auth") && more >= 2 {
            check(session, request.arg(index + 1), request.arg(index + 2))?;
            index += 3;
        } else if request.is(index, "setname") && more >= 1 {
            name = Some(request.arg(index + 1));
            index += 2;
        } else {
            let option = request.arg(index);
            let option = String::from_utf8_lossy(option.get(..128).unwrap_or(option));
            return Err(Fault::from(format!("ERR Syntax error in HELLO option '{option}'")));
        }
    }
    if !session.authenticated {
        return Err(
            "NOAUTH HELLO must be called with the client already authenticated, otherwise \
             the HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client \
             and select the RESP protocol version at the same time"
                .into(),
        );
    }
    if let Some(name) = name {
        client::set_name(session, name)?;
    }
    session.out.proto = proto;
    session.client.set_proto(proto);
    let id = i64::try_from(session.client.id).unwrap_or(i64::MAX);
    let out = &mut session.out;
    out.map(7);
    for (field, value) in [("server", "redis"), ("version", REDIS_VERSION)] {
        out.bulk(field.as_bytes());
        out.bulk(value.as_bytes());
    }
    for (field, value) in [("proto", proto.number()), ("id", id)] {
        out.bulk(field.as_bytes());
        out.int(value);
    }
    for (field, value) in [("mode", "standalone"), ("role", "master")] {
        out.bulk(field.as_bytes());
        out.bulk(value.as_bytes());
    }
    out.bulk(b"modules");
    out.array(0);
    Ok(())
}

/// `RESET`
pub(crate) fn reset(session: &mut Session) {
    session.reset();
    session.out.simple("RESET");
}

/// `QUIT`
pub(crate) fn quit(session: &mut Session) {
    session.closing = true;
    session.out.ok();
}
