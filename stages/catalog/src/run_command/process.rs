//! Processes: started in a group of their own, watched, and ended with their whole group.
//!
//! What a process reads and writes are files, never pipes: nobody has to feed or drain anything
//! while it runs, and neither side can wait for the other for ever. A thread waits for each process;
//! one more a batch looks now and then whether one takes too long, writes too much, or is no longer
//! wanted.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ccsr_stage::Limits;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

/// Bytes that a process may write to a stream.
pub(super) const MOST_BYTES: u64 = 256 << 20;
/// How often running processes are looked at.
const TICK: Duration = Duration::from_millis(20);

/// What to start.
pub(super) struct Launch<'a> {
    pub(super) program: &'a Path,
    pub(super) arguments: &'a [OsString],
    pub(super) folder: &'a Path,
    /// All that it sees of the environment.
    pub(super) environment: &'a [(OsString, OsString)],
    /// `None`: there is nothing to read.
    pub(super) stdin: Option<File>,
    pub(super) stdout: Arc<File>,
    pub(super) stderr: Arc<File>,
}

/// Why a process was ended before it ended by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// Nobody waits for it any more.
    Abandoned,
    /// The stage's time is over.
    Late,
    /// Its own time is over.
    TimedOut,
    /// It wrote more than [`MOST_BYTES`] to a stream.
    TooMuch,
}

/// How a process ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// By itself.
    Exit(ExitStatus),
    /// It was ended, or not even started.
    Cut(Cut),
}

/// The running processes of a batch.
pub(super) struct Watch<'a> {
    limits: &'a Limits,
    /// Time for one process.
    timeout: Option<Duration>,
    state: Mutex<State>,
    over: Condvar,
}

#[derive(Default)]
struct State {
    running: Vec<Running>,
    over: bool,
}

/// A process that has not been reaped, so that its number is its own.
struct Running {
    group: Pid,
    deadline: Option<Instant>,
    streams: [Arc<File>; 2],
    cut: Option<Cut>,
}

impl<'a> Watch<'a> {
    pub(super) fn new(limits: &'a Limits, timeout: Option<Duration>) -> Self {
        Self {
            limits,
            timeout,
            state: Mutex::default(),
            over: Condvar::new(),
        }
    }

    /// Runs a process to its end, one of at most `most` in this whole program.
    pub(super) fn run(&self, launch: Launch<'_>, most: usize) -> io::Result<Ended> {
        let Some(_slot) = Slot::take(most, || self.unwanted().is_some()) else {
            return Ok(Ended::Cut(self.unwanted().unwrap_or(Cut::Abandoned)));
        };
        let streams = [launch.stdout.clone(), launch.stderr.clone()];
        let mut child = launch.start()?;
        let group = Pid::from_child(&child);
        self.lock().running.push(Running {
            group,
            deadline: self.timeout.map(|timeout| Instant::now() + timeout),
            streams,
            cut: None,
        });
        let waited = wait_for(group);
        let mut state = self.lock();
        let at = state.running.iter().position(|known| known.group == group);
        let cut = at.and_then(|at| state.running.swap_remove(at).cut);
        drop(state);
        // What it left behind goes with it. It is not reaped yet, so nobody else has its number.
        let _ = kill_process_group(group, Signal::KILL);
        let status = child.wait()?;
        waited?;
        Ok(cut.map_or(Ended::Exit(status), Ended::Cut))
    }

    /// Looks after the running processes until there will be no more.
    pub(super) fn keep(&self) {
        let mut state = self.lock();
        while !state.over {
            let unwanted = self.unwanted();
            for running in &mut state.running {
                running.look(unwanted);
            }
            let waited = self.over.wait_timeout(state, TICK);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// That there will be no more processes.
    pub(super) fn end(&self) {
        self.lock().over = true;
        self.over.notify_all();
    }

    fn unwanted(&self) -> Option<Cut> {
        if self.limits.is_abandoned() {
            Some(Cut::Abandoned)
        } else {
            self.limits.is_late().then_some(Cut::Late)
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Running {
    fn look(&mut self, unwanted: Option<Cut>) {
        if self.cut.is_some() {
            return;
        }
        let late = || {
            let over = |deadline| Instant::now() >= deadline;
            self.deadline.is_some_and(over).then_some(Cut::TimedOut)
        };
        let long = |stream: &Arc<File>| {
            let size = stream.metadata().map_or(0, |found| found.len());
            size > MOST_BYTES
        };
        let much = || self.streams.iter().any(long).then_some(Cut::TooMuch);
        self.cut = unwanted.or_else(late).or_else(much);
        if self.cut.is_some() {
            let _ = kill_process_group(self.group, Signal::KILL);
        }
    }
}

impl Launch<'_> {
    /// Starts it. Nothing in here keeps the standard library from `posix_spawn`, whose cost does not
    /// grow with the memory of this program.
    fn start(self) -> io::Result<Child> {
        let stdin = self.stdin.map_or_else(Stdio::null, Stdio::from);
        Command::new(self.program)
            .args(self.arguments)
            .current_dir(self.folder)
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(stdin)
            .stdout(self.stdout.try_clone()?)
            .stderr(self.stderr.try_clone()?)
            // Ctrl-C in the terminal is for this program, which lets its batches finish.
            .process_group(0)
            .spawn()
    }
}

/// Waits until a process has ended, and leaves it to be reaped.
fn wait_for(process: Pid) -> io::Result<()> {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    loop {
        match waitid(WaitId::Pid(process), options) {
            Ok(_) => return Ok(()),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Processes that run now, whichever batch they are of: batches that execute side by side share the
/// machine.
static TAKEN: Mutex<usize> = Mutex::new(0);
static FREED: Condvar = Condvar::new();

/// The right to run one process.
struct Slot;

impl Slot {
    /// Waits until fewer than `most` processes run. `None` if it is no longer wanted.
    fn take(most: usize, unwanted: impl Fn() -> bool) -> Option<Self> {
        let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if unwanted() {
                return None;
            }
            if *taken < most.max(1) {
                *taken += 1;
                return Some(Self);
            }
            let waited = FREED.wait_timeout(taken, TICK);
            taken = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        *TAKEN.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        FREED.notify_one();
    }
}
