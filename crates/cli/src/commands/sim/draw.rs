//! From arguments to what a seed draws.

use crate::args::DrawArgs;
use crate::failure::Failure;
use rumormill::Settings;
use rumormill::settings::Flag;
use rumormill_core::Config;
use rumormill_sim::fuzz::Draw;
use rumormill_sim::scenario::copied;
use std::path::Path;

/// What a seed draws, by the arguments.
pub fn draw(args: &DrawArgs) -> anyhow::Result<Draw> {
    let flag = |(name, value): &(String, String)| Flag {
        flag: format!("--set {name}={value}"),
        field: name.clone(),
        value: value.clone(),
    };
    let flags: Vec<Flag> = args.set.iter().map(flag).collect();
    let default = Config::default();
    if let Some((name, _)) = args
        .set
        .iter()
        .find(|(name, _)| is_agents(name) && copied(&default, &default, name).is_none())
    {
        return Err(Failure::usage(format!(
            "--set {name}: this is a setting of an agent, not of the protocol; a simulation has none \
             of it"
        )));
    }
    let file = load(args.config.as_deref(), &[])?;
    // A bound between two settings may be broken by one alone: the file's stand beside it.
    let set = load(args.config.as_deref(), &flags)?;
    let names = args.set.iter().map(|(name, _)| name.clone()).collect();
    let draw = Draw {
        nodes: args.nodes,
        duration: args.duration,
        settle: args.settle,
        config: args.config.is_some().then_some(file),
        fixed: (!flags.is_empty()).then_some((set, names)),
        check: args.check,
        edges: true,
        hardships: true,
    };
    Ok(draw)
}

fn load(file: Option<&Path>, flags: &[Flag]) -> anyhow::Result<Config> {
    // The environment is left out: what a seed shows must not depend on it.
    let settings = Settings::load(file, flags, &|_| None);
    settings.map(|settings| settings.config).map_err(|error| Failure::usage(error.to_string()))
}

fn is_agents(name: &str) -> bool {
    rumormill::settings::names().iter().any(|known| known == name)
}

/// The arguments as they would be typed, where they are not the defaults.
pub fn typed(args: &DrawArgs) -> String {
    let mut typed = String::new();
    let (least, most) = args.nodes;
    let defaults = Draw::default();
    if args.nodes != defaults.nodes {
        typed.push_str(&match least == most {
            true => format!(" --nodes {least}"),
            false => format!(" --nodes {least}..{most}"),
        });
    }
    let time = |time| humantime::format_duration(time).to_string().replace(' ', "");
    if args.duration != defaults.duration {
        typed.push_str(&format!(" --for {}", time(args.duration)));
    }
    if args.settle != defaults.settle {
        typed.push_str(&format!(" --settle {}", time(args.settle)));
    }
    if args.check != defaults.check {
        typed.push_str(&format!(" --check {}", args.check));
    }
    if let Some(file) = &args.config {
        typed.push_str(&format!(" --config {}", quoted(&file.to_string_lossy())));
    }
    for (name, value) in &args.set {
        typed.push_str(&format!(" --set {}", quoted(&format!("{name}={value}"))));
    }
    typed
}

/// A word as a shell takes it.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@%+".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_for_shells_where_they_must_be() {
        assert_eq!(quoted("a/b-1.toml"), "a/b-1.toml");
        assert_eq!(quoted("it's here"), "'it'\\''s here'");
        assert_eq!(quoted(""), "''");
    }
}
