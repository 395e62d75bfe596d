//! The data folder: its lock, and the file that says who the node is.
//!
//! A node id must never be used twice at once, and a node that is set back to an older state must
//! not go on under its id: its peers know stamps of it that it no longer knows. So the identity
//! file names its own inode and time of birth. In a copied folder or a restored backup the file
//! is another one, and the node gets a new id. (A snapshot of a whole disk cannot be told so.)

use super::error::StoreError;
use crate::entropy::random_u64;
use rumormill_core::NodeId;
use serde::{Deserialize, Serialize};
use std::fs::{DirBuilder, File, Metadata, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

const LOCK: &str = "lock";
const IDENTITY: &str = "identity.toml";
const UNFINISHED: &str = "identity.toml.new";
const PROBE: &str = "write-probe.tmp";
/// What may be in a folder of ours before the identity is, and on a file system that is only ours.
const OURS: [&str; 6] = [LOCK, UNFINISHED, PROBE, "store", "store.new", "lost+found"];
/// No lock file of ours is longer: a process id and a line end.
const LONGEST_LOCK: u64 = 21;
/// Less room than this and the database, opened again, would soon fail again: it flushes as much.
const PROBE_BYTES: usize = 8 * 1024 * 1024;
const FORMAT: u32 = 1;
/// No identity file is longer; the bound keeps a wrong file from being read into memory.
const LONGEST: u64 = 16 * 1024;
const HEADER: &str = "# Who this Rumormill node is. Do not edit. Copied elsewhere it is not valid: \
                      the copy becomes a new node.\n";

/// Where a data folder comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FolderOrigin {
    /// Made just now.
    New,
    /// The one that was used before.
    Same,
    /// A copy, a restored backup, or a folder that has lost its database: what is in it may be
    /// old, and `old` is not this node.
    Copied { old: NodeId },
}

/// A folder that nobody else can use while this is held.
pub(super) struct Folder {
    path: PathBuf,
    /// Closing the file, or the end of the process, lets go of the lock.
    _lock: File,
}

/// What the identity file says.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Identity {
    format: u32,
    node: String,
    cluster: String,
    /// Inode and birth of this file, in words of its own.
    file: String,
}

/// An identity file that was found.
pub(super) struct Found {
    pub(super) node: NodeId,
    pub(super) copied: bool,
}

impl Folder {
    /// Makes the folder if it is not there, and locks it.
    pub(super) fn lock(path: &Path) -> Result<Self, StoreError> {
        let mut builder = DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(path).map_err(StoreError::io("make the data folder", path))?;
        tighten(path)?;
        let file = path.join(LOCK);
        let mut lock = open_own(&file)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(StoreError::InUse { folder: path.into(), pid: read_pid(&lock) });
            }
            Err(TryLockError::Error(error)) => return Err(StoreError::io("lock", &file)(error)),
        }
        if !is_lock(&lock) {
            let reason = "holds something else than the number of a process";
            return Err(StoreError::NotOurs { file, reason });
        }
        // Only a hint for whoever is refused: on a full disk it may stay out.
        let _ = lock
            .rewind()
            .and_then(|()| lock.set_len(0))
            .and_then(|()| writeln!(lock, "{}", std::process::id()));
        Ok(Self { path: path.into(), _lock: lock })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Finds out whether the disk takes writes, by writing: much cheaper than to open the database.
    pub(super) fn probe(&self) -> Result<(), StoreError> {
        let path = self.path.join(PROBE);
        let write = || {
            // One may be left of a process that was killed; whatever it is now, it is not followed.
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let mut file = File::create_new(&path)?;
            let zeros = [0; 64 * 1024];
            for _ in 0..PROBE_BYTES / zeros.len() {
                file.write_all(&zeros)?;
            }
            file.sync_data()
        };
        let result = write();
        // It may not have been made; and what matters is whether it could be written.
        let _ = std::fs::remove_file(&path);
        result.map_err(StoreError::io("write to", &self.path))
    }

    /// Reads who the node was; `None` if the file is not there.
    pub(super) fn identity(&self, cluster: &str) -> Result<Option<Found>, StoreError> {
        let path = self.path.join(IDENTITY);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StoreError::io("open", &path)(error)),
        };
        let wrong = |reason: String| StoreError::Identity { file: path.clone(), reason };
        let mut bytes = Vec::new();
        (&file)
            .take(LONGEST + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| wrong(format!("cannot be read ({error})")))?;
        if bytes.len() as u64 > LONGEST {
            return Err(wrong(format!("is longer than {LONGEST} bytes")));
        }
        let damaged = |_| wrong("is damaged (not text)".into());
        let text = String::from_utf8(bytes).map_err(damaged)?;
        let identity: Identity = toml::from_str(&text)
            .map_err(|error| wrong(format!("is damaged ({})", error.message())))?;
        if identity.format != FORMAT {
            return Err(wrong(format!(
                "has format {}, and this build knows only {FORMAT} (a newer agent wrote it)",
                identity.format
            )));
        }
        let node = identity.node.parse().ok().filter(|node| *node != NodeId(0));
        let node = node.ok_or_else(|| wrong(format!("has no node id in {:?}", identity.node)))?;
        if identity.cluster != cluster {
            return Err(StoreError::OtherCluster {
                folder: self.path.clone(),
                found: identity.cluster,
                wanted: cluster.into(),
            });
        }
        let mark = mark(&file.metadata().map_err(StoreError::io("look at", &path))?);
        Ok(Some(Found { node, copied: identity.file != mark }))
    }

    /// Draws a new id and writes it down; it is on the disk when this returns.
    pub(super) fn new_identity(&self, cluster: &str) -> Result<NodeId, StoreError> {
        let node = NodeId(random_u64());
        let unfinished = self.path.join(UNFINISHED);
        match std::fs::remove_file(&unfinished) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(StoreError::io("remove", &unfinished)(error));
            }
            _ => {}
        }
        let write = || {
            let mut file = File::create_new(&unfinished)?;
            // The file keeps inode and birth when it is renamed.
            let identity = Identity {
                format: FORMAT,
                node: node.to_string(),
                cluster: cluster.into(),
                file: mark(&file.metadata()?),
            };
            let text = toml::to_string(&identity).map_err(std::io::Error::other)?;
            file.write_all(format!("{HEADER}{text}").as_bytes())?;
            file.sync_all()
        };
        write().map_err(StoreError::io("write", &unfinished))?;
        rename(&unfinished, &self.path.join(IDENTITY))?;
        Ok(node)
    }
}

/// Renames within one folder, durably.
pub(super) fn rename(from: &Path, to: &Path) -> Result<(), StoreError> {
    std::fs::rename(from, to).map_err(StoreError::io("rename", from))?;
    let Some(folder) = to.parent() else { return Ok(()) };
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(StoreError::io("force to disk", folder))
}

/// Makes a folder that only its owner may use of one that others may, if it is ours to change: it
/// belongs to who runs the agent, and has been a data folder before or holds nothing else.
#[cfg(unix)]
fn tighten(path: &Path) -> Result<(), StoreError> {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    let metadata = std::fs::metadata(path).map_err(StoreError::io("look at", path))?;
    let mode = metadata.mode() & 0o7777;
    if mode & 0o077 == 0 {
        return Ok(());
    }
    let open = |why| Err(StoreError::Open { folder: path.into(), mode, why });
    if metadata.uid() != rustix::process::geteuid().as_raw() {
        return open("it belongs to another user");
    }
    let known = path.join(IDENTITY).exists();
    for item in std::fs::read_dir(path).map_err(StoreError::io("look into", path))? {
        let name = item.map_err(StoreError::io("look into", path))?.file_name();
        if !known && !OURS.iter().any(|ours| name == *ours) {
            return open("there is something else in it");
        }
    }
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700))
        .map_err(StoreError::io("keep others out of the data folder", path))?;
    tracing::warn!(
        folder = %path.display(), was = %format!("{mode:04o}"), now = "0700",
        "others could look into the data folder; it is for its owner only now"
    );
    Ok(())
}

#[cfg(not(unix))]
fn tighten(_: &Path) -> Result<(), StoreError> {
    Ok(())
}

/// Opens a file of our own, makes it if it is not there, and follows no link.
fn open_own(file: &Path) -> Result<File, StoreError> {
    let mut options = OpenOptions::new();
    options.create(true).read(true).write(true).truncate(false);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        // Not waiting, should it be a pipe.
        let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
        options.mode(0o600).custom_flags(flags.bits().cast_signed());
    }
    let not_ours = |reason| Err(StoreError::NotOurs { file: file.into(), reason });
    let opened = match options.open(file) {
        Err(_) if file.is_symlink() => return not_ours("is a symbolic link"),
        opened => opened.map_err(StoreError::io("open", file))?,
    };
    let metadata = opened.metadata().map_err(StoreError::io("look at", file))?;
    if !metadata.is_file() {
        return not_ours("is no file");
    }
    #[cfg(unix)]
    if std::os::unix::fs::MetadataExt::nlink(&metadata) != 1 {
        return not_ours("has another name as well (a hard link)");
    }
    Ok(opened)
}

/// True if a lock file holds what one of ours does: nothing, or the number of a process.
fn is_lock(lock: &File) -> bool {
    let mut bytes = Vec::new();
    let read = lock.take(LONGEST_LOCK + 1).read_to_end(&mut bytes);
    read.is_ok()
        && bytes.len() as u64 <= LONGEST_LOCK
        && bytes.iter().all(|byte| byte.is_ascii_digit() || *byte == b'\n')
}

fn read_pid(lock: &File) -> Option<u32> {
    let mut text = String::new();
    lock.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

/// What a copy of a file does not share with it.
fn mark(file: &Metadata) -> String {
    #[cfg(unix)]
    let inode = std::os::unix::fs::MetadataExt::ino(file);
    #[cfg(not(unix))]
    let inode = 0_u64;
    // Where the file system keeps no time of birth, the inode has to do.
    let born = file.created().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    format!("{inode:x}-{:x}", born.unwrap_or_default().as_nanos())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn an_identity_is_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::lock(dir.path()).unwrap();
        assert!(folder.identity("blue").unwrap().is_none());
        let node = folder.new_identity("blue").unwrap();
        let found = folder.identity("blue").unwrap().unwrap();
        assert_eq!((found.node, found.copied), (node, false));
        assert!(!dir.path().join(UNFINISHED).exists());
    }

    #[test]
    fn a_half_written_identity_does_not_stand_in_the_way() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(UNFINISHED), "format =").unwrap();
        let folder = Folder::lock(dir.path()).unwrap();
        assert!(folder.identity("blue").unwrap().is_none());
        let node = folder.new_identity("blue").unwrap();
        assert_eq!(folder.identity("blue").unwrap().unwrap().node, node);
    }

    #[test]
    fn a_copied_identity_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::lock(dir.path()).unwrap();
        folder.new_identity("blue").unwrap();
        let (file, copy) = (dir.path().join(IDENTITY), dir.path().join("copy"));
        fs::copy(&file, &copy).unwrap();
        fs::rename(&copy, &file).unwrap();
        assert!(folder.identity("blue").unwrap().unwrap().copied);
    }

    #[test]
    fn wrong_identities_are_refused_and_named() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::lock(dir.path()).unwrap();
        let file = dir.path().join(IDENTITY);
        let line = |format: u32, node: &str| {
            format!("format = {format}\nnode = \"{node}\"\ncluster = \"blue\"\nfile = \"1-1\"\n")
        };
        for (text, why) in [
            (String::new(), "damaged"),
            ("\u{0}\u{0}".into(), "damaged"),
            (line(2, "1"), "newer agent"),
            (line(1, ""), "node id"),
            (line(1, "0"), "node id"),
            (line(1, "x y"), "node id"),
            (line(1, "1") + "more = 1\n", "damaged"),
            ("#".repeat(20_000), "longer"),
        ] {
            fs::write(&file, &text).unwrap();
            let error = folder.identity("blue").err().unwrap().to_string();
            assert!(error.contains(why), "{error}");
            assert!(error.contains(&*file.to_string_lossy()), "{error}");
        }
        fs::write(&file, [0xff, 0xfe]).unwrap();
        assert!(folder.identity("blue").err().unwrap().to_string().contains("not text"));
        fs::remove_file(&file).unwrap();
        fs::create_dir(&file).unwrap();
        assert!(folder.identity("blue").err().unwrap().to_string().contains("cannot be read"));
    }

    #[cfg(unix)]
    fn mode(path: &Path) -> u32 {
        use std::os::unix::fs::PermissionsExt as _;
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[cfg(unix)]
    fn set_mode(path: &Path, mode: u32) {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn the_folder_is_for_its_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b");
        let folder = Folder::lock(&path).unwrap();
        assert_eq!((mode(&path), mode(&path.join(LOCK))), (0o700, 0o600));
        folder.new_identity("blue").unwrap();
        drop(folder);
        // One that is there and open to others, empty or ours.
        for inside in [None, Some("store")] {
            inside.into_iter().for_each(|name| fs::create_dir(path.join(name)).unwrap());
            set_mode(&path, 0o755);
            drop(Folder::lock(&path).unwrap());
            assert_eq!(mode(&path), 0o700);
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_of_others_is_left_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("home");
        fs::create_dir(&path).unwrap();
        fs::write(path.join("letter"), "dear").unwrap();
        set_mode(&path, 0o1777);
        let error = Folder::lock(&path).err().unwrap().to_string();
        for words in ["1777", "something else in it", "chmod 700", "--data"] {
            assert!(error.contains(words), "{error}");
        }
        assert_eq!(mode(&path), 0o1777);
        assert!(!path.join(LOCK).exists());
        // One that others cannot look into may hold anything.
        set_mode(&path, 0o700);
        drop(Folder::lock(&path).unwrap());
        assert_eq!(fs::read_to_string(path.join("letter")).unwrap(), "dear");
    }

    #[cfg(unix)]
    #[test]
    fn nothing_that_is_not_ours_is_written_to() {
        use std::os::unix::fs::symlink;
        let dir = tempfile::tempdir().unwrap();
        let (path, target) = (dir.path().join("data"), dir.path().join("target"));
        fs::write(&target, "7").unwrap();
        let refused = |words: &str| {
            let error = Folder::lock(&path).err().unwrap().to_string();
            assert!(error.contains(words) && error.contains("data/lock"), "{error}");
            assert_eq!(fs::read_to_string(&target).unwrap(), "7");
            fs::remove_file(path.join(LOCK)).unwrap();
        };
        drop(Folder::lock(&path).unwrap());
        fs::remove_file(path.join(LOCK)).unwrap();
        symlink(&target, path.join(LOCK)).unwrap();
        refused("symbolic link");
        symlink(dir.path().join("nowhere"), path.join(LOCK)).unwrap();
        refused("symbolic link");
        assert!(!dir.path().join("nowhere").exists());
        fs::hard_link(&target, path.join(LOCK)).unwrap();
        refused("hard link");
        fs::write(path.join(LOCK), "a list of doors").unwrap();
        refused("something else");
        fs::write(path.join(LOCK), "1".repeat(30)).unwrap();
        refused("something else");
        // The probe takes the place of a link, and leaves alone what it points to.
        let folder = Folder::lock(&path).unwrap();
        symlink(&target, path.join(PROBE)).unwrap();
        folder.probe().unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap(), "7");
        assert!(!path.join(PROBE).is_symlink());
    }
}
