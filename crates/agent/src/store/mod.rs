//! The durable store: entries, what the node keeps beside them, and who it is, in one folder.
//!
//! Memory serves all reads. The store only makes entries durable, and gives them back at the start.

mod backlog;
mod change;
#[doc(hidden)]
pub mod cost;
mod database;
mod error;
mod folder;
mod fsync;
mod journal;
mod record;
mod writer;

#[cfg(test)]
mod faults;
#[cfg(test)]
mod trials;

pub(crate) use change::{Change, Keys, Place};
pub(crate) use database::Loaded;
pub(crate) use error::StoreError;
pub(crate) use folder::FolderOrigin;
pub use fsync::Fsync;
pub(crate) use record::fuzz as fuzz_record;
pub(crate) use writer::{StoreEvent, Writer};

use database::Database;
use folder::Folder;
use rumormill_core::NodeId;
use rumormill_core::data::Entry;
use std::path::Path;

/// An open data folder. Its calls block; one thread owns it.
pub(crate) struct Store {
    // Before the folder: the lock goes last.
    database: Database,
    folder: Folder,
    fsync: Fsync,
    node: NodeId,
    origin: FolderOrigin,
    #[cfg(test)]
    faults: faults::Faults,
}

impl Store {
    /// Opens or makes the folder, and locks it until the store is dropped.
    ///
    /// # Errors
    /// If the folder is in use, belongs to another cluster, or cannot be read or written.
    pub(crate) fn open(dir: &Path, cluster: &str, fsync: Fsync) -> Result<Self, StoreError> {
        let folder = Folder::lock(dir)?;
        let found = folder.identity(cluster)?;
        let had_data = Database::exists(dir);
        let database = Database::open(dir, fsync)?;
        // The identity is written last: a folder with one is complete.
        let (node, origin) = match found {
            Some(found) if had_data && !found.copied => (found.node, FolderOrigin::Same),
            Some(found) => {
                let node = folder.new_identity(cluster)?;
                tracing::warn!(
                    folder = %dir.display(), old = %found.node, new = %node,
                    "the data folder is a copy, a restored backup, or without its database: \
                     the node gets a new id"
                );
                (node, FolderOrigin::Copied { old: found.node })
            }
            None => (folder.new_identity(cluster)?, FolderOrigin::New),
        };
        Ok(Self {
            database,
            folder,
            fsync,
            node,
            origin,
            #[cfg(test)]
            faults: faults::Faults::default(),
        })
    }

    /// What goes wrong with its disk.
    #[cfg(test)]
    fn faults(&self) -> faults::Faults {
        self.faults.clone()
    }

    /// Who the node is.
    pub(crate) fn node_id(&self) -> NodeId {
        self.node
    }

    /// Where the folder comes from. After [`FolderOrigin::Copied`], [`Store::node_id`] is new.
    pub(crate) fn origin(&self) -> FolderOrigin {
        self.origin
    }

    /// When writes are forced to the disk.
    pub(crate) fn fsync(&self) -> Fsync {
        self.fsync
    }

    /// The folder.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Hands out every entry of both maps and all that is kept aside, one by one, in no promised
    /// order.
    ///
    /// # Errors
    /// If the database is damaged. A single record that makes no sense is skipped.
    pub(crate) fn load(&mut self, each: impl FnMut(Place, Entry)) -> Result<Loaded, StoreError> {
        self.database.load(each)
    }

    /// The bytes of the last [`Change::Keep`], if a build that this one understands wrote them.
    ///
    /// # Errors
    /// If the database is damaged.
    pub(crate) fn kept(&self) -> Result<Option<Vec<u8>>, StoreError> {
        self.database.kept()
    }

    /// Makes changes, all or none; of several about one key the last. An entry that is put must be
    /// newer than what is stored under its key. When this returns they have reached the operating
    /// system, or with [`Fsync::Always`] the disk.
    ///
    /// # Errors
    /// If they could not be made; then nothing can be until [`Store::reopen`] has succeeded.
    pub(crate) fn append(&mut self, batch: &[Change]) -> Result<(), StoreError> {
        if batch.is_empty() {
            return Ok(());
        }
        #[cfg(test)]
        if self.faults.on_append()? {
            return Ok(());
        }
        self.database.append(batch)
    }

    /// Forces everything to the disk.
    ///
    /// # Errors
    /// If the disk refuses. What was written since the last success may then be lost on a power
    /// cut, even if a later call succeeds: it must be written again.
    pub(crate) fn sync(&mut self) -> Result<(), StoreError> {
        #[cfg(test)]
        self.faults.on_sync()?;
        self.database.sync()
    }

    /// Finds out why nothing can be written; the database itself may only know that an earlier write
    /// in the background failed.
    ///
    /// # Errors
    /// If the disk takes no writes.
    pub(crate) fn probe(&self) -> Result<(), StoreError> {
        self.folder.probe()
    }

    /// Opens the database anew after an error. The folder stays locked, and nothing that was
    /// acknowledged is lost.
    ///
    /// # Errors
    /// If it still cannot be opened.
    pub(crate) fn reopen(&mut self) -> Result<(), StoreError> {
        self.probe()?;
        self.database.reopen()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rumormill_core::data::{Space, Stamp};
    use std::collections::BTreeMap;
    use std::fs;
    use std::path::PathBuf;
    use std::process::Command;
    use std::sync::Arc;

    type Held = BTreeMap<(Place, Vec<u8>), Entry>;

    fn stamp(time: u64) -> Stamp {
        Stamp { time, node: NodeId(7) }
    }

    fn put(key: &str, value: &str, time: u64) -> (Space, Arc<Entry>) {
        let entry = Entry::new(key.as_bytes(), value.as_bytes(), stamp(time), None);
        (Space::Data, Arc::new(entry))
    }

    fn puts(batch: &[(Space, Arc<Entry>)]) -> Vec<Change> {
        batch.iter().map(|(space, entry)| Change::Put(*space, Arc::clone(entry))).collect()
    }

    fn remove((_, entry): (Space, Arc<Entry>)) -> Change {
        Change::Remove(entry)
    }

    fn keep(text: &str) -> Change {
        Change::Keep(text.as_bytes().into())
    }

    fn open(dir: &Path) -> Store {
        Store::open(dir, "blue", Fsync::Everysec).unwrap()
    }

    fn held(store: &mut Store) -> Held {
        let mut held = Held::new();
        let loaded = store
            .load(|place, entry| {
                assert!(held.insert((place, entry.key().to_vec()), entry).is_none());
            })
            .unwrap();
        let strays = held.keys().filter(|(place, _)| *place == Place::Strays).count() as u64;
        let entries = held.len() as u64 - strays;
        assert_eq!(loaded, Loaded { entries, strays, skipped: 0 });
        held
    }

    fn wanted(batch: &[(Space, Arc<Entry>)]) -> Held {
        let one = |(space, entry): &(Space, Arc<Entry>)| {
            ((Place::Map(*space), entry.key().to_vec()), Entry::clone(entry))
        };
        batch.iter().map(one).collect()
    }

    #[test]
    fn what_was_written_is_there_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let big = vec![7; 1 << 20];
        let batch = [
            put("a", "1", 1),
            put("", "the empty key", 2),
            (Space::Roster, Arc::new(Entry::new(b"a", b"other space", stamp(3), None))),
            (Space::Roster, Arc::new(Entry::tombstone(b"", stamp(4)))),
            (Space::Data, Arc::new(Entry::tombstone(b"gone", stamp(5)))),
            (Space::Data, Arc::new(Entry::new(b"soon", b"x", stamp(6), Some(99)))),
            (Space::Data, Arc::new(Entry::new(&[255; 4096], &big, stamp(7), None))),
        ];
        for fsync in [Fsync::Everysec, Fsync::Always] {
            let mut store = Store::open(dir.path(), "blue", fsync).unwrap();
            store.append(&[]).unwrap();
            store.append(&puts(&batch)).unwrap();
            assert_eq!(held(&mut store), wanted(&batch));
            store.sync().unwrap();
        }
        let mut store = open(dir.path());
        assert_eq!(store.origin(), FolderOrigin::Same);
        assert_eq!(held(&mut store), wanted(&batch));
        store.reopen().unwrap();
        assert_eq!(held(&mut store), wanted(&batch));
    }

    #[test]
    fn the_latest_write_of_a_key_stays() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = open(dir.path());
        store.append(&puts(&[put("k", "old", 1)])).unwrap();
        // In one batch too, whatever its order.
        store.append(&puts(&[put("k", "a", 2), put("k", "c", 4), put("k", "b", 3)])).unwrap();
        drop(store);
        assert_eq!(held(&mut open(dir.path())), wanted(&[put("k", "c", 4)]));
    }

    #[test]
    fn what_is_removed_is_gone_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = open(dir.path());
        store.append(&puts(&[put("a", "1", 1), put("b", "1", 1), put("c", "1", 1)])).unwrap();
        store.append(&[remove(put("a", "1", 1))]).unwrap();
        // A removal in the batch of a write: before it, after it, and after one of another stamp.
        let [b, c, d, e] =
            [put("b", "2", 9), put("c", "2", 9), put("d", "", 9), put("e", "older", 3)];
        let mut batch = puts(&[b.clone(), c.clone(), d.clone(), put("e", "own", 5)]);
        batch.insert(0, remove(put("b", "1", 1)));
        batch.extend([remove(c), remove(put("d", "", 8)), remove(put("e", "own", 5))]);
        // What comes in place of what was dropped may be older than it.
        batch.extend(puts(std::slice::from_ref(&e)));
        store.append(&batch).unwrap();
        let all = wanted(&[b, d, e]);
        assert_eq!(held(&mut store), all);
        drop(store);
        assert_eq!(held(&mut open(dir.path())), all);
    }

    #[test]
    fn what_is_kept_comes_back_and_is_no_entry() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = open(dir.path());
        assert_eq!(store.kept().unwrap(), None);
        let mut batch = puts(&[put("a", "1", 1)]);
        batch.extend([keep("one"), keep("two")]);
        store.append(&batch).unwrap();
        store.append(&[keep("three")]).unwrap();
        drop(store);
        let mut store = open(dir.path());
        assert_eq!(store.kept().unwrap().as_deref(), Some(&b"three"[..]));
        assert_eq!(held(&mut store), wanted(&[put("a", "1", 1)]));
    }

    #[test]
    fn what_is_not_retained_goes_unless_it_comes_later() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = open(dir.path());
        let roster = (Space::Roster, Arc::new(Entry::new(b"r", b"", stamp(1), None)));
        let old = [put("a", "1", 1), put("b", "1", 1), put("c", "1", 1), roster.clone()];
        store.append(&puts(&old)).unwrap();
        let mut keys = Keys::default();
        [b"a", b"e"].iter().for_each(|key| keys.add(*key));
        let mut batch = puts(&[put("a", "2", 2), put("d", "1", 2)]);
        batch.push(Change::Retain(Place::DATA, Arc::new(keys)));
        batch.extend(puts(&[put("c", "2", 2), put("e", "1", 2)]));
        batch.push(keep("it"));
        store.append(&batch).unwrap();
        drop(store);
        let all = [put("a", "2", 2), put("c", "2", 2), put("e", "1", 2), roster];
        let mut store = open(dir.path());
        assert_eq!(held(&mut store), wanted(&all));
        assert_eq!(store.kept().unwrap().as_deref(), Some(&b"it"[..]));
    }

    #[test]
    fn what_is_kept_aside_has_keys_of_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = open(dir.path());
        let aside = |key: &str, time| Arc::new(Entry::new(key.as_bytes(), b"x", stamp(time), None));
        let all = |strays: &[Arc<Entry>], maps: &[(Space, Arc<Entry>)]| {
            let mut all = wanted(maps);
            let one =
                |entry: &Arc<Entry>| ((Place::Strays, entry.key().to_vec()), Entry::clone(entry));
            all.extend(strays.iter().map(one));
            all
        };
        store.append(&puts(&[put("a", "1", 5), put("b", "1", 5)])).unwrap();
        // What leaves the data and is put aside is in one batch.
        let gone = Arc::new(Entry::tombstone(b"", stamp(9)));
        let batch = [Change::Stray(aside("a", 5)), remove(put("a", "1", 5))];
        store.append(&batch).unwrap();
        store.append(&[Change::Stray(aside("b", 3)), Change::Stray(Arc::clone(&gone))]).unwrap();
        let strays = [aside("a", 5), aside("b", 3), gone];
        assert_eq!(held(&mut store), all(&strays, &[put("b", "1", 5)]));
        // A newer one takes the place of one before; one that is not there any more takes nothing.
        store.append(&[Change::Stray(aside("a", 7)), Change::StrayGone(aside("a", 5))]).unwrap();
        store.append(&[Change::StrayGone(aside("", 9)), Change::StrayGone(aside("z", 1))]).unwrap();
        drop(store);
        let mut store = open(dir.path());
        let strays = [aside("a", 7), aside("b", 3)];
        assert_eq!(held(&mut store), all(&strays, &[put("b", "1", 5)]));
        // Each place is swept by itself.
        let mut keys = Keys::default();
        keys.add(b"a");
        store.append(&[Change::Retain(Place::Strays, Arc::new(keys))]).unwrap();
        assert_eq!(held(&mut store), all(&strays[..1], &[put("b", "1", 5)]));
        store.append(&[Change::Retain(Place::DATA, Arc::default())]).unwrap();
        assert_eq!(held(&mut store), all(&strays[..1], &[]));
    }

    /// Wherever the journal is torn: what is there is what some first batches come to.
    #[test]
    fn removals_and_what_is_kept_are_torn_off_in_order() {
        for torn in (0..600).step_by(23) {
            let dir = tempfile::tempdir().unwrap();
            let mut store = open(dir.path());
            let mut states = vec![(Held::new(), None)];
            for number in 0..20_u64 {
                let mut batch = puts(&[put(&format!("{number}"), "v", number + 1)]);
                let mut all = states.last().unwrap().0.clone();
                all.extend(wanted(&[put(&format!("{number}"), "v", number + 1)]));
                if number % 2 == 1 {
                    batch.push(remove(put(&format!("{}", number - 1), "v", number)));
                    all.remove(&(Place::DATA, format!("{}", number - 1).into_bytes()));
                }
                batch.push(keep(&number.to_string()));
                store.append(&batch).unwrap();
                states.push((all, Some(number.to_string().into_bytes())));
            }
            drop(store);
            let journal = newest_journal(dir.path());
            let bytes = fs::read(&journal).unwrap();
            fs::write(&journal, &bytes[..bytes.len().saturating_sub(torn)]).unwrap();
            let mut store = open(dir.path());
            let found = (held(&mut store), store.kept().unwrap());
            assert!(states.contains(&found), "{torn} bytes torn off: {found:?}");
        }
    }

    #[test]
    fn a_new_folder_and_the_same_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/folder");
        let store = open(&path);
        assert_eq!(store.origin(), FolderOrigin::New);
        assert_ne!(store.node_id(), NodeId(0));
        let node = store.node_id();
        drop(store);
        let store = open(&path);
        assert_eq!((store.node_id(), store.origin()), (node, FolderOrigin::Same));
    }

    #[test]
    fn a_folder_in_use_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path());
        let error = Store::open(dir.path(), "blue", Fsync::Everysec).err().unwrap().to_string();
        assert!(error.contains(&*dir.path().to_string_lossy()), "{error}");
        assert!(error.contains(&format!("process {}", std::process::id())), "{error}");
        drop(store);
        open(dir.path());
    }

    #[test]
    fn a_copy_is_a_new_node_with_the_data() {
        let dir = tempfile::tempdir().unwrap();
        let (first, copy) = (dir.path().join("first"), dir.path().join("copy"));
        let mut store = open(&first);
        store.append(&puts(&[put("k", "v", 1)])).unwrap();
        let old = store.node_id();
        drop(store);
        let copied = Command::new("cp").arg("-a").args([&first, &copy]).status().unwrap();
        assert!(copied.success());
        let mut store = open(&copy);
        assert_eq!(store.origin(), FolderOrigin::Copied { old });
        let new = store.node_id();
        assert_ne!(new, old);
        assert_eq!(held(&mut store), wanted(&[put("k", "v", 1)]));
        drop(store);
        let store = open(&copy);
        assert_eq!((store.node_id(), store.origin()), (new, FolderOrigin::Same));
        assert_eq!(open(&first).node_id(), old);
    }

    #[test]
    fn a_folder_without_its_database_is_a_new_node() {
        let dir = tempfile::tempdir().unwrap();
        let old = open(dir.path()).node_id();
        fs::remove_dir_all(dir.path().join("store")).unwrap();
        let store = open(dir.path());
        assert_eq!(store.origin(), FolderOrigin::Copied { old });
        assert_ne!(store.node_id(), old);
    }

    #[test]
    fn a_folder_without_its_identity_keeps_its_data() {
        let dir = tempfile::tempdir().unwrap();
        open(dir.path()).append(&puts(&[put("k", "v", 1)])).unwrap();
        fs::remove_file(dir.path().join("identity.toml")).unwrap();
        let mut store = open(dir.path());
        assert_eq!(store.origin(), FolderOrigin::New);
        assert_eq!(held(&mut store), wanted(&[put("k", "v", 1)]));
    }

    #[test]
    fn another_cluster_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let node = open(dir.path()).node_id();
        let error = Store::open(dir.path(), "red", Fsync::Everysec).err().unwrap().to_string();
        for word in ["blue", "red", "--data", &*dir.path().to_string_lossy()] {
            assert!(error.contains(word), "{error}");
        }
        assert_eq!(open(dir.path()).node_id(), node);
    }

    #[test]
    fn a_half_made_database_is_made_again() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("store.new/keyspaces")).unwrap();
        fs::write(dir.path().join("store.new/0.jnl"), [0; 100]).unwrap();
        let mut store = open(dir.path());
        store.append(&puts(&[put("k", "v", 1)])).unwrap();
        assert!(!dir.path().join("store.new").exists());
    }

    #[test]
    fn a_database_without_its_version_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        drop(open(dir.path()));
        fs::remove_file(dir.path().join("store/version")).unwrap();
        let error = Store::open(dir.path(), "blue", Fsync::Everysec).err().unwrap().to_string();
        assert!(error.contains("version") && error.contains("store"), "{error}");
    }

    const BATCHES: u64 = 20;

    fn batch_of(number: u64) -> Vec<(Space, Arc<Entry>)> {
        (0..3).map(|n| put(&format!("{number:03}/{n}"), &"v".repeat(50), number + 1)).collect()
    }

    /// A folder with `BATCHES` batches, after `damage` to the bytes of its newest journal; what is
    /// readable in it, as a number of batches from the first. Asserts that there are no gaps and no
    /// parts of batches, and that the store goes on from there.
    fn batches_after(damage: impl FnOnce(&mut Vec<u8>)) -> u64 {
        let dir = tempfile::tempdir().unwrap();
        let mut store = open(dir.path());
        for number in 0..BATCHES {
            store.append(&puts(&batch_of(number))).unwrap();
        }
        drop(store);
        let journal = newest_journal(dir.path());
        let mut bytes = fs::read(&journal).unwrap();
        damage(&mut bytes);
        fs::write(&journal, &bytes).unwrap();
        let mut store = open(dir.path());
        let found = held(&mut store);
        let count = found.len() as u64 / 3;
        let mut all: Vec<_> = (0..count).flat_map(batch_of).collect();
        assert_eq!(found, wanted(&all));
        store.append(&puts(&batch_of(900))).unwrap();
        drop(store);
        all.extend(batch_of(900));
        assert_eq!(held(&mut open(dir.path())), wanted(&all));
        count
    }

    fn newest_journal(dir: &Path) -> PathBuf {
        let number = |path: &PathBuf| path.file_stem()?.to_str()?.parse::<u64>().ok();
        let files = fs::read_dir(dir.join("store")).unwrap().map(|item| item.unwrap().path());
        files
            .filter(|path| path.extension().is_some_and(|extension| extension == "jnl"))
            .max_by_key(number)
            .unwrap()
    }

    #[test]
    fn a_torn_tail_is_cut() {
        assert_eq!(batches_after(|_| {}), BATCHES);
        for torn in [1, 3, 4, 5, 12, 13, 14, 40, 100, 200] {
            assert_eq!(batches_after(|bytes| bytes.truncate(bytes.len() - torn)), BATCHES - 1);
        }
    }

    #[test]
    fn a_tail_of_zeros_or_garbage_is_cut() {
        let tails: [&[u8]; 9] = [
            &[0; 5000],
            b"garbage",
            &[1; 100],
            &[2; 100],
            &[3; 100],
            &[4; 100],
            &[255; 3000],
            // A sound start, and then an item that claims four gigabytes.
            &[1, 1, 0, 0, 0, 99, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 255, 255],
            // A sound start of nothing, with a wrong sum.
            &[1, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6, 7, 8, 70, 74, 76, 3],
        ];
        for tail in tails {
            assert_eq!(batches_after(|bytes| bytes.extend_from_slice(tail)), BATCHES);
        }
        let mut random = 0x9E37_79B9_7F4A_7C15_u64;
        for len in [10, 100, 1000, 100_000] {
            let tail: Vec<u8> = (0..len)
                .map(|_| {
                    random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    (random >> 56) as u8
                })
                .collect();
            assert_eq!(batches_after(|bytes| bytes.extend_from_slice(&tail)), BATCHES);
        }
    }

    #[test]
    fn a_hole_ends_what_is_readable() {
        // What a power cut leaves where a later page was written and an earlier one was not.
        for at in [1, 2, 5, 20, 50, 90] {
            let count = batches_after(|bytes| {
                let from = bytes.len() * at / 100;
                bytes[from..from + 40].fill(0);
            });
            assert!(count <= BATCHES * at as u64 / 100, "{count} batches with a hole at {at} %");
            assert!(count + 2 >= BATCHES * at as u64 / 100, "{count} with a hole at {at} %");
        }
    }

    #[test]
    fn any_flipped_bit_is_survived() {
        for at in (0..400).step_by(37) {
            let mut whole = 0;
            let count = batches_after(|bytes| {
                let from = bytes.len() - 1 - at;
                bytes[from] ^= 1 << (at % 8);
                whole = BATCHES * from as u64 / bytes.len() as u64;
            });
            assert!(whole <= count + 2, "{count} batches of {whole} before the bit at -{at}");
        }
    }
}
