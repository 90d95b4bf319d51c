//! What the documents say works: their commands are run and show what the documents show, the changes and
//! files between them are made, and their pipelines are checked.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use ccsr_engine::{Sources, yaml};

use crate::project::{Outcome, Project, copy, walk};
use crate::transcript;

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

/// A fenced block.
#[derive(Debug, PartialEq, Eq)]
struct Block {
    /// The line in which it begins.
    line: usize,
    language: String,
    /// The file that it is the content of, or a change to.
    file: Option<String>,
    text: String,
}

/// The fenced blocks, in order.
fn blocks(text: &str) -> Vec<Block> {
    let mut found = Vec::new();
    let mut open: Option<(Block, usize)> = None;
    for (line, content) in (1..).zip(text.lines()) {
        let trimmed = content.trim_start();
        let fence = trimmed.strip_prefix("```");
        match (&mut open, fence) {
            (None, Some(info)) => {
                let mut words = info.split_whitespace().map(str::to_owned);
                let block = Block {
                    line,
                    language: words.next().unwrap_or_default(),
                    file: words.next(),
                    text: String::new(),
                };
                open = Some((block, content.len() - trimmed.len()));
            }
            (None, None) => {}
            (Some(_), Some(_)) => found.extend(open.take().map(|(block, _)| block)),
            (Some((block, indent)), None) => {
                let content = content.get(*indent..).unwrap_or_default();
                block.text.push_str(content);
                block.text.push('\n');
            }
        }
    }
    found
}

/// A text after a change, written as lines that stay, go (`-`) and come (`+`).
#[track_caller]
fn changed(text: &str, change: &str) -> String {
    let side = |left_out: char| -> String {
        let lines = change.lines().filter(|line| !line.starts_with(left_out));
        lines.fold(String::new(), |text, line| {
            text + line.get(1..).unwrap_or_default() + "\n"
        })
    };
    let (old, new) = (side('+'), side('-'));
    assert_eq!(
        text.matches(&old).count(),
        1,
        "to be changed:\n{old}in\n{text}"
    );
    text.replacen(&old, &new, 1)
}

/// The lines after a command that say what it shows.
fn shown<'a>(rest: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let own = rest.take_while(|line| !line.starts_with("$ "));
    own.filter(|line| !matches!(*line, "" | "…")).collect()
}

/// A line without what differs from run to run, and without the widths that follow from it.
fn bare(line: &str, project: &Project) -> String {
    let line = transcript::redacted(line, project.root());
    let words = line.split(|c: char| c.is_whitespace() || "─═".contains(c));
    let words: Vec<_> = words.filter(|word| !word.is_empty()).collect();
    words.join(" ")
}

#[test]
fn yaml_in_documents_is_yaml_and_pipelines_compile() {
    let project = Project::new();
    let mut pipelines = 0;
    for (file, text) in documents() {
        let blocks = blocks(&text).into_iter();
        for block in blocks.filter(|block| block.language == "yaml") {
            let place = format!("{}:{}", file.display(), block.line);
            let block = block.text;
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
        "cargo" | "git" | "mkdir" | "cd" | "python" | "python3" | "pip" | "just" | ".ci/run" => {
            None
        }
        other => panic!("a document says `{other}`, which no test knows how to run"),
    }
}

/// Runs the commands of a block, which must show what it says they do; tells how many there were.
fn carried_out(project: &Project, file: &Path, block: &Block) -> usize {
    let lines: Vec<&str> = block.text.lines().collect();
    let mut commands = 0;
    for (index, line) in lines.iter().enumerate() {
        let Some((command, code)) = command(line) else {
            continue;
        };
        let place = format!("{}:{}: {command}", file.display(), block.line);
        let arguments = command.strip_prefix("ccsr-flow").unwrap();
        let outcome: Outcome = project.shell(&format!("\"$0\"{arguments}"));
        assert_eq!(outcome.code, code, "{place}\n{}", outcome.stderr);
        let told = format!("{}\n{}", outcome.stdout, outcome.stderr);
        let told: BTreeSet<_> = told.lines().map(|line| bare(line, project)).collect();
        for line in shown(lines[index + 1..].iter().copied()) {
            assert!(
                told.contains(&bare(line, project)),
                "{place}\ndoes not show\n{line}\n{told:#?}"
            );
        }
        commands += 1;
    }
    commands
}

#[test]
fn commands_in_documents_work_in_a_fresh_project() {
    let mut commands = 0;
    for (file, text) in documents() {
        let project = Project::new();
        copy(&Path::new(ROOT).join("examples"), &project.path("examples"));
        for block in blocks(&text) {
            match (block.language.as_str(), &block.file) {
                ("console", _) => commands += carried_out(&project, &file, &block),
                ("diff", Some(name)) => {
                    let text = changed(&project.read(name), &block.text);
                    project.write(name, text);
                }
                (_, Some(name)) => drop(project.write(name, &block.text)),
                _ => {}
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
    let found = blocks(text);
    let yaml = Block {
        line: 11,
        language: "yaml".to_owned(),
        file: None,
        text: "a:\n  b: 1\n".to_owned(),
    };
    assert_eq!(found[1..], [yaml]);
    let lines: Vec<&str> = found[0].text.lines().collect();
    assert_eq!(shown(lines[1..].iter().copied()), ["done"]);
    let commands: Vec<_> = lines.into_iter().filter_map(command).collect();
    assert_eq!(
        commands,
        [("ccsr-flow run a.yaml", 0), ("ccsr-flow plan a.yaml", 4)]
    );
}

#[test]
fn changes_in_documents_are_made() {
    let change = " a\n-b\n+c\n+\n+d\n";
    assert_eq!(changed("x\na\nb\ny\n", change), "x\na\nc\n\nd\ny\n");
}
