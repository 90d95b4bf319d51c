use ccsr_engine::yaml;

use super::*;

/// What people see when `text` is parsed; the empty lines around it are for the reader of the test.
#[track_caller]
fn shows(text: &str, expected: &str) {
    let mut sources = Sources::new();
    let id = sources.add("pipelines/a.yaml", "/pipelines/a.yaml", text);
    let found = yaml::parse(text, id).expect_err("there is something wrong");
    let shown = render(&sources, &found, false);
    assert_eq!(shown, expected.trim_start_matches('\n'), "\n{shown}");
}

fn one(text: &str, diagnostic: impl FnOnce(SourceId) -> Diagnostic) -> String {
    let mut sources = Sources::new();
    let id = sources.add("a.yaml", "/a.yaml", text);
    render(&sources, &[diagnostic(id)], false)
}

#[test]
fn places_labels_and_advice() {
    shows(
        "größe: 1\nstages:\n  ä: {x: 1}\n  ä: !env {y: 1}\n",
        "
error[yaml::duplicate-key]: `ä` stands here twice
 --> pipelines/a.yaml:4:3
  |
4 |   ä: !env {y: 1}
  |   ^ again
  |
 ::: pipelines/a.yaml:3:3
  |
3 |   ä: {x: 1}
  |   - first here

error[yaml::tag]: the tag `!env` means nothing here
 --> pipelines/a.yaml:4:6
  |
4 |   ä: !env {y: 1}
  |      ^^^^
  |
  = help: leave it out, or put the text in quotes if `!` is part of it
",
    );
}

#[test]
fn tabs_and_the_end_of_a_file() {
    shows(
        "stages:\r\n\tx: 1\r\n",
        "
error[yaml::syntax]: a tab cannot indent
 --> pipelines/a.yaml:2:1
  |
2 |     x: 1
  | ^^^^
  |
  = help: YAML is indented with spaces: replace the tab
",
    );
    let end = |source| {
        let span = Span {
            source,
            start: 5,
            end: 5,
        };
        Diagnostic::new("spec::missing", "something is missing").at(span)
    };
    assert_eq!(
        one("a: 1\n", end),
        "error[spec::missing]: something is missing\n --> a.yaml:2:1\n  |\n2 |\n  | ^\n"
    );
}

#[test]
fn without_a_place() {
    let shown = one("", |_| {
        Diagnostic::new("source::missing", "there is no file `a.yaml`")
            .with_help("is it spelt right?")
    });
    assert_eq!(
        shown,
        "error[source::missing]: there is no file `a.yaml`\n |\n = help: is it spelt right?\n"
    );
    let nowhere = one("", |_| Diagnostic::new("a::b", "c").at(Span::default()));
    assert_eq!(nowhere, "error[a::b]: c\n");
    assert_eq!(render(&Sources::new(), &[], true), "");
}

#[test]
fn only_the_first_line_of_a_long_place() {
    let shown = one("a:\n  b: 1\n  c: 2\n", |source| {
        let span = Span {
            source,
            start: 0,
            end: 16,
        };
        Diagnostic::new("a::b", "c").at(span)
    });
    assert_eq!(
        shown,
        "error[a::b]: c\n --> a.yaml:1:1\n  |\n1 | a:\n  | ^^\n"
    );
}

#[test]
fn long_lines_are_shortened() {
    let text = format!("a: [{}]", "wörter, ".repeat(1000));
    let at = text.find(']').unwrap() as u32;
    let shown = one(&text, |source| {
        let span = Span {
            source,
            start: at,
            end: at + 1,
        };
        Diagnostic::new("a::b", "c").at(span).with_label("here")
    });
    assert!(shown.contains("--> a.yaml:1:8005\n"), "{shown}");
    assert!(shown.contains("wörter, ]\n"), "{shown}");
    assert!(shown.contains("^ here"), "{shown}");
    assert!(
        shown.lines().all(|line| line.chars().count() < 140),
        "{shown}"
    );
}

#[test]
fn colour_and_no_escapes_from_the_text() {
    let mut sources = Sources::new();
    let id = sources.add("a.yaml", "/a.yaml", "a: \u{1b}[31m");
    let span = Span {
        source: id,
        start: 3,
        end: 4,
    };
    let diagnostic = Diagnostic::new("a::b", "not \u{1b}[31m red")
        .at(span)
        .with_label("\u{1b}[0m")
        .with_help("\u{1b}[0m");
    let plain = render(&sources, std::slice::from_ref(&diagnostic), false);
    assert!(!plain.contains('\u{1b}'), "{plain:?}");
    let coloured = render(&sources, &[diagnostic], true);
    assert!(coloured.contains('\u{1b}'), "{coloured:?}");
}
