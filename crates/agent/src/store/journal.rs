//! Makes the database's journals whole before it reads them.
//!
//! A power cut can leave a journal with a torn end, or with holes of zeros between what was
//! written last. The database cuts an end that merely stops, but refuses to open, or worse, where a
//! batch is there and wrong. So everything from the first batch on that is not whole is cut here;
//! peers give back what was in it.
//!
//! A journal (`<number>.jnl`, format 3 of fjall) is a row of batches: a start (count of items,
//! sequence number), that many items, an end (XXH3 of the items' bytes, magic). Unused space behind
//! them is zeros.

use super::error::StoreError;
use rumormill_core::data::entry::{MAX_KEY, MAX_VALUE};
use std::fs::{File, OpenOptions};
use std::hash::Hasher as _;
use std::io::{self, BufRead as _, BufReader, ErrorKind, Read as _, Seek as _, SeekFrom};
use std::path::Path;
use xxhash_rust::xxh3::Xxh3;

const START: u8 = 1;
const ITEM: u8 = 2;
const END: u8 = 3;
const CLEAR: u8 = 4;
const MAGIC: [u8; 4] = *b"FJL\x03";
/// More batches are never written, and the database counts on from the largest number it finds.
const LAST_SEQUENCE: u64 = 1 << 60;
/// A record's name is a space and a key.
const LONGEST_NAME: u64 = 1 + MAX_KEY as u64;
/// A record's body is an entry with at most 64 bytes around key and value.
const LONGEST_BODY: u64 = 64 + MAX_KEY as u64 + MAX_VALUE as u64;

/// Cuts what is not whole from every journal in `folder`; returns how many bytes were cut that
/// were not just unused space.
///
/// # Errors
/// If a journal cannot be read or cut.
pub(super) fn make_whole(folder: &Path) -> Result<u64, StoreError> {
    let mut cut = 0;
    for item in std::fs::read_dir(folder).map_err(StoreError::io("read the folder", folder))? {
        let path = item.map_err(StoreError::io("read the folder", folder))?.path();
        if path.extension().is_some_and(|extension| extension == "jnl") {
            cut += cut_one(&path).map_err(StoreError::io("repair the journal", &path))?;
        }
    }
    Ok(cut)
}

fn cut_one(path: &Path) -> io::Result<u64> {
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    let whole = whole_len(&file)?;
    if file.metadata()?.len() <= whole {
        return Ok(0);
    }
    let lost = content_len(&file, whole)?;
    if lost > 0 {
        tracing::warn!(
            journal = %path.display(), bytes = lost, kept = whole,
            "the store's journal has a torn end; what cannot be read was cut, peers will repair it"
        );
    }
    file.set_len(whole)?;
    file.sync_all()?;
    Ok(lost)
}

/// Where the last whole batch ends.
fn whole_len(mut file: &File) -> io::Result<u64> {
    file.rewind()?;
    let mut scan = Scan { from: BufReader::with_capacity(1 << 18, file), at: 0, sum: Xxh3::new() };
    let mut whole = 0;
    loop {
        match scan.batch() {
            Ok(true) => whole = scan.at,
            Ok(false) => return Ok(whole),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(whole),
            Err(error) => return Err(error),
        }
    }
}

/// Bytes behind `from` up to the last that is not zero.
fn content_len(mut file: &File, from: u64) -> io::Result<u64> {
    file.seek(SeekFrom::Start(from))?;
    let mut reader = BufReader::with_capacity(1 << 18, file);
    let (mut at, mut last) = (0_u64, 0_u64);
    loop {
        let block = reader.fill_buf()?;
        if block.is_empty() {
            return Ok(last);
        }
        if let Some(index) = block.iter().rposition(|byte| *byte != 0) {
            last = at + index as u64 + 1;
        }
        let len = block.len();
        at += len as u64;
        reader.consume(len);
    }
}

struct Scan<'a> {
    from: BufReader<&'a File>,
    at: u64,
    sum: Xxh3,
}

impl Scan<'_> {
    /// Passes one batch; false if it is not whole and sound.
    fn batch(&mut self) -> io::Result<bool> {
        self.sum.reset();
        let [tag] = self.take::<1>()?;
        if tag != START {
            return Ok(false);
        }
        let count = u32::from_le_bytes(self.take()?);
        if u64::from_le_bytes(self.take()?) > LAST_SEQUENCE {
            return Ok(false);
        }
        for _ in 0..count {
            if !self.item()? {
                return Ok(false);
            }
        }
        let [tag] = self.take::<1>()?;
        let sum = u64::from_le_bytes(self.take()?);
        let magic: [u8; 4] = self.take()?;
        Ok(tag == END && sum == self.sum.finish() && magic == MAGIC)
    }

    fn item(&mut self) -> io::Result<bool> {
        match self.take_summed::<1>()? {
            [CLEAR] => {
                let _keyspace: [u8; 8] = self.take_summed()?;
                return Ok(true);
            }
            [ITEM] => {}
            _ => return Ok(false),
        }
        let [kind, compression] = self.take_summed()?;
        let _keyspace: [u8; 8] = self.take_summed()?;
        let name = u64::from(u16::from_le_bytes(self.take_summed()?));
        let body = u32::from_le_bytes(self.take_summed()?);
        let stored = u32::from_le_bytes(self.take_summed()?);
        // Kinds: a value, or two sorts of removal.
        let sound = kind <= 2 && compression == 0 && body == stored;
        let body = u64::from(body);
        if !sound || name == 0 || name > LONGEST_NAME || body > LONGEST_BODY {
            return Ok(false);
        }
        self.pass(name + body)?;
        Ok(true)
    }

    fn take<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.from.read_exact(&mut bytes)?;
        self.at += N as u64;
        Ok(bytes)
    }

    fn take_summed<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let bytes = self.take()?;
        self.sum.update(&bytes);
        Ok(bytes)
    }

    fn pass(&mut self, mut left: u64) -> io::Result<()> {
        while left > 0 {
            let block = self.from.fill_buf()?;
            if block.is_empty() {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            let len = block.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            self.sum.update(block.get(..len).unwrap_or(block));
            self.from.consume(len);
            self.at += len as u64;
            left -= len as u64;
        }
        Ok(())
    }
}
