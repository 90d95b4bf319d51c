//! Ctrl-C and SIGTERM.
//!
//! The first lets the batches in flight finish and be committed. The second ends the program at
//! once, which loses those batches and nothing else; external programs that a batch waits for are
//! ended before.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::time::Duration;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::exit::{Exit, Failure};
use crate::ui::Ui;

/// How long external programs have to end after the second signal.
const FAREWELL: Duration = Duration::from_millis(500);

/// A question that may be asked from any thread.
pub(crate) type Question = Arc<dyn Fn() -> bool + Send + Sync>;

/// The signals that came so far.
pub(crate) struct Interrupts {
    first: Arc<AtomicI32>,
    again: Arc<AtomicBool>,
}

impl Interrupts {
    /// Listens from now on, instead of being ended by the first signal.
    pub(crate) fn listen(ui: &Ui) -> Result<Self, Failure> {
        let first = Arc::new(AtomicI32::new(0));
        let again = Arc::new(AtomicBool::new(false));
        let mut signals = Signals::new([SIGINT, SIGTERM])?;
        let (seen, abandoned, ui) = (first.clone(), again.clone(), ui.clone());
        std::thread::spawn(move || {
            for signal in signals.forever() {
                if seen.swap(signal, Ordering::Relaxed) != 0 {
                    abandoned.store(true, Ordering::Relaxed);
                    std::thread::sleep(FAREWELL);
                    std::process::exit(128 + signal);
                }
                ui.say("stopping when what is under way is done; once more to stop at once");
            }
        });
        Ok(Self { first, again })
    }

    /// Whether to begin nothing more.
    pub(crate) fn stop(&self) -> Question {
        let first = self.first.clone();
        Arc::new(move || first.load(Ordering::Relaxed) != 0)
    }

    /// Whether to end what is under way, too.
    pub(crate) fn abandoned(&self) -> Question {
        let again = self.again.clone();
        Arc::new(move || again.load(Ordering::Relaxed))
    }

    /// The exit code that says which signal it was.
    pub(crate) fn exit(&self) -> Exit {
        match self.first.load(Ordering::Relaxed) {
            SIGTERM => Exit::Terminated,
            _ => Exit::Interrupted,
        }
    }
}
