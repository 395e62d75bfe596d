//! The text form of a scenario: TOML with one line for each fault and write, and only those
//! settings that differ from the defaults.

use super::{MAX_TEXT, Scenario, ScenarioError};
use crate::options::Options;
use rumormill_core::Config;
use toml::{Table, Value};

impl Scenario {
    /// The text form.
    ///
    /// # Errors
    /// If the scenario is none that [`Scenario::check`] lets pass.
    pub fn to_toml(&self) -> Result<String, ScenarioError> {
        self.check()?;
        let syntax = |error: toml::ser::Error| ScenarioError::Syntax(error.to_string());
        let mut table = Table::try_from(self).map_err(syntax)?;
        if let Some(world) = table.get_mut("world").and_then(Value::as_table_mut) {
            let defaults = Table::try_from(Options::default()).map_err(syntax)?;
            world.retain(|name, value| {
                name == "seed" || name == "nodes" || defaults.get(name) != Some(value)
            });
            if let Some(Value::Table(defaults)) = defaults.get("config") {
                for name in ["config", "other"] {
                    if let Some(config) = world.get_mut(name).and_then(Value::as_table_mut) {
                        drop_equal(config, defaults);
                    }
                }
            }
        }
        let mut text = String::new();
        for name in ["version", "duration", "settle"] {
            if let Some(value) = table.remove(name) {
                text.push_str(&format!("{name} = {value}\n"));
            }
        }
        for name in ["faults", "writes"] {
            let Some(Value::Array(all)) = table.remove(name) else { continue };
            text.push_str(&format!("{name} = ["));
            for one in &all {
                text.push_str(&format!("\n    {one},"));
            }
            text.push_str(if all.is_empty() { "]\n" } else { "\n]\n" });
        }
        text.push('\n');
        text.push_str(&toml::to_string(&table).map_err(syntax)?);
        Ok(text)
    }

    /// Reads the text form.
    ///
    /// # Errors
    /// If it is too long, no scenario, or holds what cannot be.
    pub fn from_toml(text: &str) -> Result<Self, ScenarioError> {
        if text.len() > MAX_TEXT {
            return Err(ScenarioError::TooLong(text.len()));
        }
        let scenario: Self = toml::from_str(text)
            .map_err(|error| ScenarioError::Syntax(error.to_string().trim_end().to_owned()))?;
        scenario.check()?;
        Ok(scenario)
    }
}

/// Takes everything out that is as in `defaults`.
fn drop_equal(table: &mut Table, defaults: &Table) {
    table.retain(|name, value| match (value, defaults.get(name)) {
        (Value::Table(inner), Some(Value::Table(defaults))) => {
            drop_equal(inner, defaults);
            !inner.is_empty()
        }
        (value, default) => Some(&*value) != default,
    });
}

fn table(config: &Config) -> Table {
    Table::try_from(config).unwrap_or_default()
}

/// The settings that differ from others, by their names.
fn differences(config: &Config, from: &Config) -> Vec<(String, Value)> {
    let mut table = table(config);
    drop_equal(&mut table, &self::table(from));
    let mut all = Vec::new();
    collect(&table, "", &mut all);
    all
}

fn collect(table: &Table, under: &str, all: &mut Vec<(String, Value)>) {
    for (name, value) in table {
        match value {
            Value::Table(inner) => collect(inner, &format!("{under}{name}."), all),
            value => all.push((format!("{under}{name}"), value.clone())),
        }
    }
}

/// The settings that differ from others, as `name = value`.
pub(super) fn changed(config: &Config, from: &Config) -> Vec<String> {
    let text = |value: Value| match value {
        Value::String(text) => text,
        value => value.to_string(),
    };
    differences(config, from).into_iter().map(|(name, v)| format!("{name} = {}", text(v))).collect()
}

pub(super) fn plainer(config: &Config) -> Vec<Config> {
    let without = |(name, _): (String, Value)| copied(config, &Config::default(), &name);
    let sound = |config: &Config| config.check().is_ok();
    differences(config, &Config::default()).into_iter().filter_map(without).filter(sound).collect()
}

/// The settings with one taken from others; none if there is no setting of this name.
#[must_use]
pub fn copied(config: &Config, from: &Config, name: &str) -> Option<Config> {
    let (mut table, from) = (table(config), self::table(from));
    let (parents, leaf) = name.rsplit_once('.').unwrap_or(("", name));
    let (mut inner, mut source) = (&mut table, &from);
    for part in parents.split('.').filter(|part| !part.is_empty()) {
        inner = inner.get_mut(part)?.as_table_mut()?;
        source = source.get(part)?.as_table()?;
    }
    let value = source.get(leaf).filter(|value| !value.is_table())?;
    inner.insert(leaf.to_owned(), value.clone());
    table.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzz::Draw;
    use proptest::prelude::*;
    use std::time::Duration;

    fn draw(seed: u64) -> Scenario {
        Draw::default().scenario(seed)
    }

    proptest! {
        #[test]
        fn every_scenario_is_read_back_as_it_was(seed in 0_u64..1 << 63) {
            let scenario = draw(seed);
            let text = scenario.to_toml().unwrap();
            prop_assert_eq!(Scenario::from_toml(&text).unwrap(), scenario);
        }

        #[test]
        fn a_damaged_text_is_refused_or_read_as_what_it_says(
            seed in 0_u64..1 << 63,
            (at, len) in (any::<prop::sample::Index>(), 0_usize..3),
            with in "[0-9a-z.\"=]{0,2}",
        ) {
            let mut text = draw(seed).to_toml().unwrap();
            let at = at.index(text.len());
            text.replace_range(at..(at + len).min(text.len()), &with);
            if let Ok(scenario) = Scenario::from_toml(&text) {
                prop_assert_eq!(Scenario::from_toml(&scenario.to_toml().unwrap()), Ok(scenario));
            }
        }

        #[test]
        fn any_text_alone_is_no_scenario(text: String) {
            prop_assert!(Scenario::from_toml(&text).is_err());
        }
    }

    #[test]
    fn the_text_is_short_and_says_what_is_wrong_with_another() {
        let mut scenario = Scenario::new(
            Options { seed: 7, nodes: 3, ..Options::default() },
            Duration::from_secs(2),
            Duration::from_secs(60),
        );
        scenario.world.config.repair.interval = Duration::ZERO;
        let fault = crate::Fault::CrashMidway { node: 2, outputs: 3 };
        scenario.faults = vec![crate::scenario::Trouble { at: Duration::from_millis(1500), fault }];
        let text = scenario.to_toml().unwrap();
        let golden = "\
version = 1
duration = \"2s\"
settle = \"1m\"
faults = [
    { at = \"1s 500ms\", do = { crash-midway = { node = 2, outputs = 3 } } },
]
writes = []

[world]
nodes = 3
seed = 7

[world.config.repair]
interval = \"0s\"
";
        assert_eq!(text, golden);
        let wrong = |from: &str, to: &str| {
            Scenario::from_toml(&text.replace(from, to)).unwrap_err().to_string()
        };
        assert!(wrong("nodes = 3", "nodes = \"x\"").contains("nodes"));
        assert!(wrong("nodes = 3", "nodos = 3").contains("nodos"));
        assert!(wrong("node = 2", "node = 3").contains("nodes 0 to 2"));
        assert!(wrong("1s 500ms", "soon").contains("no duration"));
    }

    #[test]
    fn plainer_settings_have_one_difference_less() {
        let mut config = Config::default();
        config.repair.interval = Duration::ZERO;
        config.spread.tree.fanout = 2;
        assert_eq!(
            changed(&config, &Config::default()),
            ["repair.interval = 0s", "spread.tree.fanout = 2"]
        );
        let plainer = plainer(&config);
        assert_eq!(plainer.len(), 2);
        assert_eq!(changed(&plainer[0], &Config::default()), ["spread.tree.fanout = 2"]);
        assert_eq!(changed(&plainer[1], &Config::default()), ["repair.interval = 0s"]);
    }
}
