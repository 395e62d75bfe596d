//! `rumormill keygen`.

use crate::args::{Format, KeygenArgs};
use crate::failure::{Code, Failure};
use crate::output::Output;
use rumormill::{Key, KeyRing, key_file};
use std::io::ErrorKind;
use std::path::Path;

pub fn run(args: &KeygenArgs, format: Format) -> anyhow::Result<()> {
    let key = Key::generate();
    let id = key.id().to_string();
    let mut out = Output::new(format);
    match &args.file {
        None => match out.is_json() {
            true => out.json(&serde_json::json!({ "id": id, "key": key.to_text().as_str() }))?,
            false => out.line(key.to_text().as_str())?,
        },
        Some(path) => {
            key_file::create(path, &KeyRing::new(key)).map_err(|error| refusal(path, &error))?;
            match out.is_json() {
                true => out.json(&serde_json::json!({ "id": id, "file": path }))?,
                false => out.line(format!("key {id} in {}", path.display()))?,
            }
        }
    }
    out.flush()
}

fn refusal(path: &Path, error: &std::io::Error) -> anyhow::Error {
    let shown = path.display();
    let message = match error.kind() {
        ErrorKind::AlreadyExists => format!(
            "{shown} exists, and a key that is overwritten is lost: name another file, or add a key \
             to a running cluster with `rumormill keyring add`"
        ),
        _ => format!("cannot write {shown}: {error}"),
    };
    Failure::new(Code::Failed, message).into()
}
