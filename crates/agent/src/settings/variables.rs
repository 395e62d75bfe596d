//! Variables of the environment that look like settings and are none.

use super::error::SettingsError;
use super::given::SECRETS;
use super::names::{env_name, like, names};
use std::ffi::{OsStr, OsString};

/// Refuses variables that begin as settings do and name none: a mistyped one would be ignored in
/// silence otherwise. `others` are variables that the program reads beside its settings.
///
/// What Kubernetes and Docker put there of themselves for a service called `rumormill…` passes:
/// `…_SERVICE_HOST`, `…_SERVICE_PORT…`, and `…_PORT…` with an address or a part of one.
///
/// # Errors
/// Names the variable, and the one that may have been meant.
pub fn check_variables(
    variables: impl IntoIterator<Item = (OsString, OsString)>,
    others: impl IntoIterator<Item = String>,
) -> Result<(), SettingsError> {
    let known = names().into_iter().chain(SECRETS.map(Into::into));
    let mut known: Vec<String> = known.map(|field| env_name(&field)).collect();
    known.push("RUMORMILL_CONFIG".into());
    known.extend(others);
    let mut strangers: Vec<String> = variables
        .into_iter()
        // An empty variable counts as absent, whatever its name.
        .filter(|(name, value)| !value.is_empty() && !is_of_a_service(name, value))
        .map(|(name, _)| name.to_string_lossy().into_owned())
        .filter(|name| name.starts_with("RUMORMILL_") && !known.contains(name))
        .collect();
    // The environment has no order, and an error should be the same each time.
    strangers.sort();
    let Some(name) = strangers.into_iter().next() else { return Ok(()) };
    let hint = match like(&name, known.iter()) {
        Some(near) => format!("did you mean {near}?"),
        None => "`rumormill agent --print-config` lists all settings".into(),
    };
    Err(SettingsError::Variable { name, hint })
}

/// Whether a variable tells of a service, as container platforms write it.
fn is_of_a_service(name: &OsStr, value: &OsStr) -> bool {
    let (name, value) = (name.to_string_lossy(), value.to_string_lossy());
    if name.ends_with("_SERVICE_HOST") || name.contains("_SERVICE_PORT") {
        return true;
    }
    let Some((_, port)) = name.split_once("_PORT") else { return false };
    match port.strip_prefix('_') {
        // RUMORMILL_PORT=tcp://10.0.0.1:7480; a number would be somebody's guess at a setting.
        None => port.is_empty() && value.contains("://"),
        // RUMORMILL_PORT_7480_TCP, and …_PROTO, …_PORT, …_ADDR of it.
        Some(rest) => rest.split('_').next().is_some_and(|port| port.parse::<u16>().is_ok()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(variables: &[(&str, &str)]) -> Result<(), String> {
        let variables = variables.iter().map(|(name, value)| (name.into(), value.into()));
        check_variables(variables, ["RUMORMILL_CA".into()]).map_err(|error| error.to_string())
    }

    #[test]
    fn a_mistyped_variable_is_named_and_the_nearest_one_with_it() {
        for (name, expected) in [
            (
                "RUMORMILL_SPREAD_TREE_FANOOT",
                "RUMORMILL_SPREAD_TREE_FANOOT: there is no such variable; did you mean \
                 RUMORMILL_SPREAD_TREE_FANOUT?",
            ),
            (
                "RUMORMILL_KEI",
                "RUMORMILL_KEI: there is no such variable; did you mean RUMORMILL_KEY?",
            ),
            (
                "RUMORMILL_CAA",
                "RUMORMILL_CAA: there is no such variable; did you mean RUMORMILL_CA?",
            ),
            (
                "RUMORMILL_WHATEVER_THIS_IS",
                "RUMORMILL_WHATEVER_THIS_IS: there is no such variable; `rumormill agent \
                 --print-config` lists all settings",
            ),
        ] {
            assert_eq!(check(&[("PATH", "/"), (name, "3")]).unwrap_err(), expected);
        }
        // A number there is a guess at a setting, not what a platform writes.
        assert!(check(&[("RUMORMILL_HTTP_PORT", "7480")]).is_err());
    }

    #[test]
    fn what_is_known_empty_or_of_a_platform_passes() {
        let all = names().into_iter().map(|field| env_name(&field)).map(|name| (name, "x"));
        let all: Vec<_> = all.collect();
        let all: Vec<_> = all.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        check(&all).unwrap();
        check(&[
            ("RUMORMILL_CONFIG", "a.toml"),
            ("RUMORMILL_HTTP_TOKEN", "t"),
            ("RUMORMILL_CA", "ca.pem"),
            ("RUMORMILL_NONSENSE", ""),
            ("RUMORMILL_SERVICE_HOST", "10.0.0.1"),
            ("RUMORMILL_SERVICE_PORT", "7480"),
            ("RUMORMILL_SEEDS_SERVICE_PORT_GOSSIP", "7400"),
            ("RUMORMILL_PORT", "tcp://10.0.0.1:7480"),
            ("RUMORMILL_HTTP_PORT_7480_TCP_ADDR", "10.0.0.1"),
        ])
        .unwrap();
    }
}
