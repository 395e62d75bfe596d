//! Where settings come from: the sources, put over each other.

use super::draft::Draft;
use super::given::{from_env, from_flags};
use super::{Flag, Settings, SettingsError, file};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

impl Settings {
    /// Puts the sources over each other: `flags`, the environment as `env` answers it, the TOML
    /// file (`file`, or the one that `RUMORMILL_CONFIG` names), defaults.
    ///
    /// # Errors
    /// If a source cannot be read, names something unknown, or holds a bad value; says where.
    pub fn load(
        file: Option<&Path>,
        flags: &[Flag],
        env: &dyn Fn(&str) -> Option<OsString>,
    ) -> Result<Self, SettingsError> {
        let named = env("RUMORMILL_CONFIG").filter(|path| !path.is_empty()).map(PathBuf::from);
        let mut given = match file.or(named.as_deref()) {
            Some(path) => file::load(path)?,
            None => Vec::new(),
        };
        given.extend(from_env(env)?);
        given.extend(from_flags(flags)?);
        Draft::new(&given)?.finish(given)
    }
}
