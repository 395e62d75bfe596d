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
    /// Others may look into the folder, and it is not for us to change that. Nothing was changed.
    #[error(
        "others may use the data folder {0} (mode {mode:04o}), and {why}: run `chmod 700 {0}` as its \
         owner if it is for this agent alone, or give the agent another folder (--data)",
        folder.display()
    )]
    Open { folder: PathBuf, mode: u32, why: &'static str },
    /// A file is in the way that we have not made. Nothing was changed.
    #[error(
        "{} {reason}, so this agent has not made it and does not write to it: move it away, or give \
         the agent another folder (--data)", file.display()
    )]
    NotOurs { file: PathBuf, reason: &'static str },
    /// A file or folder cannot be used.
    #[error("cannot {action} {}: {source}", path.display())]
    Io { action: &'static str, path: PathBuf, source: std::io::Error },
    /// The database in the folder failed.
    #[error("cannot {action} the database {}: {reason}", folder.display())]
    Database { action: &'static str, folder: PathBuf, reason: String },
}

impl StoreError {
    /// True if the disk is full.
    pub(super) fn is_full(&self) -> bool {
        use std::io::ErrorKind::{QuotaExceeded, StorageFull};
        matches!(self, Self::Io { source, .. }
            if matches!(source.kind(), StorageFull | QuotaExceeded))
    }

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
