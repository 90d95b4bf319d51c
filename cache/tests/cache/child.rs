//! Real processes: this test binary, run again in a role of its own.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const ROLE: &str = "CCSR_CACHE_TEST_ROLE";
const ROOT: &str = "CCSR_CACHE_TEST_ROOT";

/// Not a test of its own: what a child process runs.
#[test]
fn child() {
    let Ok(role) = std::env::var(ROLE) else {
        return;
    };
    let root = std::env::var_os(ROOT).unwrap();
    let root = Path::new(&root);
    match role.as_str() {
        "commit for ever" => super::crashes::commit_for_ever(root),
        "commit and wait" => super::crashes::commit_and_wait(root),
        "claim and wait" => super::leases::claim_and_wait(root),
        "work" => super::leases::work(root),
        "open" => drop(ccsr_cache::Store::open(root, ccsr_cache::Access::ReadWrite).unwrap()),
        "open in no space" => super::space::open_in_no_space(root),
        "collect for ever" => super::gc::collect_for_ever(root),
        "fill" => super::space::fill(root),
        other => panic!("no role `{other}`"),
    }
}

/// A child process; killed without mercy when dropped.
pub(crate) struct Process(Child);

pub(crate) fn spawn(role: &str, root: &Path) -> Process {
    let program = std::env::current_exe().unwrap();
    start(Command::new(program), role, root)
}

/// The same with no file larger than this many blocks (of 512 bytes or of 1 KiB, as the shell has it).
pub(crate) fn spawn_limited(role: &str, root: &Path, blocks: u32) -> Process {
    let mut shell = Command::new("sh");
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
    shell
        .arg("-c")
        .arg(script)
        .arg(std::env::current_exe().unwrap());
    start(shell, role, root)
}

fn start(mut command: Command, role: &str, root: &Path) -> Process {
    command
        .args(["child::child", "--exact", "--test-threads=1"])
        .env(ROLE, role)
        .env(ROOT, root)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    Process(command.spawn().unwrap())
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

/// Says to the parent that the child is where it should be, then waits to be killed.
pub(crate) fn ready_and_wait(root: &Path) {
    std::fs::write(root.with_extension("ready"), "").unwrap();
    std::thread::sleep(Duration::from_mins(1));
    panic!("nobody killed this process");
}

/// Waits for [`ready_and_wait`].
pub(crate) fn await_ready(root: &Path) {
    let ready = root.with_extension("ready");
    let began = Instant::now();
    while !ready.exists() {
        assert!(
            began.elapsed() < Duration::from_mins(1),
            "the child is stuck"
        );
        std::thread::sleep(Duration::from_millis(2));
    }
}
