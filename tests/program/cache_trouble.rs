//! Caches that cannot be used: exit code 3, a sentence that says what to do, and nothing lost.

use std::fs;
use std::path::PathBuf;

use crate::project::{Outcome, Project, SELECTION, SMALL, SMALL_UNITS};
use crate::transcript::Transcript;
use crate::{ledger, warm};

fn small(command: &'static str) -> impl Iterator<Item = &'static str> {
    [command, SELECTION].into_iter().chain(SMALL)
}

/// Every command that reads the cache refuses it, and nothing in it is touched.
#[track_caller]
fn refused(transcript: &mut Transcript, project: &Project) {
    let before = project.files(".ccsr");
    let pairs = ["show", SELECTION, "pairs"];
    for args in [
        vec!["run", SELECTION],
        vec!["plan", SELECTION],
        pairs.to_vec(),
        vec!["runs", "list"],
    ] {
        transcript.run(project, &args).ends_with(3);
    }
    let after = project.files(".ccsr");
    let ours = |files: &std::collections::BTreeMap<PathBuf, Vec<u8>>| -> Vec<_> {
        let transient = |name: &str| name.contains("/locks/") || name.ends_with("ledger.lock");
        let kept = files
            .iter()
            .filter(|(name, _)| !transient(&name.to_string_lossy()));
        kept.map(|(name, bytes)| (name.clone(), bytes.clone()))
            .collect()
    };
    assert!(
        ours(&before) == ours(&after),
        "a cache that was refused was changed"
    );
}

#[test]
fn another_version() {
    let project = warm::small();
    project.write(".ccsr/VERSION", "7\n");
    let mut transcript = Transcript::new();
    refused(&mut transcript, &project);
    project.write(".ccsr/VERSION", "1\n");
    assert!(project.summary(small("--json").skip(1)).all_unchanged());
    transcript.matches("another-version");
}

#[test]
fn a_ledger_that_is_none() {
    let project = warm::small();
    let good = fs::read(project.path(".ccsr/ledger.db")).unwrap();
    let mut transcript = Transcript::new();
    transcript.about("a text in its place");
    project.write(".ccsr/ledger.db", "This is no database. ".repeat(100));
    refused(&mut transcript, &project);
    transcript.about("a database of something else");
    fs::remove_file(project.path(".ccsr/ledger.db")).unwrap();
    let other = rusqlite::Connection::open(project.path(".ccsr/ledger.db")).unwrap();
    other
        .execute_batch("CREATE TABLE song (title TEXT); PRAGMA application_id = 7")
        .unwrap();
    other.close().unwrap();
    refused(&mut transcript, &project);
    project.write(".ccsr/ledger.db", good);
    assert!(project.summary(small("--json").skip(1)).all_unchanged());
    transcript.matches("no-ledger");
}

#[test]
fn a_damaged_ledger() {
    let project = warm::small();
    let good = fs::read(project.path(".ccsr/ledger.db")).unwrap();
    let mut damaged = good.clone();
    let end = damaged.len().min(60 * 4096);
    damaged[2 * 4096..end].fill(0x5a);
    project.write(".ccsr/ledger.db", damaged);
    let mut transcript = Transcript::new();
    transcript
        .run(&project, &["run", SELECTION])
        .ends_with(3)
        .says("is damaged");
    project.write(".ccsr/ledger.db", good);
    assert!(project.summary(small("--json").skip(1)).all_unchanged());
    transcript.matches("damaged-ledger");
}

#[test]
fn a_deleted_ledger_is_written_anew_and_finds_the_objects() {
    let project = warm::small();
    let (objects, exports) = (
        project.files(".ccsr/objects"),
        project.files("pipelines/out"),
    );
    for suffix in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(project.path(&format!(".ccsr/ledger.db{suffix}")));
    }
    assert!(project.plan(small("--json").skip(1))["prompts"]["state"] != "unchanged");
    let summary = project.summary(small("--json").skip(1));
    assert_eq!(summary.executed(), SMALL_UNITS);
    assert!(
        project.files(".ccsr/objects") == objects,
        "objects are not what they were"
    );
    assert!(
        project.files("pipelines/out") == exports,
        "exports are not what they were"
    );
}

#[test]
fn all_but_the_ledger_and_the_objects_may_be_deleted() {
    let project = warm::small();
    for name in ["tmp", "locks", "runs"] {
        let _ = fs::remove_dir_all(project.path(&format!(".ccsr/{name}")));
    }
    for name in ["VERSION", ".gitignore", "ledger.lock"] {
        fs::remove_file(project.path(&format!(".ccsr/{name}"))).unwrap();
    }
    assert!(project.summary(small("--json").skip(1)).all_unchanged());
    assert_eq!(project.read(".ccsr/VERSION"), "1\n");
}

#[test]
fn a_plain_file_where_the_cache_should_be() {
    let project = Project::new();
    project.write(".ccsr", "mine");
    let mut transcript = Transcript::new();
    transcript.run(&project, &["run", SELECTION]).ends_with(3);
    transcript.run(&project, &["plan", SELECTION]).ends_with(3);
    project.write("elsewhere", "mine");
    transcript
        .run(&project, &["--cache", "elsewhere/cache", "run", SELECTION])
        .ends_with(3);
    assert_eq!(project.read(".ccsr"), "mine");
    assert!(!project.path("pipelines/out").exists());
    fs::remove_file(project.path(".ccsr")).unwrap();
    let mut args = vec!["--cache", "another/cache"];
    args.extend(small("run").chain(["--json"]));
    assert_eq!(
        project
            .run(args.iter().copied())
            .succeeded()
            .summary()
            .executed(),
        SMALL_UNITS
    );
    assert!(project.path("another/cache/ledger.db").exists());
    assert!(!project.path(".ccsr").exists());
    transcript.matches("plain-file");
}

/// Runs the program as somebody for whom the mode of a folder counts: root writes where it likes.
fn without_privileges(project: &Project, args: &str) -> Option<Outcome> {
    let shell = project.shell("id -u; command -v setpriv");
    if shell.stdout.lines().next() != Some("0") {
        return Some(project.shell(&format!("exec \"$0\" {args}")));
    }
    let nobody = "setpriv --reuid=65534 --regid=65534 --clear-groups";
    let works = project.shell(&format!("{nobody} \"$0\" --version"));
    (works.code == 0).then(|| project.shell(&format!("exec {nobody} \"$0\" {args}")))
}

#[test]
fn a_folder_that_may_only_be_read() {
    let project = warm::small();
    // Not the objects: they may be shared with other tests, and are read-only anyway.
    let mode = |folders: &str, ledger: &str| {
        let line = format!(
            "find . -type d -exec chmod {folders} {{}} + && chmod {ledger} .ccsr/ledger.db"
        );
        let done = project.shell(&line);
        assert_eq!(done.code, 0, "{}", done.stderr);
    };
    mode("555", "444");
    let Some(refused) = without_privileges(&project, &format!("run {SELECTION}")) else {
        println!("left out: this is root, and there is no setpriv to be somebody else");
        mode("755", "644");
        return;
    };
    refused.ends_with(3);
    let mut transcript = Transcript::new();
    transcript.told(&project, &format!("ccsr-flow run {SELECTION}"), &refused);
    // Looking needs no writing.
    let args: Vec<_> = SMALL.into_iter().chain(warm::NO_EXPORTS).collect();
    let plan =
        without_privileges(&project, &format!("plan {SELECTION} {}", args.join(" "))).unwrap();
    plan.succeeded().says("nothing to do");
    let show = without_privileges(
        &project,
        &format!("show {SELECTION} {} truth --format csv", args.join(" ")),
    );
    show.unwrap().succeeded();
    mode("755", "644");
    assert_eq!(ledger::units(&project).count, SMALL_UNITS);
    transcript.matches("read-only");
}
