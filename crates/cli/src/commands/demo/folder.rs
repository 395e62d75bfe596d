//! Where the agents of a demo keep their data.

use anyhow::Context as _;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// A folder that goes with the demo, or one of the user's that stays.
pub struct Folder {
    path: PathBuf,
    temporary: bool,
}

impl Folder {
    pub fn open(named: Option<&Path>) -> anyhow::Result<Self> {
        if let Some(path) = named {
            std::fs::create_dir_all(path)
                .with_context(|| format!("cannot make the folder {}", path.display()))?;
            let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
            return Ok(Self { path, temporary: false });
        }
        let nanos = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let name = format!("rumormill-demo-{}-{nanos:x}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let mut builder = std::fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        // Fails if it exists: it must be nobody else's.
        builder.create(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self { path, temporary: true })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.temporary {
            // What cannot be removed is in the folder for temporary files.
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_temporary_folder_goes_and_a_named_one_stays() {
        let temporary = Folder::open(None).unwrap();
        let path = temporary.path().to_owned();
        std::fs::write(path.join("a"), "").unwrap();
        drop(temporary);
        assert!(!path.exists());
        let home = tempfile::tempdir().unwrap();
        let named = home.path().join("x/y");
        drop(Folder::open(Some(&named)).unwrap());
        assert!(named.exists());
    }
}
