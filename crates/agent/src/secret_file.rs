//! Files with something secret in them, which nobody but their owner may use.

use std::path::Path;

/// Refuses a file with something secret that others than its owner may use.
#[cfg(unix)]
pub(crate) fn refuse_others(path: &Path, metadata: &std::fs::Metadata) -> Result<(), String> {
    use std::os::unix::fs::MetadataExt as _;
    let mode = metadata.mode() & 0o7777;
    if metadata.is_file() && mode & 0o077 != 0 {
        return Err(format!(
            "the key file {0} may be used by others than its owner (mode {mode:04o}): run \
             `chmod 600 {0}`; if others could read it for long, make a new key",
            path.display()
        ));
    }
    Ok(())
}

#[cfg(not(unix))]
pub(crate) fn refuse_others(_: &Path, _: &std::fs::Metadata) -> Result<(), String> {
    Ok(())
}
