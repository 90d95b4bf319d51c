mod property;
mod spans;

use std::fmt::Write as _;

use ccsr_stage::params::NodeKind;

use super::*;

const SOURCE: SourceId = SourceId(1);

/// The tree in one line.
fn show(node: &Node) -> String {
    match &node.kind {
        NodeKind::Null => "null".to_owned(),
        NodeKind::Bool(truth) => truth.to_string(),
        NodeKind::Int(number) => number.to_string(),
        NodeKind::Float(number) => format!("{number:?}"),
        NodeKind::Text(text) => format!("{text:?}"),
        NodeKind::List(elements) => {
            format!(
                "[{}]",
                elements.iter().map(show).collect::<Vec<_>>().join(", ")
            )
        }
        NodeKind::Map(entries) => {
            let entries = entries.iter();
            let shown = entries.map(|entry| format!("{}: {}", entry.key, show(&entry.value)));
            format!("{{{}}}", shown.collect::<Vec<_>>().join(", "))
        }
    }
}

fn tree(text: &str) -> String {
    match parse(text, SOURCE) {
        Ok(node) => show(&node),
        Err(problems) => panic!("{text:?}: {problems:#?}"),
    }
}

/// Each problem: its code, what it underlines, what it says.
fn problems(text: &str) -> Vec<(&'static str, String, String)> {
    let found = parse(text, SOURCE).expect_err("there is something wrong");
    let shown = found.into_iter().map(|problem| {
        let at = problem
            .span
            .map_or("", |span| &text[span.start as usize..span.end as usize]);
        (problem.code, at.to_owned(), problem.message)
    });
    shown.collect()
}

fn codes(text: &str) -> Vec<&'static str> {
    problems(text).into_iter().map(|(code, ..)| code).collect()
}

#[test]
fn plain_scalars_follow_the_core_schema() {
    let cases = [
        ("null ~ Null NULL", "null"),
        ("true True TRUE", "true"),
        ("false False FALSE", "false"),
        ("12 +12 012 0o14 0xC 0xc", "12"),
        ("-9223372036854775808", "-9223372036854775808"),
        ("1.5 +1.5 15e-1 0.15E1 1.50", "1.5"),
        ("1e3 1E+3 1000. 1000.0", "1000.0"),
        (".5 +.5", "0.5"),
        (".inf +.Inf .INF", "inf"),
        ("-.inf -.INF", "-inf"),
        (".nan .NaN .NAN", "NaN"),
    ];
    for (words, expected) in cases {
        for word in words.split(' ') {
            assert_eq!(tree(word), expected, "{word}");
        }
    }
    let texts = "yes no on off y n Yes tRue nULL 0b1 0x 0o8 -0x1 1_000 1e . - + e1 .e1 inf nan -.nan \
                 1:30 2024-01-01 +-1 0x-1 <<";
    for word in texts.split(' ').filter(|word| *word != "-") {
        assert_eq!(tree(word), format!("{word:?}"), "{word}");
    }
    for word in ["12", "true", "null", "", "~"] {
        assert_eq!(tree(&format!("'{word}'")), format!("{word:?}"));
        assert_eq!(tree(&format!("\"{word}\"")), format!("{word:?}"));
    }
}

#[test]
fn texts_in_all_styles() {
    assert_eq!(
        tree("a: |\n  x\n   y\n\nb: >-\n  x\n  y\n"),
        r#"{a: "x\n y\n", b: "x y"}"#
    );
    assert_eq!(
        tree("a: x\n  y\nb: 'it''s'\nc: \"\\u00e4\\n\""),
        r#"{a: "x y", b: "it's", c: "ä\n"}"#
    );
    assert_eq!(tree("a: 1\r\nb:\r\n  - x\r\n"), r#"{a: 1, b: ["x"]}"#);
}

#[test]
fn nothing_is_null() {
    for text in ["", "# only words\n", "---\n", "--- # c\n...\n"] {
        assert_eq!(tree(text), "null", "{text:?}");
    }
    assert_eq!(
        tree("a:\nb: [{x, y: }]\nc:\n  -\n"),
        "{a: null, b: [{x: null, y: null}], c: [null]}"
    );
}

#[test]
fn names_are_text_as_written() {
    assert_eq!(
        tree("1: a\ntrue: b\n0x10: c\n~: d\n'q r': e\n"),
        r#"{1: "a", true: "b", 0x10: "c", ~: "d", q r: "e"}"#
    );
    assert_eq!(tree("{\"\": 1, '<<': 2}"), "{: 1, <<: 2}");
    let found = problems("? [a]\n: 1\n: 2\n? {b: c}\n: 3\n&a x: 1\n*a : 2\n");
    let places: Vec<_> = found
        .iter()
        .map(|(code, at, _)| (*code, at.as_str()))
        .collect();
    assert_eq!(
        places,
        [
            ("yaml::key", "[a]"),
            ("yaml::key", ""),
            ("yaml::key", "{b: c}"),
            ("yaml::key", "*a")
        ]
    );
}

#[test]
fn core_tags_are_honoured_and_others_refused() {
    assert_eq!(
        tree("[!!str 1, !!int '2', !!float 3, !!null '', !!bool 'true', ! 4, !!seq [], !!map {}]"),
        r#"["1", 2, 3.0, null, true, "4", [], {}]"#
    );
    assert_eq!(tree("!<tag:yaml.org,2002:str> 1"), "\"1\"");
    let found = problems(
        "a: !!int x\nb: !env HOME\nc: !!set {}\nd: !!seq {}\ne: !!str [1]\nf: !!binary aGk=\n",
    );
    let said: Vec<_> = found
        .iter()
        .map(|(_, at, said)| (at.as_str(), said.as_str()))
        .collect();
    assert_eq!(
        said,
        [
            ("!!int", "`x` is not what the tag `!!int` says"),
            ("!env", "the tag `!env` means nothing here"),
            ("!!set", "the tag `!!set` means nothing here"),
            ("!!seq", "a map is not what the tag `!!seq` says"),
            ("!!str", "a list is not what the tag `!!str` says"),
            ("!!binary", "the tag `!!binary` means nothing here"),
        ]
    );
}

#[test]
fn numbers_that_nothing_holds() {
    assert_eq!(
        codes("[9223372036854775808, 0xfffffffffffffffff, 1e999, -1e999]"),
        ["yaml::number"; 4]
    );
    assert_eq!(tree("'9223372036854775808'"), "\"9223372036854775808\"");
}

#[test]
fn all_problems_at_once_with_both_places() {
    let text = "ä: 1\nb: {x: 1, x: 2}\nä: !no [3, 3e999]\nc: *none\n<<: {y: 1, y: 2}\nd: \"";
    let found = parse(text, SOURCE).unwrap_err();
    let codes: Vec<_> = found.iter().map(|problem| problem.code).collect();
    assert_eq!(
        codes,
        [
            "yaml::duplicate-key",
            "yaml::duplicate-key",
            "yaml::tag",
            "yaml::number",
            "yaml::alias",
            "yaml::merge-key",
            "yaml::duplicate-key",
            "yaml::syntax",
        ]
    );
    let (first, said) = &found[1].related[0];
    assert_eq!(
        (first.start, first.end, said.as_str()),
        (0, 2, "first here")
    );

    let mut found = Vec::new();
    let node = parse_with("a: 1\na: 2\n<<: {b: 1}\nc: 3\n", SOURCE, &mut found);
    assert_eq!(show(&node.unwrap()), "{a: 1, c: 3}");
    assert_eq!(found.len(), 2);
}

#[test]
fn a_flood_of_problems_ends() {
    let text = "a: 1\n".repeat(10_000);
    let found = codes(&text);
    assert_eq!(found.len(), MAX_PROBLEMS + 1);
    assert_eq!(found.last(), Some(&"yaml::too-many-problems"));
}

#[test]
fn one_document() {
    assert_eq!(tree("%YAML 1.2\n---\na: 1\n...\n"), "{a: 1}");
    assert_eq!(codes("a: 1\n---\nb: 2\n"), ["yaml::several-documents"]);
    assert_eq!(codes("---\n---\n"), ["yaml::several-documents"]);
}

#[test]
fn aliases_are_copies_that_point_to_their_place() {
    assert_eq!(
        tree("a: &x {p: [1]}\nb: *x\nc: [*x]\n"),
        "{a: {p: [1]}, b: {p: [1]}, c: [{p: [1]}]}"
    );
    assert_eq!(tree("- &x 1\n- &x 2\n- *x\n"), "[1, 2, 2]");
    let text = "a: &x {p: 1}\nb: *x\n";
    let node = parse(text, SOURCE).unwrap();
    let span = node.get("b").unwrap().span;
    assert_eq!(&text[span.start as usize..span.end as usize], "*x");
    assert_eq!(codes("a: &x [*x]\nb: *.png\n"), ["yaml::alias"; 2]);
}

#[test]
fn aliases_cannot_blow_up() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..20 {
        let copies = vec![format!("*a{}", level - 1); 9].join(", ");
        writeln!(text, "a{level}: &a{level} [{copies}]").unwrap();
    }
    assert_eq!(codes(&text), ["yaml::alias-bomb"]);

    let mut text = "a0: &a0 [x]\n".to_owned();
    for level in 1..100 {
        writeln!(text, "a{level}: &a{level} [*a{}]", level - 1).unwrap();
    }
    assert_eq!(codes(&text), ["yaml::too-deep"]);
}

#[test]
fn depth_is_bounded() {
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    assert!(parse(&nested(MAX_DEPTH), SOURCE).is_ok());
    for text in [
        nested(MAX_DEPTH + 1),
        "[".repeat(100_000),
        "- ".repeat(100_000),
        "? ".repeat(100_000),
    ] {
        assert_eq!(codes(&text), ["yaml::too-deep"]);
    }
}

#[test]
fn size_is_bounded() {
    let text = format!("[{}]", "1,".repeat(MAX_VALUES + 1));
    assert_eq!(codes(&text), ["yaml::too-large"]);
    assert_eq!(codes(&" ".repeat(MAX_BYTES + 1)), ["source::too-large"]);
}

#[test]
fn syntax_errors_say_what_to_do_and_where() {
    let cases = [
        ("a: 1\n\tb: 2\n", "\t", "a tab cannot indent"),
        ("a:\n\t- x\n", "\t", "a tab cannot indent"),
        ("a: b: c\n", ":", "a second `: ` in one line"),
        ("a: 1\n b: 2\n", ":", "no entry can start here"),
        (
            "a: [1, 2\nb: 3\n",
            ":",
            "this cannot stand between the brackets",
        ),
        (
            "a: {x: 1\nb: 2\n",
            ":",
            "this cannot stand between the brackets",
        ),
        ("a: [1, 2\n", "[", "this bracket is never closed"),
        ("a: [1}\n", "[", "this bracket is closed by `}`"),
        ("a: ]\n", "]", "this bracket closes nothing"),
        ("ä: \"abc\nb: 1\n", "\"", "this quote is never closed"),
        (
            "a: 'x' y\n",
            "y",
            "there is more text after the closing quote",
        ),
        (
            "a: @x\n",
            "@x",
            "text cannot start with `@` unless it is in quotes",
        ),
        (
            "a: \u{1}\n",
            "\u{1}",
            "the character U+0001 cannot stand in YAML",
        ),
        ("a: 1\nbé\nc: 1\n", "bé", "a `:` is missing after this"),
        (
            "x:\n  a: 1\n y: 2\n",
            "y:",
            "this line is not aligned with the entries above",
        ),
        (
            "a: 1\n- b\n",
            "-",
            "an element of a list stands where an entry of a map is expected",
        ),
        (
            "- a\nb: 1\n",
            "b:",
            "an element of the list is expected here",
        ),
        ("x: - a\n", "-", "a list cannot start here"),
        (
            "a: \"\\q\"\n",
            "\"\\q\"",
            "this text has an escape that means nothing",
        ),
        ("a: *\n", "*", "`&` and `*` need a name after them"),
        (
            "a: |x\n  y\n",
            "|x",
            "`|` and `>` begin a text that starts in the next line",
        ),
        ("a: !x!y z\n", "!x!y", "this tag means nothing here"),
    ];
    for (text, at, message) in cases {
        let expected = ("yaml::syntax", at.to_owned(), message.to_owned());
        assert_eq!(problems(text), [expected], "{text:?}");
    }
    let open = &parse("a: [1, 2\nb: 3\n", SOURCE).unwrap_err()[0].related[0];
    assert_eq!(
        (open.0.start, open.1.as_str()),
        (3, "this bracket is still open")
    );
}
