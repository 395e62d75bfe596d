//! What can be wrong with settings, and where.

use super::names::{env_name, nearest};
use std::fmt;
use std::path::PathBuf;
use thiserror::Error;

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// A line of a file, counted from 1.
    File(PathBuf, usize),
    /// An environment variable.
    Env(String),
    /// A flag.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("by default"),
            Self::File(path, line) => write!(f, "{}:{line}", path.display()),
            Self::Env(name) => f.write_str(name),
            Self::Flag(flag) => f.write_str(flag),
        }
    }
}

/// Settings that cannot be used.
#[derive(Debug, Error)]
pub enum SettingsError {
    /// The file cannot be read.
    #[error("cannot read the configuration {}: {reason}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The file is not TOML.
    #[error("{}:{line}: not TOML: {message}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// A value is bad.
    #[error("{origin}: {}{message}", field_beside(origin, field))]
    Bad {
        /// Where it comes from.
        origin: Origin,
        /// The setting.
        field: String,
        /// What is wrong.
        message: String,
    },
    /// There is no such setting.
    #[error("{origin}: there is no setting {field:?}; {hint}")]
    Unknown {
        /// Where it was met.
        origin: Origin,
        /// What was written.
        field: String,
        /// What may have been meant.
        hint: String,
    },
    /// A variable of the environment looks like a setting and names none.
    #[error("{name}: there is no such variable; {hint}")]
    Variable {
        /// The variable.
        name: String,
        /// What may have been meant.
        hint: String,
    },
    /// A fault of the program.
    #[error("{0}")]
    Internal(String),
}

/// The field, where its source does not name it already: `--key-file: key_file:` says it twice.
fn field_beside(origin: &Origin, field: &str) -> String {
    let named = match origin {
        Origin::Flag(flag) => {
            flag == "--tag" || *flag == format!("--{}", field.replace(['_', '.'], "-"))
        }
        Origin::Env(name) => *name == env_name(field),
        Origin::Default | Origin::File(..) => false,
    };
    if named { String::new() } else { format!("{field}: ") }
}

impl SettingsError {
    pub(super) fn bad(origin: &Origin, field: &str, message: impl Into<String>) -> Self {
        Self::Bad { origin: origin.clone(), field: field.into(), message: message.into() }
    }

    pub(super) fn unknown(origin: Origin, field: &str) -> Self {
        let hint = match field {
            "redis_password" | "http_token" | "key" => format!(
                "secrets have a file of their own, named by {field}_file, or come from the \
                 environment"
            ),
            _ => match nearest(field) {
                Some(near) => format!("did you mean {near:?}?"),
                None => "`rumormill agent --print-config` lists them all".into(),
            },
        };
        Self::Unknown { origin, field: field.into(), hint }
    }
}
