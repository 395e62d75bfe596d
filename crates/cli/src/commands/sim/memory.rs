//! Will the memory suffice? Asked before long work, since running out of it ends a process without
//! a word.

use crate::failure::Failure;
use crate::output::bytes;
use std::path::Path;

/// Refuses work that needs more memory than there is.
///
/// # Errors
/// If `needed` bytes for `what` ("a graph of 1,000,000 nodes") are more than the system has to
/// spare. Where it does not say, nothing is refused.
pub fn ensure(needed: u64, what: &str) -> anyhow::Result<()> {
    match available() {
        Some(available) if needed > available => Err(Failure::usage(format!(
            "{what} needs about {} of memory, and {} are available: take less of it, or a machine \
             with more",
            bytes(needed),
            bytes(available)
        ))),
        _ => Ok(()),
    }
}

/// Memory that can be had without swapping, in bytes; none where the system does not say.
pub fn available() -> Option<u64> {
    let machine = field(&read("/proc/meminfo")?, "MemAvailable:")? * 1024;
    Some(group().map_or(machine, |group| machine.min(group)))
}

/// What the control group of this process leaves to it, if it has a limit.
fn group() -> Option<u64> {
    let own = read("/proc/self/cgroup")?;
    let path = own.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let folder = Path::new("/sys/fs/cgroup").join(path.trim_end());
    let file = |name: &str| read(folder.join(name));
    let limit: u64 = file("memory.max")?.trim().parse().ok()?;
    let used: u64 = file("memory.current")?.trim().parse().ok()?;
    // Pages of files go as soon as they are in the way.
    let files = file("memory.stat").and_then(|stat| field(&stat, "inactive_file")).unwrap_or(0);
    Some(limit.saturating_sub(used.saturating_sub(files)))
}

fn read(path: impl AsRef<Path>) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

/// The number behind a name at the start of a line.
fn field(text: &str, name: &str) -> Option<u64> {
    let mut lines = text.lines().map(str::split_whitespace);
    lines.find_map(|mut words| (words.next()? == name).then(|| words.next()?.parse().ok())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_by_name() {
        let text = "MemTotal:  100 kB\nMemAvailable:   50 kB\nMem\n";
        assert_eq!(field(text, "MemAvailable:"), Some(50));
        assert_eq!(field(text, "MemAvail"), None);
        assert_eq!(field(text, "Mem"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn more_than_there_is_is_refused() {
        assert!(available() > Some(0));
        ensure(1, "a byte").unwrap();
        let error = ensure(u64::MAX, "everything").unwrap_err().to_string();
        assert!(error.contains("everything needs about") && error.contains("available"), "{error}");
    }
}
