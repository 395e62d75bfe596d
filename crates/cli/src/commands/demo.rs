//! `rumormill demo`: a real cluster on this machine, with real data.

mod chaos;
mod fleet;
mod folder;
mod input;
mod losses;
mod say;
mod spread;
mod stop;

use crate::args::{DemoArgs, Format};
use crate::output::{Output, count};
use fleet::Fleet;
use folder::Folder;
use losses::Losses;
use say::say;
use serde_json::json;
use std::time::{Duration, Instant};
use stop::Stop;

pub fn run(args: &DemoArgs, format: Format) -> anyhow::Result<()> {
    let stop = Stop::on_signals()?;
    // Declared before the fleet, so that it is dropped, and removed, after the fleet has stopped.
    let folder = Folder::open(args.data.as_deref())?;
    let mut out = Output::new(format);
    let mut fleet = Fleet::new(folder.path())?;
    let result = show(args, &mut out, &mut fleet, &folder, &stop);
    if !out.is_json() {
        out.line("stopping the agents")?;
        out.flush()?;
    }
    let stopped = fleet.stop();
    if result.is_err() && stop.within(Duration::ZERO) {
        // Whatever failed, failed because of that.
        anyhow::bail!("interrupted");
    }
    result?;
    stopped?;
    if out.is_json() {
        out.json(&json!({ "event": "stopped" }))?;
    }
    out.flush()
}

fn show(
    args: &DemoArgs,
    out: &mut Output,
    fleet: &mut Fleet,
    folder: &Folder,
    stop: &Stop,
) -> anyhow::Result<()> {
    let started = Instant::now();
    say(out, format!("starting {} agents in {}", args.nodes, folder.path().display()))?;
    for _ in 0..args.nodes {
        fleet.add(stop)?;
    }
    spread::wait_for_members(fleet, stop)?;
    let took = started.elapsed().as_secs_f64();
    say(out, format!("{} agents see each other after {took:.2} s", args.nodes))?;

    let input = input::open(args.import.as_deref())?;
    say(out, format!("importing {} through {}", input.what, fleet.first()?.name()))?;
    let client = fleet.first()?.client();
    let arrival = spread::show_arrival(fleet, move |given_up| input.send(&client, given_up), stop)?;
    let written = arrival.written;
    let took = arrival.acknowledged.as_secs_f64();
    say(out, format!("{} entries acknowledged after {took:.3} s", count(written.entries)))?;
    for (name, entries, after) in &arrival.agents {
        let after = after.as_secs_f64();
        say(out, format!("  {name} has {} entries after {after:.3} s", count(*entries)))?;
    }
    let mut table = spread::Table::of(fleet)?;
    table.print(out, written.entries)?;
    if !table.agree() {
        anyhow::bail!("the agents do not agree");
    }
    if args.chaos {
        chaos::run(out, fleet, stop)?;
        table = spread::Table::of(fleet)?;
        table.print(out, written.entries)?;
    }
    if !out.is_json() {
        links(out, fleet, written.example.as_deref())?;
    }
    out.flush()?;
    stay(out, fleet, args.stay, stop)
}

fn stay(
    out: &mut Output,
    fleet: &mut Fleet,
    stay: Option<Duration>,
    stop: &Stop,
) -> anyhow::Result<()> {
    match stay {
        Some(time) => say(out, format!("up for {}", humantime::format_duration(time)))?,
        None => say(out, "up until Ctrl-C")?,
    }
    let mut losses = Losses::default();
    let until = stay.and_then(|time| Instant::now().checked_add(time));
    while until.is_none_or(|until| Instant::now() < until) {
        let nap = until.map_or(Duration::from_millis(500), |until| {
            until.saturating_duration_since(Instant::now()).min(Duration::from_millis(500))
        });
        if stop.within(nap) {
            break;
        }
        losses.look(out, fleet)?;
    }
    Ok(())
}

/// Lines to paste into another terminal.
fn links(out: &mut Output, fleet: &Fleet, example: Option<&str>) -> anyhow::Result<()> {
    let key = example.unwrap_or("greeting");
    let (first, last) = (fleet.first()?, fleet.last()?);
    out.line("\nTry, in another terminal:")?;
    if let (Some(redis), Some(write_to)) = (last.hello.redis, first.hello.redis) {
        out.line(format!("  redis-cli -p {} get {}", redis.port(), quoted(key)))?;
        out.line(format!("  redis-cli -p {} set greeting hello", write_to.port()))?;
    }
    if let Some(http) = last.hello.http {
        let path = key.split('/').map(|part| crate::encoding::percent(part.as_bytes()));
        let path = path.collect::<Vec<_>>().join("/");
        out.line(format!("  curl http://{http}/v1/kv/{path}"))?;
        out.line(format!("  curl -N 'http://{http}/v1/watch?prefix=greeting'"))?;
        out.line(format!("  rumormill status --http {http}"))?;
    }
    if fleet.agents.len() > 1 {
        out.line(format!(
            "  kill -9 {}      {} goes; watch what the others make of it",
            last.pid(),
            last.name()
        ))?;
    }
    if let Some(http) = first.hello.http {
        out.line(format!("The page: http://{http}/\n"))?;
    }
    Ok(())
}

/// A word for a shell.
fn quoted(word: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "/._-+:@%".contains(letter);
    match word.chars().all(plain) {
        true => word.into(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn words_are_quoted_for_the_shell() {
        assert_eq!(super::quoted("package/a+b"), "package/a+b");
        assert_eq!(super::quoted("it's $x"), "'it'\\''s $x'");
    }
}
