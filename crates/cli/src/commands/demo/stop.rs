//! Whether the demo was asked to stop.

use anyhow::Context as _;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Set by Ctrl-C or SIGTERM.
#[derive(Clone, Default)]
pub struct Stop {
    inner: Arc<(Mutex<bool>, Condvar)>,
}

impl Stop {
    /// Listens to signals from now on.
    pub fn on_signals() -> anyhow::Result<Self> {
        let stop = Self::default();
        let signalled = stop.clone();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("cannot listen to signals")?;
        let mut signals = {
            let _entered = runtime.enter();
            crate::commands::agent::Signals::listen()?
        };
        let wait = move || {
            runtime.block_on(signals.next());
            signalled.set();
        };
        let thread = std::thread::Builder::new().name("signals".into());
        thread.spawn(wait).context("cannot listen to signals")?;
        Ok(stop)
    }

    fn set(&self) {
        let (asked, changed) = &*self.inner;
        *asked.lock().unwrap_or_else(PoisonError::into_inner) = true;
        changed.notify_all();
    }

    /// Waits, though no longer than until the demo is asked to stop; true if it is.
    pub fn within(&self, time: Duration) -> bool {
        let (asked, changed) = &*self.inner;
        let asked = asked.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = changed.wait_timeout_while(asked, time, |asked| !*asked);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Waits a little; an error if the demo is asked to stop.
    pub fn nap(&self, time: Duration) -> anyhow::Result<()> {
        if self.within(time) {
            anyhow::bail!("interrupted");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_ends_when_asked() {
        let stop = Stop::default();
        assert!(stop.nap(Duration::ZERO).is_ok());
        stop.set();
        assert!(stop.within(Duration::from_secs(3600)));
        assert!(stop.nap(Duration::ZERO).is_err());
    }
}
