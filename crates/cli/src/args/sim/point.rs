//! Everything that makes an epidemic, which a sweep can vary by name.

use super::settings::SettingsArgs;
use super::topology::TopologyArgs;
use clap::{ArgAction, Args, Command, FromArgMatches as _, builder::Resettable};

/// Everything that can be varied.
#[derive(Clone, Debug, Args)]
pub struct PointArgs {
    #[command(flatten)]
    pub settings: SettingsArgs,
    #[command(flatten, next_help_heading = "Network")]
    pub topology: TopologyArgs,
}

impl PointArgs {
    /// The names of what can be varied.
    pub fn names() -> Vec<String> {
        let command = Self::command();
        let names = command.get_arguments().filter_map(|arg| arg.get_long());
        names.map(str::to_owned).collect()
    }

    /// Sets an option as the command line would.
    ///
    /// # Errors
    /// If there is no such option, or it does not take such a value.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        let command = Self::command();
        let found = command.get_arguments().find(|arg| arg.get_long() == Some(name));
        let Some(arg) = found else {
            let names = Self::names().join(", ");
            return Err(format!("there is no option {name} to vary; there are {names}"));
        };
        let words = match (arg.get_action(), name, value) {
            (ArgAction::SetTrue, "feedback", "false") => vec!["sweep".into(), "--blind".into()],
            (ArgAction::SetTrue, _, "true") => vec!["sweep".into(), format!("--{name}")],
            (ArgAction::SetTrue, _, "false") => return Ok(()),
            (ArgAction::SetTrue, ..) => {
                return Err(format!("{name} is set or not: write {name}=true,false"));
            }
            _ => vec!["sweep".into(), format!("--{name}={value}")],
        };
        let option = words.get(1).map_or("", |word| word.trim_start_matches("--")).to_owned();
        // A flag that is not given would be set to false: the others are made to be no flags.
        let command = command.mut_args(|arg| match arg.get_action() {
            ArgAction::SetTrue if arg.get_long() != Some(&option) => arg.action(ArgAction::Set),
            _ => arg,
        });
        let mut matches = command.try_get_matches_from(words).map_err(|error| {
            let text = error.to_string();
            let first = text.lines().next().unwrap_or_default();
            first.trim_start_matches("error: ").to_owned()
        })?;
        self.update_from_arg_matches_mut(&mut matches).map_err(|error| error.to_string())
    }

    /// The options without their defaults, which would undo what was set before.
    fn command() -> Command {
        let command = Self::augment_args_for_update(Command::new("sweep").no_binary_name(false));
        command.disable_help_flag(true).mut_args(|arg| arg.default_value(Resettable::Reset))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::sim::settings::ContactArg;
    use crate::args::{Name, Source};
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        point: PointArgs,
    }

    #[test]
    fn an_option_is_set_and_the_others_stay() {
        let line = ["x", "--k", "3", "--topology", "grid", "--torus", "--zones", "7"];
        let mut point = Line::parse_from(line).point;
        point.set("nodes", "1e4").unwrap();
        point.set("contact", "push-pull").unwrap();
        point.set("no-return", "true").unwrap();
        point.set("never-repeat", "false").unwrap();
        point.set("feedback", "false").unwrap();
        point.set("width", "8").unwrap();
        let settings = &point.settings;
        assert_eq!((settings.nodes, settings.k), (Some(10_000), Some(3)));
        assert_eq!(settings.contact, Some(ContactArg::PushPull));
        assert!(settings.no_return && !settings.never_repeat && settings.blind);
        assert!(!settings.feedback);
        assert_eq!(point.topology.topology, Source::Named(Name::Grid));
        assert_eq!((point.topology.torus, point.topology.width), (true, Some(8)));
        assert_eq!(point.topology.zones, 7);
        point.set("feedback", "true").unwrap_or_default();
        assert!(point.set("colour", "red").unwrap_err().contains("contact"));
        assert!(point.set("k", "many").unwrap_err().contains("many"));
        assert!(point.set("loss", "2").unwrap_err().contains("probability"));
        assert!(point.set("torus", "maybe").unwrap_err().contains("true,false"));
        assert!(point.set("trials", "1").is_err());
    }
}
