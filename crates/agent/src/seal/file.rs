//! Key files: one key per line, the first being the primary; `#` begins a comment.

use super::key::Key;
use super::ring::KeyRing;
use crate::secret_file::refuse_others;
use std::io::{self, Read as _, Write as _};
use std::path::Path;
use zeroize::Zeroizing;

/// Longest key file, bytes.
const MAX_FILE: u64 = 64 * 1024;

/// Reads a key file.
///
/// # Errors
/// In words that say what to do, if it cannot be read, others may read it, or a line is no key.
pub fn read(path: &Path) -> Result<KeyRing, String> {
    let shown = path.display();
    let unreadable = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => {
            format!("there is no key file {shown}; `rumormill keygen {shown}` makes one")
        }
        _ => format!("cannot read the key file {shown}: {error}"),
    };
    let file = std::fs::File::open(path).map_err(unreadable)?;
    refuse_others(path, &file.metadata().map_err(unreadable)?)?;
    let mut text = Zeroizing::new(String::new());
    file.take(MAX_FILE + 1).read_to_string(&mut text).map_err(unreadable)?;
    if text.len() as u64 > MAX_FILE {
        return Err(format!("the key file {shown} is over {MAX_FILE} bytes long: is it one?"));
    }
    parse(&text).map_err(|error| format!("{shown}:{error}"))
}

/// Reads the text of a key file.
///
/// # Errors
/// The line, counted from 1, and what is wrong with it, without repeating it.
pub fn parse(text: &str) -> Result<KeyRing, String> {
    let mut keys = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if !line.is_empty() {
            let key = line.parse::<Key>();
            keys.push(key.map_err(|error| format!("{}: {error}", index + 1))?);
        }
    }
    KeyRing::from_keys(keys).map_err(|error| format!(" {error}"))
}

/// The text of a key file.
#[must_use]
pub fn to_text(ring: &KeyRing) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(128 + 128 * ring.keys().len()));
    text.push_str(
        "# Keys of a Rumormill cluster. Whoever has one can read and write everything.\n\
         # The first is the one that is sealed with; all are opened with.\n",
    );
    for key in ring.keys() {
        text.push_str(&format!("# {}\n", key.id()));
        text.push_str(&key.to_text());
        text.push('\n');
    }
    text
}

fn options() -> std::fs::OpenOptions {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Writes a new key file that only its owner may use; one that is there already is left alone.
///
/// # Errors
/// If it exists or cannot be written.
pub fn create(path: &Path, ring: &KeyRing) -> io::Result<()> {
    let mut file = options().open(path)?;
    let written = file.write_all(to_text(ring).as_bytes()).and_then(|()| file.sync_all());
    if written.is_err() {
        // Half a key file is of no use to anyone.
        let _ = std::fs::remove_file(path);
    }
    written
}

/// Writes a key file in place of another: after a crash either of them is there whole.
///
/// # Errors
/// If it cannot be written; the old one is still there then.
pub fn replace(path: &Path, ring: &KeyRing) -> io::Result<()> {
    // What a link names is replaced, not the link.
    let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let new = path.with_file_name(name);
    // Left over from a crash, if it is there.
    let _ = std::fs::remove_file(&new);
    create(&new, ring)?;
    if let Err(error) = std::fs::rename(&new, &path) {
        let _ = std::fs::remove_file(&new);
        return Err(error);
    }
    #[cfg(unix)]
    if let Some(folder) = path.parent() {
        std::fs::File::open(folder)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ring(bytes: &[u8]) -> KeyRing {
        KeyRing::from_keys(bytes.iter().map(|byte| Key::from_bytes([*byte; 32]))).unwrap()
    }

    #[test]
    fn files_survive_the_trip_and_are_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        create(&path, &ring(&[1, 2])).unwrap();
        assert_eq!(read(&path).unwrap(), ring(&[1, 2]));
        assert_eq!(create(&path, &ring(&[3])).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        replace(&path, &ring(&[2, 3])).unwrap();
        assert_eq!(read(&path).unwrap(), ring(&[2, 3]));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_others_may_read_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        create(&path, &ring(&[1])).unwrap();
        for (mode, good) in [(0o600, true), (0o400, true), (0o640, false), (0o604, false)] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(read(&path).is_ok(), good, "{mode:o}");
        }
        let error = read(&path).unwrap_err();
        assert!(error.contains("chmod 600") && !error.contains("rmk1_"), "{error}");
        let error = read(&folder.path().join("none")).unwrap_err();
        assert!(error.contains("rumormill keygen"), "{error}");
    }

    #[test]
    fn errors_name_the_line_and_nothing_of_the_key() {
        let good = Key::from_bytes([1; 32]).to_text();
        let bad = format!("# mine\n\n  {} # the first\nrmk1_secret\n", *good);
        let error = parse(&bad).unwrap_err();
        assert!(error.starts_with("4: ") && !error.contains("secret"), "{error}");
        assert!(parse("# nothing\n").unwrap_err().contains("keygen"));
    }

    proptest! {
        #[test]
        fn any_text_is_read_and_what_is_no_key_is_told(text: String, before in 0_usize..5) {
            let lines = "\n".repeat(before);
            let noise = text.replace(['\n', '\r', '#'], " ");
            let key = Key::from_bytes([1; 32]);
            let read = parse(&format!("{lines}{noise}\n{} # a key\n", *key.to_text()));
            match noise.trim().is_empty() {
                true => prop_assert_eq!(read, Ok(ring(&[1]))),
                false => {
                    let line = format!("{}: ", before + 1);
                    prop_assert!(read.unwrap_err().starts_with(&line));
                }
            }
        }
    }
}
