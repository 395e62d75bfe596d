//! What a demo imports: the packages of this machine, or a file.

use crate::client::Client;
use crate::commands::import::Import;
use crate::rows::{self, Row, RowError, RowFormat};
use anyhow::Context as _;
use indicatif::ProgressBar;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

/// Without a package list, this many lines of the files under /etc.
const MAX_LINES: usize = 20_000;
const MAX_FILE: u64 = 1 << 20;

type Rows = Box<dyn Iterator<Item = Result<Row, RowError>> + Send>;

/// Entries to import, and what they are.
pub struct Input {
    pub what: String,
    name: String,
    rows: Rows,
}

/// What came of an import.
pub struct Written {
    pub entries: u64,
    /// A key that is there.
    pub example: Option<String>,
}

/// The file, or what this machine has.
pub fn open(file: Option<&Path>) -> anyhow::Result<Input> {
    if let Some(path) = file {
        return from_file(path);
    }
    let packages = packages();
    if !packages.is_empty() {
        return Ok(Input {
            what: format!("the {} packages of this machine (dpkg-query -W)", packages.len()),
            name: "dpkg-query".into(),
            rows: Box::new(packages.into_iter().map(Ok)),
        });
    }
    let lines = lines_under(Path::new("/etc"));
    if lines.is_empty() {
        anyhow::bail!(
            "this machine has neither dpkg-query nor files under /etc to read; name some input \
             with --import FILE (.jsonl, .csv, or plain lines)"
        );
    }
    Ok(Input {
        what: format!("{} lines of the files under /etc (there is no dpkg-query)", lines.len()),
        name: "/etc".into(),
        rows: Box::new(lines.into_iter().map(Ok)),
    })
}

fn from_file(path: &Path) -> anyhow::Result<Input> {
    let name = path.display().to_string();
    let file = std::fs::File::open(path).with_context(|| format!("cannot read {name}"))?;
    let format = RowFormat::of(path).unwrap_or(RowFormat::Lines);
    let rows = rows::read(format, BufReader::with_capacity(1 << 16, file));
    Ok(Input { what: name.clone(), name, rows })
}

/// The packages of this machine; none where there is no dpkg.
fn packages() -> Vec<Row> {
    let listed = Command::new("dpkg-query")
        .args(["-W", "-f=${Package}\\t${Version}\\t${Architecture}\\n"])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output();
    listed.map(|listed| parse_packages(&listed.stdout)).unwrap_or_default()
}

fn parse_packages(listed: &[u8]) -> Vec<Row> {
    let row = |line: &str| {
        let mut fields = line.split('\t');
        let (name, version, arch) = (fields.next()?, fields.next()?, fields.next()?);
        // A package that was removed has no version.
        let known = !name.is_empty() && !version.is_empty();
        known.then(|| Row::new(0, format!("package/{name}/{arch}"), version))
    };
    String::from_utf8_lossy(listed).lines().filter_map(row).collect()
}

/// The lines of readable text files, each under its file's name and its number.
fn lines_under(folder: &Path) -> Vec<Row> {
    let mut lines = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        paths.sort();
        for path in paths {
            // Links are not followed: they may lead round in circles.
            let Ok(about) = path.symlink_metadata() else { continue };
            if about.is_dir() {
                folders.push(path);
            } else if about.is_file() && about.len() <= MAX_FILE {
                let Ok(text) = std::fs::read_to_string(&path) else { continue };
                let name = path.display().to_string();
                let name = name.trim_start_matches('/');
                let numbered = (1_u64..).zip(text.lines()).filter(|(_, line)| !line.is_empty());
                lines.extend(
                    numbered.map(|(number, line)| {
                        Row::new(number, format!("{name}/{number:05}"), line)
                    }),
                );
            }
            if lines.len() >= MAX_LINES {
                lines.truncate(MAX_LINES);
                return lines;
            }
        }
    }
    lines
}

impl Input {
    /// Writes everything through one agent, or less if it is given up.
    pub fn send(self, client: &Client, given_up: &AtomicBool) -> anyhow::Result<Written> {
        let mut example = None;
        let rows = self.rows.take_while(|_| !given_up.load(Ordering::Relaxed)).inspect(|row| {
            if let Ok(row) = row
                && example.is_none()
            {
                example = String::from_utf8(row.key.clone()).ok();
            }
        });
        let mut import = Import::new(client, false, &self.name, ProgressBar::hidden());
        import.all(rows)?;
        let entries = import.written;
        if entries == 0 {
            anyhow::bail!("{} holds no entries", self.name);
        }
        Ok(Written { entries, example })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_keys_with_versions() {
        let rows =
            parse_packages(b"bash\t5.2-1\tamd64\ngone\t\tamd64\nbroken\nzlib1g\t1:1.3\tamd64\n");
        let keys: Vec<_> = rows.iter().map(|row| String::from_utf8_lossy(&row.key)).collect();
        assert_eq!(keys, ["package/bash/amd64", "package/zlib1g/amd64"]);
        assert_eq!(rows[1].value, b"1:1.3");
    }

    #[test]
    fn lines_of_files_stand_in() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("d")).unwrap();
        std::fs::write(folder.path().join("d/f"), "one\n\nthree\n").unwrap();
        std::fs::write(folder.path().join("binary"), [0xff, 0xfe]).unwrap();
        let rows = lines_under(folder.path());
        assert_eq!(rows.iter().map(|row| row.line).collect::<Vec<_>>(), [1, 3]);
        assert!(rows[1].key.ends_with(b"/d/f/00003"));
    }
}
