//! The `CLIENT` command.

use super::table::{self, Id};
use crate::redis::clients::Client;
use crate::redis::fault::Fault;
use crate::redis::session::{Muting, Session};
use crate::redis::wire::number;
use crate::redis::wire::resp::Request;
use std::fmt::Write as _;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Longest name, library name or version of a client, bytes.
const MAX_TEXT: usize = 256;

/// Carries out a `CLIENT` subcommand.
pub(crate) fn run(session: &mut Session, id: Id, request: &Request<'_>) -> Result<(), Fault> {
    session.client.touch(Some(id as u16));
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
            describe(&session.client, &mut text);
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
pub(crate) fn set_name(session: &Session, name: &[u8]) -> Result<(), Fault> {
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
    let given = String::from_utf8_lossy(request.arg(2));
    let what = given.to_ascii_lowercase();
    if !matches!(what.as_str(), "lib-name" | "lib-ver") {
        let given: String = given.chars().take(128).collect();
        return Err(Fault::from(format!("ERR Unrecognized option '{given}'")));
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
        list_of(session, None)
    } else if request.is(2, "type") && request.len() == 4 {
        match request.arg(3).to_ascii_lowercase().as_slice() {
            b"normal" => list_of(session, None),
            b"master" | b"replica" | b"slave" | b"pubsub" => String::new(),
            _ => {
                let other: String =
                    String::from_utf8_lossy(request.arg(3)).chars().take(128).collect();
                return Err(Fault::from(format!("ERR Unknown client type '{other}'")));
            }
        }
    } else if request.is(2, "id") && request.len() > 3 {
        let ids: Option<Vec<u64>> = request.from(3).map(number::parse_u64).collect();
        let ids = ids.ok_or(Fault::from("ERR Invalid client ID"))?;
        list_of(session, Some(&ids))
    } else {
        return Err(Fault::SYNTAX);
    };
    session.out.verbatim(&text);
    Ok(())
}

fn list_of(session: &Session, only: Option<&[u64]>) -> String {
    let mut text = String::new();
    for client in session.server.clients.chosen(only) {
        describe(&client, &mut text);
    }
    text
}

/// A line of `CLIENT LIST`, with its line end.
fn describe(client: &Client, to: &mut String) {
    let about = client.about().clone();
    let age = client.since.elapsed();
    let active = Duration::from_millis(client.active.load(Ordering::Relaxed));
    let last = table::by_number(client.last.load(Ordering::Relaxed)).map_or("NULL", |c| c.name);
    // Writing to a string does not fail.
    let _ = writeln!(
        to,
        "id={} addr={} laddr={} fd=-1 name={} age={} idle={} flags={} db=0 sub=0 psub=0 ssub=0 \
         multi=-1 watch=0 cmd={} user=default redir=-1 resp={} lib-name={} lib-ver={}",
        client.id,
        client.addr,
        client.local,
        about.name,
        age.as_secs(),
        age.saturating_sub(active).as_secs(),
        if client.is_blocked() { "b" } else { "N" },
        last,
        about.proto.number(),
        about.library,
        about.version,
    );
}

fn reply(session: &mut Session, request: &Request<'_>) -> Result<(), Fault> {
    if request.is(2, "skip") {
        // Said again before it has taken effect it counts anew, from here.
        if session.muting != Muting::Off {
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
