//! What the data folder costs on this machine, in time and memory.
//!
//! ```sh
//! cargo run --release -p rumormill --example store_cost          # in a new folder beside you
//! cargo run --release -p rumormill --example store_cost -- DIR   # in a new folder in DIR
//! ```
//!
//! What it prints, here from a development build on two cores with much other work:
//!
//! ```text
//! fsync = "everysec", batches of 1: 130766 entries/s
//! fsync = "everysec", batches of 32: 52801 entries/s
//! fsync = "everysec", batches of 1000: 56654 entries/s
//! fsync = "always", batches of 1: 131 entries/s
//! fsync = "always", batches of 32: 3951 entries/s
//! fsync = "always", batches of 1000: 42624 entries/s
//! write 5: 92.71µs; resident 4 MiB, at most 4 MiB
//! start with 5: open 22.13ms, all 22.15ms; resident 4 MiB, at most 4 MiB
//! start with 5: open 22.19ms, all 22.21ms; resident 4 MiB, at most 4 MiB
//! write 1000000: 31.31s; resident 44 MiB, at most 47 MiB
//! start with 1000000: open 1.35s, all 6.92s; resident 19 MiB, at most 19 MiB
//! start with 1000000: open 1.33s, all 6.87s; resident 19 MiB, at most 19 MiB
//! ```

use rumormill::{Fsync, store_cost};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;

const MILLION: u64 = 1_000_000;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => measure(Path::new(".")),
        ["fill", folder, count] => fill(Path::new(folder), count.parse()?),
        ["start", folder] => start(Path::new(folder)),
        [folder] => measure(Path::new(folder)),
        _ => Err("give one folder, or nothing".into()),
    }
}

fn measure(parent: &Path) -> Result<(), Box<dyn Error>> {
    let folder = Temporary(parent.join(format!("store_cost.{}", std::process::id())));
    std::fs::create_dir_all(&folder.0)?;
    for (fsync, name) in [(Fsync::Everysec, "everysec"), (Fsync::Always, "always")] {
        for batch in [1, 32, 1000] {
            let rate = store_cost::rate(&folder.0.join(format!("{name}-{batch}")), fsync, batch)?;
            println!("fsync = {name:?}, batches of {batch}: {rate:.0} entries/s");
        }
    }
    // In processes of their own: memory is each one's own, and the first ends as if it were killed.
    for count in [5, MILLION] {
        let full = folder.0.join(count.to_string()).display().to_string();
        again(&["fill", &full, &count.to_string()])?;
        again(&["start", &full])?;
        again(&["start", &full])?;
    }
    Ok(())
}

fn fill(folder: &Path, count: u64) -> Result<(), Box<dyn Error>> {
    let took = store_cost::fill(folder, count, 1)?;
    println!("write {count}: {took:.2?}; {}", memory());
    Ok(())
}

fn start(folder: &Path) -> Result<(), Box<dyn Error>> {
    let started = store_cost::start(folder)?;
    let (opened, loaded) = (started.opened, started.loaded);
    println!("start with {}: open {opened:.2?}, all {loaded:.2?}; {}", started.entries, memory());
    Ok(())
}

/// Runs this program again.
fn again(args: &[&str]) -> Result<(), Box<dyn Error>> {
    match Command::new(std::env::current_exe()?).args(args).status()?.success() {
        true => Ok(()),
        false => Err(format!("{args:?} has failed").into()),
    }
}

/// Memory of this process, where the system tells.
fn memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mebibytes = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).unwrap_or(0)
            / 1024
    };
    format!("resident {} MiB, at most {} MiB", mebibytes("VmRSS"), mebibytes("VmHWM"))
}

/// A folder that goes with this value.
struct Temporary(PathBuf);

impl Drop for Temporary {
    fn drop(&mut self) {
        // What is left behind is seen by whoever looks for it.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
