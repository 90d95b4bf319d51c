//! What the documents say works: their commands are run, and their pipelines are checked.

use std::fs;
use std::path::{Path, PathBuf};

use ccsr_engine::{Sources, yaml};

use crate::project::{Outcome, Project, copy, walk};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// README, CONTRIBUTING and the book.
fn documents() -> Vec<(PathBuf, String)> {
    let mut files = vec![
        PathBuf::from(ROOT).join("README.md"),
        PathBuf::from(ROOT).join("CONTRIBUTING.md"),
    ];
    walk(&Path::new(ROOT).join("docs"), &mut |path| {
        if path.extension().is_some_and(|extension| extension == "md") {
            files.push(path.to_owned());
        }
    });
    files.retain(|file| file.exists());
    files
        .into_iter()
        .map(|file| (file.clone(), fs::read_to_string(file).unwrap()))
        .collect()
}

/// The fenced blocks of a language, each with the line in which it begins.
fn blocks(text: &str, language: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut open: Option<(usize, String, usize, bool)> = None;
    for (number, line) in (1..).zip(text.lines()) {
        let content = line.trim_start();
        match &mut open {
            None if content.starts_with("```") => {
                let wanted =
                    content.trim_start_matches('`').split_whitespace().next() == Some(language);
                open = Some((number, String::new(), line.len() - content.len(), wanted));
            }
            None => {}
            Some((start, block, _, wanted)) if content.starts_with("```") => {
                if *wanted {
                    found.push((*start, std::mem::take(block)));
                }
                open = None;
            }
            Some((_, block, indent, _)) => {
                block.push_str(line.get(*indent..).unwrap_or_default());
                block.push('\n');
            }
        }
    }
    found
}

#[test]
fn yaml_in_documents_is_yaml_and_pipelines_compile() {
    let project = Project::new();
    let mut pipelines = 0;
    for (file, text) in documents() {
        for (line, block) in blocks(&text, "yaml") {
            let place = format!("{}:{line}", file.display());
            let source = Sources::new().add("a.yaml", "/a.yaml", block.as_str());
            let tree = yaml::parse(&block, source)
                .unwrap_or_else(|problems| panic!("{place}: {problems:#?}"));
            if tree.get("version").is_some() && tree.get("stages").is_some() {
                project.write("pipelines/document.yaml", &block);
                pipelines += 1;
                let outcome = project.run(["check", "pipelines/document.yaml"]);
                assert_eq!(outcome.code, 0, "{place}: {}", outcome.stderr);
            }
        }
    }
    assert!(pipelines >= 1, "no document shows a pipeline");
}

/// One line of a ```console block: the command, and the exit code that a comment promises.
fn command(line: &str) -> Option<(&str, i32)> {
    let line = line.strip_prefix("$ ")?;
    let (command, comment) = line.split_once(" # ").unwrap_or((line, ""));
    let command = command.trim();
    let first = command.split_whitespace().next()?;
    let code = comment.trim().strip_prefix("exit ").map_or(0, |code| {
        let digits: String = code.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().unwrap()
    });
    match first {
        "ccsr-flow" => Some((command, code)),
        "cargo" | "git" | "cd" | "python" | "python3" | "pip" | "just" | ".ci/run" => None,
        other => panic!("a document says `{other}`, which no test knows how to run"),
    }
}

#[test]
fn commands_in_documents_work_in_a_fresh_project() {
    let mut commands = 0;
    for (file, text) in documents() {
        let project = Project::new();
        copy(&Path::new(ROOT).join("examples"), &project.path("examples"));
        for (line, block) in blocks(&text, "console") {
            for (command, code) in block.lines().filter_map(command) {
                let place = format!("{}:{line}: {command}", file.display());
                let arguments = command.strip_prefix("ccsr-flow").unwrap();
                let outcome: Outcome = project.shell(&format!("\"$0\"{arguments}"));
                assert_eq!(outcome.code, code, "{place}\n{}", outcome.stderr);
                commands += 1;
            }
        }
    }
    assert!(
        commands >= 10,
        "{commands} commands were found; the documents have more"
    );
}

#[test]
fn blocks_and_commands_are_found() {
    let text = "# A\n\n```console\n$ ccsr-flow run a.yaml\ndone\n$ ccsr-flow plan a.yaml # exit 4: stale\n$ cargo test\n```\n\n- b\n  ```yaml\n  a:\n    b: 1\n  ```\n";
    assert_eq!(blocks(text, "yaml"), [(11, "a:\n  b: 1\n".to_owned())]);
    let consoles = blocks(text, "console");
    let commands: Vec<_> = consoles[0].1.lines().filter_map(command).collect();
    assert_eq!(
        commands,
        [("ccsr-flow run a.yaml", 0), ("ccsr-flow plan a.yaml", 4)]
    );
}
