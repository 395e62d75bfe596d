//! Values as the sources give them, each by the name of its setting.

use super::Flag;
use super::error::{Origin, SettingsError};
use super::names::{env_name, from_text, names};
use std::ffi::OsString;
use toml::Value;

/// One value from one source.
pub(super) struct Given {
    pub(super) origin: Origin,
    pub(super) field: String,
    pub(super) value: Value,
}

/// What comes from the environment, and is no setting that a file or flag could hold.
pub(super) const SECRETS: [&str; 3] = ["key", "redis_password", "http_token"];

pub(super) fn from_env(
    env: &dyn Fn(&str) -> Option<OsString>,
) -> Result<Vec<Given>, SettingsError> {
    let mut given = Vec::new();
    // The secrets themselves come last, so that they go before the files that hold them.
    for field in names().into_iter().chain(SECRETS.map(Into::into)) {
        let variable = env_name(&field);
        // An empty variable counts as absent, which is what compose files make of an unset one.
        let Some(text) = env(&variable).filter(|text| !text.is_empty()) else { continue };
        let origin = Origin::Env(variable);
        let Ok(text) = text.into_string() else {
            return Err(SettingsError::bad(&origin, &field, "the value is not UTF-8"));
        };
        let value = from_text(&field, &text)
            .map_err(|message| SettingsError::bad(&origin, &field, message))?;
        given.push(Given { origin, field, value });
    }
    Ok(given)
}

pub(super) fn from_flags(flags: &[Flag]) -> Result<Vec<Given>, SettingsError> {
    let known = names();
    let mut given = Vec::new();
    for Flag { flag, field, value } in flags {
        let origin = Origin::Flag(flag.clone());
        if !known.contains(field) {
            return Err(SettingsError::unknown(origin, field));
        }
        let value = from_text(field, value)
            .map_err(|message| SettingsError::bad(&origin, field, message))?;
        given.push(Given { origin, field: field.clone(), value });
    }
    Ok(given)
}
