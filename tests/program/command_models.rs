//! `models`: downloads from a hub on this machine, and the cache of downloads.

use std::fs;
use std::path::Path;
use std::process::Command;

use ccsr_hub::testing::{Fault, Kept, Server};
use serde_json::Value as Json;

use crate::project::{Outcome, Project, copy, walk};
use crate::transcript::Transcript;

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
const ID: &str = "owner/name";
const SNAPSHOT: &str =
    "hf/hub/models--owner--name/snapshots/0123456789abcdef0123456789abcdef01234567";

/// A hub that has one model.
fn server() -> Server {
    let server = Server::start();
    server.publish(
        ID,
        COMMIT,
        &[
            ("README.md", Kept::Small, b"# Name"),
            ("config.json", Kept::Small, b"{}"),
            ("model.fp16.safetensors", Kept::Large, &[1; 1000]),
            ("model.safetensors", Kept::Large, &[2; 2000]),
            ("pytorch_model.bin", Kept::Large, b"pickle"),
        ],
    );
    server
}

fn command(project: &Project, server: &Server, args: &[&str]) -> Command {
    let mut command = project.command(["models"].iter().chain(args).copied());
    for proxy in [
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "http_proxy",
        "https_proxy",
        "all_proxy",
    ] {
        command.env_remove(proxy);
    }
    command.env("HF_HOME", project.path("hf"));
    command.env("HF_ENDPOINT", server.endpoint());
    command
}

fn run(project: &Project, server: &Server, args: &[&str]) -> Outcome {
    Outcome::of(&command(project, server, args).output().unwrap())
}

#[test]
fn a_model_is_pulled_listed_checked_and_found() {
    let (project, server) = (Project::empty(), server());
    let mut transcript = Transcript::new();
    let mut told = |args: &[&str]| {
        let mut outcome = run(&project, &server, args);
        outcome.stderr = outcome.stderr.replace(&server.endpoint(), "[HUB]");
        let typed = format!("ccsr-flow models {}", args.join(" "));
        transcript.told(&project, &typed, &outcome);
        outcome
    };
    told(&["list"]);
    told(&["path", ID]);
    let pulled = told(&["pull", ID]);
    assert_eq!(
        pulled.stdout.trim_end(),
        project.path(SNAPSHOT).to_str().unwrap()
    );
    told(&["pull", ID]);
    told(&["list"]);
    told(&["path", &format!("{ID}@{COMMIT}")]);
    told(&["verify", ID]);
    let blob = fs::canonicalize(project.path(SNAPSHOT).join("model.safetensors")).unwrap();
    fs::write(blob, [3; 2000]).unwrap();
    told(&["verify", ID]);
    told(&["pull", ID, "--verify"]);
    told(&["pull", ID, "--variant", "fp16"]);
    told(&["pull", ID, "--include", "*.gguf"]);
    told(&["pull", "name"]).ends_with(2);
    told(&["pull", "owner/nam"]);
    transcript.matches("models");
}

#[test]
fn what_is_said_for_programs_is_json() {
    let (project, server) = (Project::empty(), server());
    let json = |args: &[&str]| -> Json {
        let outcome = run(&project, &server, args);
        serde_json::from_str(&outcome.succeeded().stdout).unwrap()
    };
    let pulled = json(&["pull", ID, "--json"]);
    assert_eq!(
        (&pulled["commit"], &pulled["downloaded"]),
        (&COMMIT.into(), &2002.into())
    );
    let listed = json(&["list", "--json"]);
    assert_eq!(
        (&listed["id"], &listed["bytes"]),
        (&ID.into(), &2002.into())
    );
    assert_eq!(listed["path"], pulled["path"]);
    let verdict = json(&["verify", ID, "--json"]);
    assert_eq!(
        (&verdict["sound"], &verdict["faults"]),
        (&2.into(), &Json::Array(Vec::new()))
    );
    let logged = run(&project, &server, &["--log-format", "json", "pull", ID]);
    for line in logged.succeeded().stderr.lines() {
        serde_json::from_str::<Json>(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    }
}

#[test]
fn a_pull_that_breaks_off_goes_on_and_offline_nobody_is_asked() {
    let (project, server) = (Project::empty(), server());
    server.fail(Fault::BreakOff {
        after: 500,
        times: 1,
    });
    server.fail(Fault::BreakOff { after: 1, times: 1 });
    let outcome = run(&project, &server, &["pull", ID]);
    outcome.succeeded().says("next try in");
    server.requests();
    for args in [&["path", ID], &["verify", ID]] {
        let mut command = command(&project, &server, args);
        let outcome = Outcome::of(&command.env("HF_HUB_OFFLINE", "1").output().unwrap());
        outcome.succeeded();
    }
    let mut command = command(&project, &server, &["pull", ID]);
    let outcome = Outcome::of(&command.env("HF_HUB_OFFLINE", "1").output().unwrap());
    outcome.ends_with(1).says("HF_HUB_OFFLINE");
    assert_eq!(server.requests(), []);
}

#[test]
fn the_token_is_that_of_the_variable_or_the_file() {
    let (project, server) = (Project::empty(), server());
    server.ask_for("hf_secret");
    run(&project, &server, &["pull", ID])
        .ends_with(1)
        .says("HF_TOKEN");
    let mut wrong = command(&project, &server, &["pull", ID]);
    let outcome = Outcome::of(&wrong.env("HF_TOKEN", "hf_wrong").output().unwrap());
    outcome.ends_with(1).says("this token");
    assert!(!outcome.stderr.contains("hf_wrong"), "{}", outcome.stderr);
    project.write("hf/token", "hf_secret\n");
    run(&project, &server, &["pull", ID]).succeeded();
}

#[test]
fn a_full_disk_is_said_and_another_pull_goes_on() {
    let (project, server) = (Project::empty(), Server::start());
    let bytes = vec![7; 200_000];
    server.publish(ID, COMMIT, &[("model.safetensors", Kept::Large, &bytes)]);
    let hub = format!(
        "HF_HOME='{}' HF_ENDPOINT={}",
        project.path("hf").display(),
        server.endpoint()
    );
    // To a program that writes, a limit is a full disk.
    let pull = format!("exec \"$0\" models pull {ID}");
    let outcome = project.shell(&format!("trap '' XFSZ; ulimit -f 200; {hub} {pull}"));
    outcome
        .ends_with(1)
        .says("no room for")
        .says("what has arrived is kept");
    project.shell(&format!("{hub} {pull}")).succeeded();
    let pulled = fs::read(project.path(SNAPSHOT).join("model.safetensors")).unwrap();
    assert!(pulled == bytes);
}

/// A suite names a model of the hub; a run looks for it in the cache, and downloads nothing.
#[test]
fn a_suite_names_a_model_of_the_hub() {
    let (project, server) = (Project::empty(), Server::start());
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/stable_diffusion");
    let mut files = Vec::new();
    walk(&examples.join("clip"), &mut |path| {
        let name = path.strip_prefix(examples.join("clip")).unwrap();
        files.push((name.to_str().unwrap().to_owned(), fs::read(path).unwrap()));
    });
    let files: Vec<_> = files
        .iter()
        .map(|(name, bytes)| (name.as_str(), Kept::Small, bytes.as_slice()))
        .collect();
    server.publish("owner/clip", COMMIT, &files);
    copy(&examples, &project.path("example"));
    project.edit(
        "example/suite.yaml",
        "weights: clip",
        "weights: hf://owner/clip@main",
    );
    let flow = |args: &[&str]| {
        let mut command = project.command(args.iter().copied());
        command.env("HF_HOME", project.path("hf"));
        command.env("HF_ENDPOINT", server.endpoint());
        Outcome::of(&command.output().unwrap())
    };
    let file = "example/pipeline.yaml";
    let missing = flow(&["check", file]);
    missing
        .ends_with(2)
        .says("`ccsr-flow models pull owner/clip@main` downloads it")
        .says("example/suite.yaml:");
    flow(&["models", "pull", "owner/clip@main"]).succeeded();
    let asked = server.requests().len();
    assert!(asked > 0);
    flow(&["run", file]).succeeded();
    // The run is the same with the folder of the project, and can be run again as it was.
    flow(&["runs", "reproduce", "latest"]).succeeded();
    project.edit(
        "example/suite.yaml",
        "weights: hf://owner/clip@main",
        "weights: clip",
    );
    let again = flow(&["run", file, "--json"]);
    let summary: Json = serde_json::from_str(&again.succeeded().stdout).unwrap();
    assert_eq!(summary["units_executed"], 0);
    project.edit("example/suite.yaml", "weights: clip", "weights: hf://clip");
    flow(&["check", file])
        .ends_with(2)
        .says("does not name a model");
    assert_eq!(server.requests(), []);
}
