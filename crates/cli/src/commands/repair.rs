//! `rumormill repair ring`.

use super::progress;
use crate::args::{Format, RepairCommand, RepairRingArgs};
use crate::client::{Begun, Client};
use crate::encoding::printable;
use crate::failure::{Code, Failure};
use crate::output::{Output, count};
use indicatif::ProgressBar;
use rumormill::{RingRun, RingStatus};
use std::future::{Future as _, poll_fn};
use std::task::Poll;
use std::time::{Duration, Instant};

/// How often the agent is asked how the pass goes on.
const ASK_EVERY: Duration = Duration::from_millis(100);
/// How often it is said who is waited for, where there is no bar.
const SAY_EVERY: Duration = Duration::from_secs(30);
/// A pass that nothing was heard of for so long has been lost; members tell every five seconds
/// whom they wait for.
const SILENT: Duration = Duration::from_secs(60);

pub fn run(command: &RepairCommand, format: Format) -> anyhow::Result<()> {
    let RepairCommand::Ring(args) = command;
    ring(args, format)
}

fn ring(args: &RepairRingArgs, format: Format) -> anyhow::Result<()> {
    let client = Client::new(&args.client)?;
    let (begun, status) = match client.repair_ring(args.first)? {
        Begun::Now(status) => (true, *status),
        Begun::Before => (false, client.ring()?),
    };
    if !begun && format == Format::Human {
        eprintln!("a pass that this agent began is under way: watching that one");
    }
    let status = match args.no_wait {
        true => status,
        false => watch(&client, status)?,
    };
    let mut out = Output::new(format);
    match out.is_json() {
        true => out.json(&status)?,
        false => out.line(words(&status))?,
    }
    out.flush()
}

/// Watches the pass to its end.
fn watch(client: &Client, first: RingStatus) -> anyhow::Result<RingStatus> {
    let Some(run) = first.run.clone() else { return Ok(first) };
    on_ctrl_c()?;
    let bar = progress::steps("hop", u64::from(run.hops));
    let mut said = Said::default();
    let mut status = first;
    let mut heard = (run.heard_ms, Instant::now());
    let end = loop {
        let Some(now) = status.run.as_ref().filter(|now| now.pass == run.pass) else {
            anyhow::bail!("another pass has taken the place of this one: run the command again");
        };
        if !now.is_under_way() {
            break now.clone();
        }
        show(now, &bar, &mut said);
        if now.heard_ms != heard.0 {
            heard = (now.heard_ms, Instant::now());
        }
        if heard.1.elapsed() > SILENT {
            bar.finish_and_clear();
            anyhow::bail!(
                "nothing was heard of the pass for {}: whoever had the token may have stopped. It \
                 was at {} ({} of {} hops); look with `rumormill members`, and begin another",
                humantime::format_duration(SILENT),
                printable(now.at.as_bytes()),
                now.hop,
                now.hops
            );
        }
        std::thread::sleep(ASK_EVERY);
        status = client.ring()?;
    };
    bar.finish_and_clear();
    if end.stage != "complete"
        && let Some(refused) = &status.refused
    {
        let words = printable(refused.words.as_bytes());
        let message = format!("the pass was given up: {words}");
        return Err(Failure::new(Code::Refused, message).into());
    }
    if end.stage != "complete" {
        anyhow::bail!(
            "the pass was given up at hop {} of {}, at {}: it did not go on from there. The members may \
             just have met, or that one has left, was forgotten or was started anew. Run the command \
             again",
            end.hop,
            end.hops,
            printable(end.at.as_bytes())
        );
    }
    settled(client, status)
}

/// The tombstones go in the moments after the end of a pass: waits for that, and not for long, since
/// others may be deleting.
fn settled(client: &Client, mut status: RingStatus) -> anyhow::Result<RingStatus> {
    let began = Instant::now();
    let mut still = 0;
    while still < 3 && status.tombstones > 0 && began.elapsed() < Duration::from_secs(5) {
        std::thread::sleep(ASK_EVERY);
        let next = client.ring()?;
        still = if next.tombstones == status.tombstones { still + 1 } else { 0 };
        status = next;
    }
    Ok(status)
}

/// Who was said to be waited for, and when.
#[derive(Default)]
struct Said(Option<(String, Instant)>);

fn show(run: &RingRun, bar: &ProgressBar, said: &mut Said) {
    bar.set_position(u64::from(run.hop));
    let at = printable(run.at.as_bytes());
    // Before its first hop every pass waits for a moment.
    if run.stage != "waiting" || run.heard_ms <= run.started_ms {
        said.0 = None;
        return bar.set_message(format!("at {at}"));
    }
    bar.set_message(format!("waiting for {at}"));
    let due = |(whom, when): &(String, Instant)| *whom != at || when.elapsed() >= SAY_EVERY;
    if !progress::is_seen() && said.0.as_ref().is_none_or(due) {
        eprintln!("waiting for {at} (hop {} of {})", run.hop, run.hops);
        said.0 = Some((at, Instant::now()));
    }
}

/// Ends the process: a pass belongs to the members, and not to who watches it.
fn on_ctrl_c() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut pressed = Box::pin(tokio::signal::ctrl_c());
    // From its first poll on it is listened to: not only when the thread gets to run.
    let failed =
        runtime.block_on(poll_fn(|context| Poll::Ready(pressed.as_mut().poll(context).is_ready())));
    if failed {
        anyhow::bail!("Ctrl-C cannot be listened to");
    }
    std::thread::Builder::new().name("ctrl-c".into()).spawn(move || {
        if runtime.block_on(pressed).is_ok() {
            eprintln!("\nthe pass goes on; `rumormill repair ring` watches it again");
            std::process::exit(130);
        }
    })?;
    Ok(())
}

fn words(status: &RingStatus) -> String {
    let Some(run) = &status.run else { return "no pass was begun by this agent".into() };
    if run.is_under_way() {
        return format!(
            "a pass over {} members is under way, at hop {} of {}; `rumormill repair ring` watches \
             it",
            count(run.members),
            run.hop,
            run.hops
        );
    }
    let took = Duration::from_millis(run.heard_ms.saturating_sub(run.started_ms));
    let tombstones = match status.tombstones {
        0 => "no tombstones are left here".into(),
        left => format!("{} younger tombstones are left here", count(left)),
    };
    format!(
        "{} members hold the same after {} hops and {}; {tombstones}",
        count(run.members),
        run.hops,
        humantime::format_duration(took)
    )
}
