//! `rumormill leave`.

use super::progress;
use crate::args::{Format, LeaveArgs};
use crate::client::Client;
use crate::encoding::printable;
use crate::failure::{Code, Failure};
use crate::output::Output;
use rumormill::Handover;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

/// How often the agent is asked how far it is.
const ASK_EVERY: Duration = Duration::from_millis(100);

pub fn run(args: &LeaveArgs, format: Format) -> anyhow::Result<()> {
    let client = Client::new(&args.client)?;
    let within = (!args.now).then_some(args.timeout.0);
    let answer = watch(&client, within)?;
    let told: Handover = serde_json::from_value(answer.clone())?;
    let mut out = Output::new(format);
    match out.is_json() {
        true => out.json(&answer)?,
        false => out.line(words(client.base(), &told))?,
    }
    out.flush()?;
    match told.missing.as_slice() {
        [] => Ok(()),
        missing => {
            let missing = printable(missing.join("; ").as_bytes());
            let message = format!("it has left, and not all was handed over: {missing}");
            Err(Failure::new(Code::Failed, message).into())
        }
    }
}

/// Makes the agent leave, and shows how far it is.
fn watch(client: &Client, within: Option<Duration>) -> anyhow::Result<serde_json::Value> {
    let (done, over) = channel();
    let other = client.clone();
    std::thread::Builder::new().name("leave".into()).spawn(move || {
        // Nobody listens any more if the command was ended.
        let _ = done.send(other.leave(within));
    })?;
    let bar = progress::spinner("leaving");
    let mut said = String::new();
    loop {
        match over.recv_timeout(ASK_EVERY) {
            Ok(answer) => {
                bar.finish_and_clear();
                return answer;
            }
            Err(RecvTimeoutError::Disconnected) => anyhow::bail!("the request was lost"),
            Err(RecvTimeoutError::Timeout) => {}
        }
        // Towards its end it may not answer any more.
        let Ok(Some(told)) = client.leaving() else { continue };
        let words = printable(told.words().as_bytes());
        if words != said {
            bar.set_message(words.clone());
            if !progress::is_seen() {
                eprintln!("{words}");
            }
            said = words;
        }
    }
}

fn words(base: &str, told: &Handover) -> String {
    match (told.hasty, told.missing.is_empty()) {
        (true, _) => format!("the agent at {base} has left in haste, and stops"),
        (false, true) => {
            let words = printable(told.words().as_bytes());
            format!("the agent at {base} has left and stops: {words}")
        }
        (false, false) => format!("the agent at {base} has left and stops"),
    }
}
