//! What was typed and what was said, as a text to compare and to read.

use std::fmt::Write as _;
use std::path::Path;

use crate::project::{Outcome, Project};

/// Commands and what they said, one after the other.
#[derive(Default)]
pub(crate) struct Transcript {
    text: String,
}

impl Transcript {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// A heading: what the next command shows.
    pub(crate) fn about(&mut self, what: &str) -> &mut Self {
        let gap = if self.text.is_empty() { "" } else { "\n" };
        writeln!(self.text, "{gap}## {what}").unwrap();
        self
    }

    /// A file that the next command reads.
    pub(crate) fn file(&mut self, name: &str, content: &str) -> &mut Self {
        writeln!(self.text, "-- {name}").unwrap();
        for line in content.lines() {
            writeln!(self.text, "   | {line}").unwrap();
        }
        self
    }

    /// Runs a command and writes down what happened.
    pub(crate) fn run(&mut self, project: &Project, args: &[&str]) -> Outcome {
        let outcome = project.run(args.iter().copied());
        let quoted = |arg: &&str| {
            if arg.is_empty() || arg.contains(|c: char| c.is_whitespace() || "{}[]\"'".contains(c))
            {
                format!("'{arg}'")
            } else {
                (*arg).to_owned()
            }
        };
        let typed: Vec<_> = args.iter().map(quoted).collect();
        self.told(project, &format!("ccsr-flow {}", typed.join(" ")), &outcome);
        outcome
    }

    /// Writes down what happened.
    pub(crate) fn told(&mut self, project: &Project, typed: &str, outcome: &Outcome) {
        let typed = redacted(typed, project.root());
        writeln!(self.text, "$ {}", typed.trim_end()).unwrap();
        for (text, mark) in [(&outcome.stdout, ""), (&outcome.stderr, "! ")] {
            for line in redacted(text, project.root()).lines() {
                writeln!(self.text, "{}", format!("{mark}{line}").trim_end()).unwrap();
            }
        }
        writeln!(self.text, "[exit {}]", outcome.code).unwrap();
    }

    /// Compares with `transcripts/<name>.snap`.
    #[track_caller]
    pub(crate) fn matches(&self, name: &str) {
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path("transcripts");
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        settings.bind(|| insta::assert_snapshot!(name, self.text.trim_end()));
    }
}

/// The text without what differs from run to run: places, times, run ids, digests.
pub(crate) fn redacted(text: &str, root: &Path) -> String {
    let text = text.replace(&*root.to_string_lossy(), "[PROJECT]");
    let text = without_host(&text);
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(first) = rest.chars().next() {
        let starts_word = !out.ends_with(|c: char| c.is_ascii_alphanumeric() || c == '.');
        let shape = starts_word.then(|| shape(rest)).flatten();
        if let Some((length, name)) = shape {
            out.push_str(name);
            rest = &rest[length..];
        } else {
            out.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    out
}

/// The text without the line of `runs show` that tells of the machine.
fn without_host(text: &str) -> String {
    let lines = text.split_inclusive('\n').map(|line| match line {
        line if line.starts_with("host      ") => "host      [HOST]\n",
        line => line,
    });
    lines.collect()
}

/// What stands at the beginning of the text, if it is one of the things that differ: its length,
/// and what to write instead.
fn shape(text: &str) -> Option<(usize, &'static str)> {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let hex = text
        .bytes()
        .take_while(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        .count();
    if hex == 64 {
        return Some((64, "[DIGEST]"));
    }
    // 20261123-090519-b2bad5
    let bytes = text.as_bytes();
    let is_id = bytes.len() >= 22
        && digits(text) == 8
        && bytes[8] == b'-'
        && digits(&text[9..]) == 6
        && bytes[15] == b'-'
        && bytes[16..22].iter().all(u8::is_ascii_hexdigit);
    if is_id {
        return Some((22, "[RUN]"));
    }
    // 0.08 s, 12.3 s
    let whole = digits(text);
    if whole > 0 && text[whole..].starts_with('.') {
        let length = whole + 1 + digits(&text[whole + 1..]);
        if text[length..].starts_with(" s") {
            return Some((length + 2, "[TIME]"));
        }
        // 0.010234475
        if length > whole + 5 {
            return Some((length, "[SECONDS]"));
        }
    }
    None
}

#[test]
fn what_differs_is_left_out() {
    let text = "in /x/p/a.yaml: 1,000 units in 12.3 s, 0.08 s (run 20261123-090519-b2bad5), 1.5 m, v1.2.3, 0.012345";
    assert_eq!(
        redacted(text, Path::new("/x/p")),
        "in [PROJECT]/a.yaml: 1,000 units in [TIME], [TIME] (run [RUN]), 1.5 m, v1.2.3, [SECONDS]"
    );
    let digest = "ab".repeat(32);
    assert_eq!(
        redacted(&format!("{digest} {digest}0"), Path::new("/x")),
        format!("[DIGEST] {digest}0")
    );
}
