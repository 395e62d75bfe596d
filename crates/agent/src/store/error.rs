//! Why the store cannot do what it was asked.

use crate::error::StartError;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// The store refused or failed. What had been acknowledged before stays.
#[derive(Debug, Error)]
pub(crate) enum StoreError {
    /// Somebody else has the folder open. Nothing was changed.
    #[error(
        "the data folder {} is in use by another agent{}: stop it first, or give this agent \
         another folder (--data)", folder.display(), by(*pid)
    )]
    InUse { folder: PathBuf, pid: Option<u32> },
    /// The folder holds the data of another cluster. Nothing was changed.
    #[error(
        "the data folder {} belongs to the cluster {found:?}, not {wanted:?}: start with \
         --cluster {found}, or give this agent another folder (--data)", folder.display()
    )]
    OtherCluster { folder: PathBuf, found: String, wanted: String },
    /// The file that says who the node is cannot be understood. Nothing was changed.
    #[error(
        "the identity file {} {reason}: restore it, or remove it, and the node comes back under a \
         new id with its data kept", file.display()
    )]
    Identity { file: PathBuf, reason: String },
    /// A file or folder cannot be used.
    #[error("cannot {action} {}: {source}", path.display())]
    Io { action: &'static str, path: PathBuf, source: std::io::Error },
    /// The database in the folder failed.
    #[error("cannot {action} the database {}: {reason}", folder.display())]
    Database { action: &'static str, folder: PathBuf, reason: String },
}

impl StoreError {
    /// For `map_err` on file operations.
    pub(super) fn io<'a>(
        action: &'static str,
        path: &'a Path,
    ) -> impl FnOnce(std::io::Error) -> Self + use<'a> {
        move |source| Self::Io { action, path: path.to_path_buf(), source }
    }
}

fn by(pid: Option<u32>) -> String {
    pid.map_or_else(String::new, |pid| format!(" (process {pid})"))
}

impl From<StoreError> for StartError {
    fn from(error: StoreError) -> Self {
        Self::Store(error.to_string())
    }
}
