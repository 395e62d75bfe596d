//! Ctrl-C during long work: the first asks it to stop and show what is done, the second ends the
//! process.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What an interrupted run exits with, as shells report a process that SIGINT ended.
const INTERRUPTED: i32 = 130;

/// Ends the process after an early end, when everything is written: whoever goes on with the
/// result can see that it is not all of it.
pub fn end() -> ! {
    std::process::exit(INTERRUPTED)
}

/// A flag that the first Ctrl-C raises.
///
/// # Errors
/// If signals cannot be listened to.
pub fn flag() -> anyhow::Result<Arc<AtomicBool>> {
    let raised = Arc::new(AtomicBool::new(false));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let flag = Arc::clone(&raised);
    std::thread::Builder::new().name("ctrl-c".into()).spawn(move || {
        runtime.block_on(async {
            while tokio::signal::ctrl_c().await.is_ok() {
                if flag.swap(true, Ordering::Relaxed) {
                    std::process::exit(INTERRUPTED);
                }
                eprintln!("stopping: what is done so far follows (Ctrl-C again ends at once)");
            }
        });
    })?;
    Ok(raised)
}
