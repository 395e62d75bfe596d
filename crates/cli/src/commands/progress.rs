//! Progress of long work, on a terminal only.

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal as _;
use std::sync::LazyLock;

/// What is drawn on the terminal, so that one does not overwrite the other.
static ALL: LazyLock<MultiProgress> =
    LazyLock::new(|| MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(15)));

/// A bar over bytes whose message tells of entries.
pub fn bytes(total: Option<u64>) -> ProgressBar {
    let template = match total {
        Some(_) => "{bar:30} {bytes}/{total_bytes}  {binary_bytes_per_sec}  {msg}  eta {eta}",
        None => "{spinner} {bytes}  {binary_bytes_per_sec}  {msg}",
    };
    let bar = new(total);
    bar.set_style(style(template));
    bar
}

/// A bar over entries, behind a name.
pub fn entries(name: &str, total: u64) -> ProgressBar {
    let bar = new(Some(total));
    bar.set_style(style("  {prefix:10} {bar:40} {human_pos}/{human_len} entries  {msg}"));
    bar.set_prefix(name.to_owned());
    bar
}

/// A bar over virtual time, in milliseconds, whose message tells what goes on.
pub fn virtual_time(total: std::time::Duration) -> ProgressBar {
    let bar = new(Some(u64::try_from(total.as_millis()).unwrap_or(u64::MAX)));
    bar.set_style(style("{bar:40} {percent:>3} % of virtual time  {msg}  eta {eta}"));
    bar
}

/// A bar over steps of work: trials, seeds, points.
pub fn steps(name: &str, total: u64) -> ProgressBar {
    let bar = new(Some(total));
    bar.set_style(style("{prefix} {bar:40} {human_pos}/{human_len}  {msg}  eta {eta}"));
    bar.set_prefix(name.to_owned());
    bar
}

/// A bar over seeds, or something that turns if there is no end to them.
pub fn seeds(total: Option<u64>) -> ProgressBar {
    let bar = new(total);
    bar.set_style(style(match total {
        Some(_) => "{bar:30} {human_pos}/{human_len} seeds  {per_sec}  {msg}  eta {eta}",
        None => "{spinner} {human_pos} seeds  {per_sec}  {msg}",
    }));
    bar
}

/// Something that turns while one waits.
pub fn spinner(message: impl Into<String>) -> ProgressBar {
    let bar = new(None);
    bar.set_style(style("{spinner} {msg}"));
    bar.set_message(message.into());
    bar
}

/// True if someone watches.
pub fn is_seen() -> bool {
    std::io::stderr().is_terminal()
}

fn new(total: Option<u64>) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::hidden());
    if is_seen() { ALL.add(bar) } else { bar }
}

fn style(template: &str) -> ProgressStyle {
    // The templates are constants that the tests try.
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_understood() {
        for template in [
            "{bar:30} {bytes}/{total_bytes}  {binary_bytes_per_sec}  {msg}  eta {eta}",
            "{spinner} {bytes}  {binary_bytes_per_sec}  {msg}",
            "  {prefix:10} {bar:40} {human_pos}/{human_len} entries  {msg}",
            "{bar:40} {percent:>3} % of virtual time  {msg}  eta {eta}",
            "{prefix} {bar:40} {human_pos}/{human_len}  {msg}  eta {eta}",
            "{spinner} {msg}",
            "{bar:30} {human_pos}/{human_len} seeds  {per_sec}  {msg}  eta {eta}",
            "{spinner} {human_pos} seeds  {per_sec}  {msg}",
        ] {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }
}
