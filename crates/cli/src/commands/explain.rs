//! `rumormill explain`: why a member is held alive, suspect or dead, who holds a key, and what repair
//! did.

mod key;
mod repair;
mod story;

use crate::args::{ExplainCommand, ExplainNodeArgs, Format};
use crate::client::{Client, MemberEvents};
use crate::encoding::printable;
use crate::failure::{Code, code_of};
use crate::output::Output;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use story::{Story, named};

/// Agents asked at once.
const AT_ONCE: usize = 16;

pub fn run(command: &ExplainCommand, format: Format) -> anyhow::Result<()> {
    match command {
        ExplainCommand::Node(args) => node(args, format),
        ExplainCommand::Key(args) => key::run(args, format),
        ExplainCommand::Repair(args) => repair::run(args, format),
    }
}

/// What is known of a member.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Member {
    id: String,
    name: String,
    state: String,
    incarnation: u64,
    http: Option<SocketAddr>,
    is_self: bool,
}

/// An agent that could not be asked.
#[derive(Clone, Debug, Serialize)]
struct Unreachable {
    name: String,
    http: SocketAddr,
    error: String,
}

fn node(args: &ExplainNodeArgs, format: Format) -> anyhow::Result<()> {
    let client = Client::new(&args.client)?;
    let first = client.member_events(&args.node, args.limit)?;
    let members: Vec<Member> = match client.members_json()?.get_mut("members").map(Value::take) {
        Some(members) => serde_json::from_value(members)?,
        None => Vec::new(),
    };
    let goes_by = |member: &&Member| member.name == args.node || member.id == args.node;
    let about: Vec<Member> = members.iter().filter(goes_by).cloned().collect();
    let (mut told, mut silent) = (vec![first], Vec::new());
    if args.all {
        let ids = match about.is_empty() {
            true => vec![args.node.clone()],
            false => about.iter().map(|member| member.id.clone()).collect(),
        };
        let (more, unreachable) = ask_all(&client, &members, &ids, args.limit)?;
        told.extend(more);
        silent = unreachable;
    }
    let mut names = named(&told);
    names.extend(members.iter().map(|member| (member.id.clone(), member.name.clone())));
    let story = Story::of(&told);
    let ways = closed_ways(&client, args.all, &members, &about);
    let mut out = Output::new(format);
    if out.is_json() {
        let seen_by: Vec<_> = told
            .iter()
            .map(|told| serde_json::json!({ "id": told.seen_by, "name": told.seen_by_name }))
            .collect();
        out.json(&serde_json::json!({
            "node": args.node,
            "members": about,
            "events": story.json(&names),
            "closed_ways": ways
                .iter()
                .map(|(seer, words)| serde_json::json!({ "seen_by": seer, "words": words }))
                .collect::<Vec<_>>(),
            "asked": seen_by,
            "unreachable": silent,
            "more": told.iter().any(|told| told.more),
        }))?;
        return out.flush();
    }
    let seer = told.first().map(|told| told.seen_by_name.as_str()).unwrap_or_default();
    for member in &about {
        out.line(format!(
            "{} ({}) is {}, as {} sees it; incarnation {}",
            printable(member.name.as_bytes()),
            member.id,
            member.state,
            printable(seer.as_bytes()),
            member.incarnation
        ))?;
    }
    for (seer, warning) in &ways {
        out.line(format!("{}: {}", printable(seer.as_bytes()), printable(warning.as_bytes())))?;
    }
    let rows = story.rows(&names);
    match rows.is_empty() {
        true => out.line("nothing happened to it lately that is remembered")?,
        false => out.table(&["time", "seen by", "what happened"], rows)?,
    }
    for unreachable in &silent {
        let name = printable(unreachable.name.as_bytes());
        out.line(format!("{name} could not be asked: {}", unreachable.error))?;
    }
    if told.iter().any(|told| told.more) {
        out.line("There is more, and older; --limit 2048 shows all that is kept.")?;
    }
    if !args.all && members.len() > 1 {
        out.line("This is what one agent saw; --all asks every member.")?;
    }
    out.flush()
}

/// Ways to a member, or from it, that agents find closed, and addresses where nobody answers, in words;
/// who cannot be asked is passed over.
fn closed_ways(
    client: &Client,
    all: bool,
    members: &[Member],
    about: &[Member],
) -> Vec<(String, String)> {
    let others = members.iter().filter(|member| all && !member.is_self);
    let clients = others.filter_map(|member| member.http).map(|http| client.at(http));
    let first = std::iter::once(client.status_json());
    let statuses = first.chain(clients.map(|client| client.status_json())).flatten();
    let mut told = Vec::new();
    for status in statuses {
        let name = status.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
        let itself = about.iter().any(|member| member.name == name);
        for way in status.get("closed_ways").and_then(Value::as_array).into_iter().flatten() {
            let text = |field| way.get(field).and_then(Value::as_str).unwrap_or_default();
            let other = text("member");
            if !itself && about.iter().all(|member| member.name != other) {
                continue;
            }
            let arrow = match text("direction") {
                "to" => format!("from {name} to {other}"),
                "from" => format!("from {other} to {name}"),
                _ => format!("between {name} and {other}"),
            };
            let what = match text("way") {
                "udp" => "datagrams (UDP)",
                _ => "streams (TCP)",
            };
            told.push((name.clone(), format!("{what} {arrow} do not get through")));
        }
        let concerns = |other: &str| itself || about.iter().any(|member| member.name == other);
        told.extend(unreached(&status, &name, concerns).map(|words| (name.clone(), words)));
    }
    told
}

/// Members of concern that the one with this status, of this name, hears and cannot reach, or that cannot
/// reach it, in words.
fn unreached<'a>(
    status: &'a Value,
    name: &'a str,
    concerns: impl Fn(&str) -> bool + Copy + 'a,
) -> impl Iterator<Item = String> + 'a {
    [("unreached", false), ("unreached_by", true)].into_iter().flat_map(move |(field, of_this)| {
        let pairs = status.get(field).and_then(Value::as_array).into_iter().flatten();
        pairs.filter_map(move |pair| {
            let text = |field| pair.get(field).and_then(Value::as_str).unwrap_or_default();
            let (other, address) = (text("member"), text("address"));
            let (hears, heard) = if of_this { (other, name) } else { (name, other) };
            concerns(other)
                .then(|| format!("{hears} hears {heard} and cannot reach it at {address}"))
        })
    })
}

/// The stories of all present members but the one that was asked first.
fn ask_all(
    client: &Client,
    members: &[Member],
    ids: &[String],
    limit: u64,
) -> anyhow::Result<(Vec<MemberEvents>, Vec<Unreachable>)> {
    let present = |member: &&Member| matches!(member.state.as_str(), "alive" | "suspect");
    let others: Vec<(&Member, SocketAddr)> = members
        .iter()
        .filter(|member| !member.is_self)
        .filter(present)
        .filter_map(|member| Some((member, member.http?)))
        .collect();
    let (next, answers) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(others.len()) {
            scope.spawn(|| {
                while let Some((member, http)) = others.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let client = client.at(*http);
                    for id in ids {
                        let answer = client.member_events(id, limit);
                        let mut answers =
                            answers.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                        answers.push((member.name.clone(), *http, answer));
                    }
                }
            });
        }
    });
    let (mut told, mut silent) = (Vec::new(), Vec::new());
    for (name, http, answer) in answers.into_inner().unwrap_or_else(|held| held.into_inner()) {
        match answer {
            Ok(events) => told.push(events),
            Err(error) => {
                // A wrong token is the user's to mend; who is down is part of the story.
                let error = match code_of(&error) {
                    Code::NoAgent => format!("nobody answers at {http}"),
                    _ => error.to_string(),
                };
                silent.push(Unreachable { name, http, error });
            }
        }
    }
    told.sort_by(|one, other| one.seen_by_name.cmp(&other.seen_by_name));
    silent.sort_by(|one, other| one.name.cmp(&other.name));
    Ok((told, silent))
}
