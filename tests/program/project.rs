//! A project in a temporary folder, and the program run in it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value as Json;
use tempfile::TempDir;

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_ccsr-flow");
/// The pipelines that the repository brings along.
pub(crate) const PIPELINES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/pipelines");
/// Those of the suite `mini`.
const WEIGHTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/pipelines/suites/mini");
pub(crate) const SELECTION: &str = "pipelines/selection.yaml";
pub(crate) const TABLE1: &str = "pipelines/table1.yaml";

/// The paper's pipeline, small: 20 prompts, 80 images, 800 answers, 80 looks for detections.
pub(crate) const SMALL: [&str; 4] = [
    "--set",
    "stages.prompts.with.count=10",
    "--set",
    "stages.images.with.candidates=4",
];
/// Units of [`SMALL`].
pub(crate) const SMALL_UNITS: u64 = 80 + 800 + 80;

/// The pipeline, and a size that leaves time for something to happen meanwhile.
pub(crate) const MEDIUM: [&str; 5] = [
    SELECTION,
    "--set",
    "stages.prompts.with.count=20",
    "--set",
    "stages.images.batch=5",
];
/// Units of [`MEDIUM`].
pub(crate) const MEDIUM_UNITS: u64 = 400 + 4_000 + 400;

/// A project, gone when it is dropped.
pub(crate) struct Project {
    folder: TempDir,
}

impl Project {
    /// With a copy of the repository's pipelines.
    pub(crate) fn new() -> Self {
        let project = Self::empty();
        copy(Path::new(PIPELINES), &project.path("pipelines"));
        // A checkout in which somebody has run them holds their exports.
        let _ = fs::remove_dir_all(project.path("pipelines/out"));
        project
    }

    /// With nothing in it. It is marked as a project, so that nothing above it is taken for one.
    pub(crate) fn empty() -> Self {
        let folder = TempDir::with_prefix("ccsr-flow-").unwrap();
        fs::create_dir(folder.path().join(".git")).unwrap();
        Self { folder }
    }

    /// A copy of another folder.
    pub(crate) fn copy_of(folder: &Path) -> Self {
        let project = Self::empty();
        copy(folder, project.root());
        project
    }

    pub(crate) fn root(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> &Self {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        self
    }

    pub(crate) fn read(&self, name: &str) -> String {
        let text = fs::read_to_string(self.path(name));
        text.unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Replaces the only occurrence of a text in a file.
    #[track_caller]
    pub(crate) fn edit(&self, name: &str, old: &str, new: &str) -> &Self {
        let text = self.read(name);
        assert_eq!(text.matches(old).count(), 1, "`{old}` in {name}");
        self.write(name, text.replacen(old, new, 1))
    }

    /// The program, ready to be run here, in an environment that says nothing to it.
    pub(crate) fn command<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args(args);
        self.prepare(&mut command);
        command
    }

    /// Runs a line of `sh` here, in which `$0` is the program.
    pub(crate) fn shell(&self, line: &str) -> Outcome {
        let mut command = Command::new("sh");
        command.args(["-c", line, PROGRAM]);
        self.prepare(&mut command);
        Outcome::of(&command.output().unwrap())
    }

    fn prepare(&self, command: &mut Command) {
        command.current_dir(self.root()).stdin(Stdio::null());
        for variable in [
            "CCSR_CACHE",
            "CCSR_LOG_FORMAT",
            "CCSR_LOG_LEVEL",
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "NO_COLOR",
            "CLICOLOR",
            "CLICOLOR_FORCE",
            "TERM",
        ] {
            command.env_remove(variable);
        }
    }

    pub(crate) fn run<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Outcome {
        Outcome::of(&self.command(args).output().unwrap())
    }

    /// `run --json`, which must succeed, and its summary.
    #[track_caller]
    pub(crate) fn summary<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Summary {
        let args = ["run", "--json"].into_iter().chain(args);
        self.run(args).succeeded().summary()
    }

    /// The stages of a plan by name: each one's `state`, as `plan --json` tells it.
    pub(crate) fn plan<'a>(
        &self,
        args: impl IntoIterator<Item = &'a str>,
    ) -> BTreeMap<String, Json> {
        let outcome = self.run(["plan", "--json"].into_iter().chain(args));
        assert!(matches!(outcome.code, 0 | 4), "{outcome:#?}");
        let plan: Json = serde_json::from_str(&outcome.stdout).unwrap();
        let stages = plan["stages"].as_array().unwrap();
        let fresh = stages
            .iter()
            .all(|stage| stage["state"]["state"] == "unchanged");
        assert_eq!(outcome.code, if fresh { 0 } else { 4 });
        let named = |stage: &Json| {
            (
                stage["stage"].as_str().unwrap().to_owned(),
                stage["state"].clone(),
            )
        };
        stages.iter().map(named).collect()
    }

    /// Starts a run whose events can be followed.
    pub(crate) fn start<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Running {
        let args = ["run", "--events", "json", "--json"]
            .into_iter()
            .chain(args);
        let mut child = self
            .command(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Running { child, lines }
    }

    /// The table of a stage, as JSON lines.
    #[track_caller]
    pub(crate) fn table<'a>(
        &self,
        stage: &'a str,
        args: impl IntoIterator<Item = &'a str>,
    ) -> String {
        let args = args.into_iter().chain([stage, "--format", "jsonl"]);
        self.run(["show"].into_iter().chain(args))
            .succeeded()
            .stdout
            .clone()
    }

    /// Every file below a folder of the project with its content.
    pub(crate) fn files(&self, folder: &str) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut found = BTreeMap::new();
        walk(&self.path(folder), &mut |path| {
            let name = path.strip_prefix(self.root()).unwrap().to_owned();
            found.insert(name, fs::read(path).unwrap());
        });
        found
    }
}

/// How a run of the program ended, and what it said.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) code: i32,
}

impl Outcome {
    pub(crate) fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Self {
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
            code: output.status.code().expect("no signal ended it"),
        }
    }

    #[track_caller]
    pub(crate) fn ends_with(&self, code: i32) -> &Self {
        assert_eq!(self.code, code, "{}\n{}", self.stdout, self.stderr);
        self
    }

    #[track_caller]
    pub(crate) fn succeeded(&self) -> &Self {
        self.ends_with(0)
    }

    #[track_caller]
    pub(crate) fn says(&self, text: &str) -> &Self {
        assert!(
            self.stderr.contains(text),
            "no `{text}` in\n{}",
            self.stderr
        );
        self
    }

    /// The object on the last line of stdout.
    #[track_caller]
    pub(crate) fn summary(&self) -> Summary {
        let line = self
            .stdout
            .lines()
            .next_back()
            .expect("stdout is not empty");
        Summary(serde_json::from_str(line).expect("the last line is JSON"))
    }
}

/// What `run --json` ends with.
#[derive(Debug)]
pub(crate) struct Summary(pub(crate) Json);

impl Summary {
    pub(crate) fn executed(&self) -> u64 {
        self.0["units_executed"].as_u64().unwrap()
    }

    pub(crate) fn reused(&self) -> u64 {
        self.0["units_reused"].as_u64().unwrap()
    }

    /// Units that a stage computed.
    pub(crate) fn of(&self, stage: &str) -> u64 {
        let executed = self.0["stages"][stage]["executed"].as_u64();
        executed.unwrap_or_else(|| panic!("there is no stage {stage}"))
    }

    /// What became of a stage: `unchanged`, `resolved`, ….
    pub(crate) fn outcome(&self, stage: &str) -> &str {
        self.0["stages"][stage]["outcome"].as_str().unwrap()
    }

    pub(crate) fn all_unchanged(&self) -> bool {
        let stages = self.0["stages"].as_object().unwrap();
        stages.values().all(|stage| stage["outcome"] == "unchanged")
    }
}

/// A run under way. Killed if the test that started it gives up.
pub(crate) struct Running {
    pub(crate) child: Child,
    lines: BufReader<std::process::ChildStdout>,
}

impl Running {
    /// Waits for the next event; `None` when stdout is closed.
    pub(crate) fn event(&mut self) -> Option<Json> {
        let mut line = String::new();
        let read = self.lines.read_line(&mut line).unwrap();
        (read > 0 && line.ends_with('\n')).then(|| serde_json::from_str(&line).unwrap())
    }

    /// Waits for an event of this name about this stage.
    #[track_caller]
    pub(crate) fn await_event(&mut self, name: &str, stage: &str) -> Json {
        std::iter::from_fn(|| self.event())
            .find(|event| event["event"] == name && event["stage"] == stage)
            .unwrap_or_else(|| panic!("no {name} of {stage}"))
    }

    pub(crate) fn signal(&self, name: &str) {
        let line = format!("kill -{name} {}", self.child.id());
        // That it ended in the meantime is not an error.
        Command::new("sh")
            .args(["-c", &line])
            .stderr(Stdio::null())
            .status()
            .unwrap();
    }

    /// Ends it the hard way. The answer: whether it was still there to be ended.
    pub(crate) fn kill(&mut self) -> bool {
        self.child.kill().unwrap();
        self.child.wait().unwrap().code().is_none()
    }

    /// Waits for its end. What it still wrote to stdout comes back line by line.
    pub(crate) fn end(mut self) -> (i32, Vec<Json>) {
        let rest = std::iter::from_fn(|| self.event()).collect();
        let code = self.child.wait().unwrap().code();
        (code.expect("no signal ended it"), rest)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Copies a folder; what nobody ever changes is linked: the cache's objects, and weights.
pub(crate) fn copy(from: &Path, to: &Path) {
    walk(from, &mut |path| {
        let target = to.join(path.strip_prefix(from).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        let is_object = path.components().any(|part| part.as_os_str() == "objects");
        let linked = is_object || path.starts_with(WEIGHTS);
        if !(linked && fs::hard_link(path, &target).is_ok()) {
            fs::copy(path, target).unwrap();
        }
    });
}

/// Calls back for every file below a folder, in order.
pub(crate) fn walk(folder: &Path, found: &mut dyn FnMut(&Path)) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        let path = path.as_path();
        if path.is_dir() {
            walk(path, found);
        } else {
            found(path);
        }
    }
}
