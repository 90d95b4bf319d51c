//! `completions` and `man`: every command is in them.

use std::fs;

use crate::project::Project;

/// The commands that `--help` lists.
fn commands(project: &Project) -> Vec<String> {
    let help = project.run(["--help"]);
    let listed = help.succeeded().stdout.lines();
    let listed = listed.skip_while(|line| *line != "Commands:").skip(1);
    let listed = listed.take_while(|line| !line.is_empty());
    let name = |line: &str| line.split_whitespace().next().unwrap().to_owned();
    let of_a_line = |line: &&str| line.starts_with("  ") && !line.starts_with("   ");
    let names: Vec<_> = listed
        .filter(of_a_line)
        .map(name)
        .filter(|name| name != "help")
        .collect();
    assert!(names.len() >= 10, "{names:?}");
    names
}

#[test]
fn completions_know_every_command() {
    let project = Project::empty();
    let commands = commands(&project);
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = project
            .run(["completions", shell])
            .succeeded()
            .stdout
            .clone();
        for command in &commands {
            assert!(script.contains(command.as_str()), "{shell}: {command}");
        }
        assert!(
            script.contains("--keep-going") || script.contains("keep-going"),
            "{shell}"
        );
    }
    project.run(["completions", "cmd.exe"]).ends_with(2);
}

#[test]
fn the_script_for_bash_completes() {
    let project = Project::empty();
    let line = "eval \"$(\"$0\" completions bash)\"; COMP_WORDS=(ccsr-flow pl); COMP_CWORD=1; \
                _ccsr__flow ccsr-flow pl ccsr-flow; echo \"${COMPREPLY[@]}\"";
    let outcome = project.shell(&format!(
        "command -v bash >/dev/null || exit 77; exec bash -c '{line}' \"$0\""
    ));
    if outcome.code == 77 {
        println!("left out: there is no bash");
        return;
    }
    assert_eq!(outcome.succeeded().stdout.trim(), "plan");
}

#[test]
fn every_command_has_a_manual_page() {
    let project = Project::empty();
    let commands = commands(&project);
    let page = project.run(["man"]).succeeded().stdout.clone();
    assert!(page.contains(".TH ccsr-flow 1"), "{page}");
    for command in &commands {
        assert!(
            page.replace('\\', "")
                .contains(&format!("ccsr-flow-{command}(1)")),
            "{command}"
        );
    }
    project.run(["man", "--out", "man/man1"]).succeeded();
    for command in &commands {
        let page = project.read(&format!("man/man1/ccsr-flow-{command}.1"));
        assert!(page.contains("SYNOPSIS"), "{page}");
    }
    assert!(
        project
            .read("man/man1/ccsr-flow-run.1")
            .replace('\\', "")
            .contains("--keep-going")
    );
    assert!(project.path("man/man1/ccsr-flow-sweep-run.1").exists());
    fs::write(project.path("a file"), "").unwrap();
    project
        .run(["man", "--out", "a file"])
        .ends_with(2)
        .says("cannot write manual pages");
}
