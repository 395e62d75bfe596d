//! Files of plots and tables: complete or not there, and errors that say what to do.

use crate::failure::Failure;
use anyhow::Context as _;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// Says before long work if a plot and a table could not be written after it.
///
/// # Errors
/// As [`writable`].
pub fn are_writable(plot: Option<&Path>, csv: Option<&Path>) -> anyhow::Result<()> {
    plot.map_or(Ok(()), |path| writable(path, "svg"))?;
    csv.map_or(Ok(()), |path| writable(path, "csv"))
}

/// Says before long work if a file with this name could not be written after it.
///
/// # Errors
/// If the name ends in something else than `extension`, names a folder, or lies in no folder.
fn writable(path: &Path, extension: &str) -> anyhow::Result<()> {
    let shown = path.display();
    if path.is_dir() {
        return Err(Failure::usage(format!("{shown} is a folder: name a file in it")));
    }
    let ends = path.extension().map(|found| found.to_string_lossy().to_lowercase());
    let device = path.exists() && !path.is_file();
    if let Some(ends) = ends.filter(|ends| ends != extension && !device) {
        return Err(Failure::usage(format!(
            "{shown}: this writes {extension}, not {ends}; name the file ….{extension}"
        )));
    }
    let folder = folder_of(path);
    if !folder.is_dir() {
        return Err(Failure::usage(format!(
            "{shown}: there is no folder {}; make it first",
            folder.display()
        )));
    }
    Ok(())
}

/// Writes a table as CSV.
///
/// # Errors
/// If the file cannot be written.
pub fn write_rows(
    path: &Path,
    header: &[&str],
    rows: impl IntoIterator<Item = Vec<String>>,
) -> anyhow::Result<()> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(header)?;
    for row in rows {
        writer.write_record(row)?;
    }
    let bytes = writer.into_inner().map_err(csv::IntoInnerError::into_error)?;
    replace(path, &bytes)
}

/// Writes a file beside its name and gives it the name when it is complete. What is no file, such
/// as `/dev/stdout`, is written to.
pub fn replace(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let written = match std::fs::metadata(path) {
        Ok(found) if !found.is_file() => std::fs::write(path, bytes),
        // A link stays a link: what it points to is replaced.
        Ok(_) => path.canonicalize().and_then(|path| replace_file(&path, bytes)),
        Err(_) => replace_file(path, bytes),
    };
    written.with_context(|| format!("cannot write {}", path.display()))
}

fn replace_file(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut part = path.as_os_str().to_owned();
    part.push(format!(".{}.part", std::process::id()));
    let part = PathBuf::from(part);
    let written = (|| {
        let mut to = File::create_new(&part)?;
        to.write_all(bytes)?;
        to.sync_all()?;
        std::fs::rename(&part, path)
    })();
    if written.is_err() {
        // The error that is told is the one that came first.
        let _ = std::fs::remove_file(&part);
    }
    written
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        for value in ["long enough to be cut", "b,c"] {
            write_rows(&path, &["x"], [vec![value.to_owned()]]).unwrap();
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "x\n\"b,c\"\n");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn bad_names_are_refused_before_the_work() {
        let folder = tempfile::tempdir().unwrap();
        let refused = |name: &str| {
            writable(&folder.path().join(name), "svg").err().map(|error| error.to_string())
        };
        assert_eq!(refused("a.svg"), None);
        assert_eq!(refused("a.SVG"), None);
        assert_eq!(refused("a"), None);
        assert!(refused("a.png").unwrap().contains("not png"));
        assert!(refused("no/a.svg").unwrap().contains("no folder"));
        assert!(refused("").unwrap().contains("is a folder"));
        let error = replace(&folder.path().join("no/a.svg"), b"").unwrap_err();
        assert!(format!("{error:#}").contains("cannot write"));
    }
}
