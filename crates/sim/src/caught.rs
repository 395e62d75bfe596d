//! Panics as values: a run that panics is a finding like any other.

use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    static WATCHED: Cell<bool> = const { Cell::new(false) };
    static SAID: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Does something, and answers what it said if it panicked. Nothing is printed then; panics
/// elsewhere are reported as before.
pub(crate) fn caught<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| match WATCHED.get() {
            true => SAID.set(Some(info.to_string().replace('\n', " "))),
            false => before(info),
        }));
    });
    let outer = WATCHED.replace(true);
    let result = panic::catch_unwind(AssertUnwindSafe(work));
    WATCHED.set(outer);
    result.map_err(|_| SAID.take().unwrap_or_else(|| "panicked".into()))
}

#[cfg(test)]
mod tests {
    use super::caught;

    #[test]
    fn a_panic_says_what_and_where() {
        assert_eq!(caught(|| 5), Ok(5));
        let said = caught(|| panic!("for a test")).unwrap_err();
        assert!(said.contains("for a test") && said.contains("caught.rs"), "{said}");
    }
}
