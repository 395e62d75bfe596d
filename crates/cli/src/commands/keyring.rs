//! `rumormill keyring`.

use crate::args::{Format, KeyringCommand};
use crate::client::Client;
use crate::encoding::printable;
use crate::failure::Failure;
use crate::output::Output;
use rumormill::{KeyId, Keyring, key_file};
use std::path::Path;

pub fn run(command: &KeyringCommand, format: Format) -> anyhow::Result<()> {
    match command {
        KeyringCommand::List(args) => list(&Client::new(&args.client)?.keyring()?, format),
        KeyringCommand::Add(args) => {
            let key = args.file.as_deref().map(one_key).transpose()?;
            let ring = Client::new(&args.client)?.add_key(key.as_ref().map_or("", |key| key))?;
            let id = ring.added.clone().unwrap_or_default();
            said(&ring, format, || {
                format!("key {id} is in the ring; make it primary: rumormill keyring use {id}")
            })
        }
        KeyringCommand::Use(args) => {
            let id = id_of(&args.id)?;
            let ring = Client::new(&args.client)?.use_key(&id)?;
            said(&ring, format, || format!("key {id} is the primary"))
        }
        KeyringCommand::Remove(args) => {
            let id = id_of(&args.id)?;
            let ring = Client::new(&args.client)?.remove_key(&id, args.force)?;
            said(&ring, format, || format!("key {id} is removed"))
        }
    }
}

fn id_of(text: &str) -> anyhow::Result<String> {
    let id: KeyId = text.parse().map_err(|error| Failure::usage(format!("{text:?}: {error}")))?;
    Ok(id.to_string())
}

fn one_key(path: &Path) -> anyhow::Result<impl std::ops::Deref<Target = String> + use<>> {
    let ring = key_file::read(path).map_err(Failure::usage)?;
    match ring.keys() {
        [key] => Ok(key.to_text()),
        _ => Err(Failure::usage(format!("{} holds more than one key", path.display()))),
    }
}

fn said(ring: &Keyring, format: Format, words: impl Fn() -> String) -> anyhow::Result<()> {
    let mut out = Output::new(format);
    match out.is_json() {
        true => out.json(ring)?,
        false => out.line(words())?,
    }
    out.flush()
}

fn list(ring: &Keyring, format: Format) -> anyhow::Result<()> {
    let mut out = Output::new(format);
    if out.is_json() {
        out.json(ring)?;
        return out.flush();
    }
    let keys = ring.keys.iter().map(|id| {
        let primary = if *id == ring.primary { "primary" } else { "" };
        let holders = ring.members.iter().filter(|member| member.keys.contains(id)).count();
        vec![id.clone(), primary.into(), format!("{holders} of {}", ring.members.len())]
    });
    out.table(&["key", "", "members that hold it"], keys.collect())?;
    out.line("")?;
    let members = ring.members.iter().map(|member| {
        let others = member.keys.iter().filter(|id| Some(*id) != member.primary.as_ref());
        vec![
            printable(member.name.as_bytes()),
            member.state.clone(),
            member.primary.clone().unwrap_or_else(|| "not told".into()),
            others.cloned().collect::<Vec<_>>().join(" "),
        ]
    });
    out.table(&["member", "state", "seals with", "also opens"], members.collect())?;
    out.flush()
}
