//! `command` stages: what runs again, what is said when a program fails, and that none is left
//! behind.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::project::{Project, copy};
use crate::transcript::Transcript;

const FILE: &str = "p.yaml";
const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");

/// A project with three rows, and a stage `answers` with these parameters.
fn project(with: &str) -> Project {
    let project = Project::empty();
    project.write("rows.csv", "name,n\none,1\ntwo,2\nthree,3\n");
    set(&project, with);
    project
}

fn set(project: &Project, with: &str) {
    let with = with.replace('\n', "\n      ");
    let text = format!(
        "version: 1\nname: test\nstages:\n  rows: {{uses: table.import, with: {{path: rows.csv}}}}\n  \
         answers:\n    uses: command\n    from: rows\n    with:\n      {with}\n"
    );
    project.write(FILE, text);
}

/// Units of the stage that a run computed.
#[track_caller]
fn computed(project: &Project) -> u64 {
    project.summary([FILE]).of("answers")
}

/// Waits until something is so.
#[track_caller]
fn await_that(what: &str, mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < Duration::from_mins(1), "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Whether a process with these arguments is there.
fn runs(arguments: &str) -> bool {
    let wanted = arguments.replace(' ', "\0") + "\0";
    let entries = fs::read_dir("/proc").unwrap();
    let mut lines =
        entries.filter_map(|entry| fs::read(entry.unwrap().path().join("cmdline")).ok());
    lines.any(|line| line == wanted.as_bytes())
}

#[test]
fn mistakes_in_the_parameters_are_shown_where_they_stand() {
    let project = project("");
    project.write("plain.sh", "echo\n");
    let mut transcript = Transcript::new();
    let cases = [
        ("one text", "argv: wc -l\ncolumns: {k: int}"),
        ("no program", "argv: [no-such-program]\ncolumns: {k: int}"),
        ("not executable", "argv: [./plain.sh]\ncolumns: {k: int}"),
        ("a number", "argv: [sleep, 1]\ncolumns: {k: int}"),
        ("nothing comes of it", "argv: [\"true\"]"),
        ("an unknown type", "argv: [\"true\"]\ncolumns: {k: number}"),
        (
            "no file of this name",
            "argv: [cp, \"{name}\", \"{out.copi}\"]\nfiles: {copy: {}}",
        ),
        (
            "no column of this name",
            "argv: [echo, \"{nam}\"]\ncolumns: {k: int}",
        ),
        (
            "one row of many",
            "argv: [echo, \"{name}\"]\nper: batch\ncolumns: {k: int}",
        ),
        (
            "no time",
            "argv: [\"true\"]\ncolumns: {k: int}\ntimeout: soon",
        ),
        (
            "files that are not there",
            "argv: [\"true\"]\ncolumns: {k: int}\ninputs: [lib.py, ../x]",
        ),
    ];
    for (about, with) in cases {
        set(&project, with);
        transcript.about(about);
        // Where programs are looked for differs between machines.
        let outcome = project.shell(&format!("PATH=/usr/bin:/bin \"$0\" check {FILE}"));
        transcript.told(&project, &format!("ccsr-flow check {FILE}"), &outcome);
        assert_eq!(outcome.code, 2, "{about}");
    }
    transcript.matches("command-parameters");
}

#[test]
fn failing_programs_are_told_about() {
    let project = project("");
    let mut transcript = Transcript::new();
    let answers = "columns: {k: int}\nrows: one";
    let cases = [
        (
            "an exit code",
            format!("argv: [sh, -c, \"echo why >&2; exit 3\"]\n{answers}"),
        ),
        (
            "a signal",
            format!("argv: [sh, -c, \"kill -KILL $$\"]\n{answers}"),
        ),
        (
            "too long",
            format!("argv: [sleep, \"60\"]\ntimeout: 300ms\n{answers}"),
        ),
        ("no JSON", format!("argv: [echo, hello]\n{answers}")),
        ("no answer", format!("argv: [\"true\"]\n{answers}")),
        (
            "no file",
            "argv: [\"true\", \"{out.copy}\"]\nfiles: {copy: {path: copy.txt}}".to_owned(),
        ),
        (
            "a file that is not there",
            "argv: [cat, \"{name}\"]\nrow_files: {name: data}\ncolumns: {k: int}".to_owned(),
        ),
    ];
    project.write("data/one", "1");
    for (about, with) in cases {
        set(&project, &with);
        // One row, so that what is said does not depend on who is first.
        project.write("rows.csv", "name,n\ntwo,2\n");
        transcript.about(about).run(&project, &["run", FILE]);
    }
    transcript.matches("command-failures");
}

#[test]
fn only_what_changed_runs_again() {
    let project = project(
        "argv: [sh, judge.sh, \"{name}\"]\nrow_files: {name: data}\ninputs: [lib]\ncolumns: {k: int}",
    );
    project.write("rows.csv", "name\ndata/a\ndata/b\n./data/c\n");
    for name in ["a", "b", "c"] {
        project.write(&format!("data/{name}"), name);
    }
    project.write("lib/words.txt", "1");
    project.write(
        "judge.sh",
        "echo '{\"k\": '$(cat lib/words.txt | wc -c)'}'\n",
    );
    assert_eq!(computed(&project), 3);
    assert_eq!(computed(&project), 0);
    let text = project.read(FILE);
    project.write(FILE, format!("# A comment.\n{text}"));
    assert!(project.summary([FILE]).all_unchanged());

    project.write("data/b", "other");
    assert_eq!(computed(&project), 1);
    project.write("judge.sh", "echo '{\"k\": 2}'\n");
    assert_eq!(computed(&project), 3);
    let plan = project.run(["plan", FILE]);
    plan.succeeded();
    project.write("lib/words.txt", "2");
    assert!(
        project
            .run(["plan", FILE])
            .ends_with(4)
            .stdout
            .contains("the content of `lib")
    );
    assert_eq!(computed(&project), 3);
    // A file back as it was is known.
    project.write("lib/words.txt", "1");
    assert_eq!(computed(&project), 0);
}

#[test]
fn the_program_that_path_leads_to_and_declared_variables_are_in_the_key() {
    let project = project(
        "argv: [answer]\npass_env: [ROUND]\nsecret_env: [TOKEN]\nenv: {FIXED: x}\n\
         columns: {said: text}",
    );
    let program = |folder: &str| {
        let script = "#!/bin/sh\necho \"{\\\"said\\\": \\\"$FIXED $ROUND $TOKEN $HIDDEN\\\"}\"";
        project.write(
            &format!("{folder}/answer"),
            format!("{script} # {folder}\n"),
        );
        let path = project.path(&format!("{folder}/answer"));
        fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    };
    program("bin");
    program("other");
    let run = |folder: &str, round: &str, token: &str| {
        let path = format!("{}:/usr/bin:/bin", project.path(folder).display());
        let mut command = project.command(["run", "--json", FILE]);
        command.env("PATH", path).env("HIDDEN", "hidden");
        command.env("ROUND", round).env("TOKEN", token);
        let outcome = crate::project::Outcome::of(&command.output().unwrap());
        outcome.succeeded().summary().of("answers")
    };
    assert_eq!(run("bin", "1", "hush"), 3);
    assert_eq!(run("bin", "1", "another"), 0);
    assert_eq!(run("bin", "2", "hush"), 3);
    assert_eq!(run("other", "2", "hush"), 3);
    assert_eq!(run("bin", "2", "hush"), 0);
    // The secret was seen, and is stored nowhere but in what the program said itself.
    let runs: String = project
        .files(".ccsr/runs")
        .into_values()
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .collect();
    assert!(!runs.contains("hush") && runs.contains("ROUND"));
}

#[test]
fn a_program_whose_output_is_its_secret_is_seen_with_declared_variables_only() {
    let project = project(
        "argv: [sh, -c, 'echo \"{{\\\"said\\\": \\\"$FIXED-$TOKEN-$HIDDEN\\\"}}\"']\n\
         secret_env: [TOKEN]\nenv: {FIXED: x}\ncolumns: {said: text}",
    );
    let mut command = project.command(["run", FILE]);
    let output = command
        .env("TOKEN", "t")
        .env("HIDDEN", "h")
        .output()
        .unwrap();
    crate::project::Outcome::of(&output).succeeded();
    assert!(
        project
            .table("answers", [FILE])
            .contains("\"said\":\"x-t-\"")
    );
}

#[test]
fn much_in_and_much_out_never_waits_for_each_other() {
    let project = project(
        "argv: [sh, -c, 'cat; cat \"$1\"; head -c 5000000 /dev/zero | tr \"\\\\0\" x >&2', sh, \"{rows}\"]\n\
         stdin: jsonl\nper: table\ncolumns: {name: text}",
    );
    let long = "é".repeat(600_000);
    let rows: Vec<String> = (0..5).map(|n| format!("{n}{long},1")).collect();
    project.write("rows.csv", format!("name,n\n{}\n", rows.join("\n")));
    project.run(["run", FILE]).succeeded();
    let table = project.table("answers", [FILE]);
    assert_eq!(table.lines().count(), 10);
    assert!(table.len() > 10_000_000 && table.contains(&long));
}

#[test]
fn a_program_need_not_read_what_it_is_given() {
    let project = project("argv: [echo, '{{\"k\": 1}}']\nper: batch\nrows: one\ncolumns: {k: int}");
    let long = "x".repeat(1_000_000);
    project.write("rows.csv", format!("name,n\n{long},1\n"));
    assert_eq!(computed(&project), 1);
}

#[test]
fn a_process_is_ended_with_all_that_it_started() {
    // It answers, but what it started holds its output open and would go on for long.
    let project = project(
        "argv: [sh, -c, 'sleep 611.5 & echo \"{{\\\"k\\\": 1}}\"']\nstdin: none\ncolumns: {k: int}",
    );
    let started = Instant::now();
    // Rows that look the same to the program are one call.
    assert_eq!(computed(&project), 1);
    set(
        &project,
        "argv: [sh, -c, 'sleep 611.5 & sleep 611.5']\ntimeout: 400ms\ncolumns: {k: int}",
    );
    project
        .run(["run", FILE])
        .ends_with(1)
        .says("`sh` was ended after 400ms, its `timeout`");
    assert!(started.elapsed() < Duration::from_mins(2));
    await_that("what a program started is ended", || !runs("sleep 611.5"));
}

#[test]
fn temporary_files_are_gone_whatever_happened() {
    let project = project(
        "argv: [sh, -c, 'touch \"$TMPDIR/own\" \"$1/half\"; exit $2', sh, \"{out}\", \"{n}\"]\n\
         stdin: jsonl\ncolumns: {k: blob}",
    );
    fs::create_dir(project.path("tmp")).unwrap();
    let mut command = project.command(["run", FILE, "--keep-going"]);
    command.env("TMPDIR", project.path("tmp"));
    let outcome = crate::project::Outcome::of(&command.output().unwrap());
    outcome.ends_with(1).says("ended with exit code 2");
    assert_eq!(fs::read_dir(project.path("tmp")).unwrap().count(), 0);
}

#[test]
fn of_a_failing_batch_the_rows_to_blame_are_found() {
    let project = project(
        "argv: [sh, -c, 'while read -r row; do case \"$row\" in *two*) echo bad two >&2; exit 1;; \
         esac; echo \"{{\\\"k\\\": 1}}\"; done']\nper: batch\ncolumns: {k: int}",
    );
    let outcome = project.run(["run", FILE, "--keep-going", "--json"]);
    outcome
        .ends_with(1)
        .says("row 2: `sh` ended with exit code 1");
    assert_eq!(outcome.summary().of("answers"), 2);
    assert!(!outcome.stderr.contains("row 1:") && !outcome.stderr.contains("row 3:"));
    // Mended by another row in its place: the other two are known.
    project.write("rows.csv", "name,n\none,1\nfour,2\nthree,3\n");
    assert_eq!(computed(&project), 1);
}

/// A run whose third row takes very long, once it has got there.
fn at_work(seconds: &str) -> (Project, crate::project::Running) {
    let project = project(&format!(
        "argv: [sh, -c, 'test $1 = 3 && touch begun && sleep {seconds}; echo \"{{{{\\\"k\\\": $1}}}}\"', \
         sh, \"{{n}}\"]\ncolumns: {{k: int}}"
    ));
    let text = project
        .read(FILE)
        .replace("from: rows\n", "from: rows\n    batch: 1\n");
    project.write(FILE, text);
    let running = project.start([FILE, "--jobs", "1"]);
    await_that("the third row is at work", || {
        project.path("begun").exists()
    });
    (project, running)
}

#[test]
fn asked_twice_a_run_ends_its_programs() {
    let (project, running) = at_work("622.5");
    running.signal("INT");
    std::thread::sleep(Duration::from_millis(300));
    assert!(runs("sleep 622.5"), "the first signal lets programs finish");
    running.signal("INT");
    assert_eq!(running.end().0, 130);
    await_that("the second signal ends programs", || !runs("sleep 622.5"));
    assert_eq!(crate::ledger::units(&project).count, 2);
}

#[test]
fn a_killed_run_has_kept_what_was_committed_and_nothing_else() {
    let (project, mut running) = at_work("3.25");
    assert!(running.kill());
    // What it started comes to its own end, and nobody hears it.
    await_that("programs end by themselves", || !runs("sleep 3.25"));
    assert_eq!(crate::ledger::units(&project).count, 2);
    let text = project.read(FILE);
    project.write(FILE, text.replace("sleep 3.25", "true"));
    let resumed = project.summary([FILE]);
    assert_eq!(resumed.executed(), 3, "the script is another one");
    project.write(FILE, text);
    assert_eq!(project.summary([FILE]).executed(), 1);
}

#[test]
fn the_python_judge_judges_anew_without_drawing() {
    let version = Command::new("python3").arg("--version").output();
    if !version.is_ok_and(|output| output.status.success()) {
        println!("left out: there is no python3 here");
        return;
    }
    let project = Project::empty();
    copy(Path::new(EXAMPLES), &project.path("examples"));
    let _ = fs::remove_dir_all(project.path("examples/judge_with_python/out"));
    let file = "examples/judge_with_python/pipeline.yaml";
    let first = project.summary([file]);
    assert_eq!((first.of("images"), first.of("answers")), (24, 24));
    let scores = project.read("examples/judge_with_python/out/scores.csv");
    assert_eq!(scores.lines().count(), 25);
    let answers = project.table("answers", [file]);
    for answer in ["yes", "no"] {
        assert!(
            answers.contains(&format!("\"answer\":\"{answer}\"")),
            "{answers}"
        );
    }
    assert!(project.summary([file]).all_unchanged());

    let script = "examples/judge_with_python/judge.py";
    project.edit(script, "BRIGHT = 110", "BRIGHT = 200");
    let again = project.summary([file]);
    assert_eq!((again.of("images"), again.of("answers")), (0, 24));
    assert_ne!(
        project.read("examples/judge_with_python/out/scores.csv"),
        scores
    );

    // One prompt more is four images more, and four to judge.
    let more = [
        file,
        "--set",
        "stages.prompts.with.extra=[{class: zebra, prompt: Photo of a zebra}]",
    ];
    let more = project.summary(more);
    assert_eq!((more.of("images"), more.of("answers")), (4, 4));
}
