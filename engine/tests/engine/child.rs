//! Real processes: this test binary, run again to run a pipeline, and killed.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use ccsr_cache::{Access, Store};
use ccsr_engine::CompileOptions;
use ccsr_engine::record::RunOutcome;

use crate::{Place, kinds};

const ROOT: &str = "CCSR_ENGINE_TEST_ROOT";
const PIPELINE: &str = "CCSR_ENGINE_TEST_PIPELINE";

/// Not a test of its own: what a child process runs. It waits for the file `go`.
#[test]
fn child() {
    let Some(root) = std::env::var_os(ROOT) else {
        return;
    };
    let root = Path::new(&root);
    let name = std::env::var(PIPELINE).unwrap();
    let options = CompileOptions::default();
    let pipeline = crate::compile_file(root, &name, &kinds::registry(), &options).unwrap();
    let store = Store::open(&root.join(".ccsr"), Access::ReadWrite).unwrap();
    fs::write(root.join(format!("{name}.ready")), "").unwrap();
    wait_until(|| root.join("go").exists());
    let ran = crate::run(&pipeline, &store, &crate::options(root)).unwrap();
    assert_eq!(ran.record.outcome, RunOutcome::Done);
    let digests = serde_json::to_string(&ran.digests()).unwrap();
    fs::write(root.join(format!("{name}.digests")), digests).unwrap();
}

/// A child process; killed without mercy when dropped.
pub(crate) struct Process(Child);

/// Runs the pipeline in the file `name` of a project.
pub(crate) fn spawn(place: &Place, name: &str) -> Process {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["child::child", "--exact", "--test-threads=1"])
        .env(ROOT, place.root())
        .env(PIPELINE, name)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    Process(child.unwrap())
}

impl Process {
    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    /// Waits for the end, which must be a good one.
    pub(crate) fn join(mut self) {
        let mut output = String::new();
        if let Some(stdout) = &mut self.0.stdout {
            std::io::Read::read_to_string(stdout, &mut output).unwrap();
        }
        assert!(self.0.wait().unwrap().success(), "{output}");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Looks again and again, for a minute at most.
pub(crate) fn wait_until(mut happened: impl FnMut() -> bool) {
    let began = Instant::now();
    while !happened() {
        assert!(began.elapsed() < Duration::from_mins(1), "it never happens");
        std::thread::sleep(Duration::from_millis(1));
    }
}
