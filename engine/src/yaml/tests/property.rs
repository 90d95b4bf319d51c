//! Whatever the text: no panic, and spans that lie in it.

use std::path::Path;

use ccsr_stage::params::Span;
use proptest::prelude::*;

use super::*;

const PIPELINE: &str = r#"# Größen
version: 1
name: elephant
vars: { prompt: "ein Elefant", scales: [0, 0.5, 1e0] }
stages:
  images: &images
    uses: image.generate
    from: { prompts: prompts }
    with:
      steps: 20   # wie im Papier
      guidance: 7.5
      negative: |
        blurry
        low quality
  again: *images
  judge:
    uses: image.judge
    with:
      questions:
        - 'Is it an elephant?'
        - >-
          Does it stand
          on four legs?
"#;

fn walk(node: &Node, inside: &impl Fn(Span)) {
    inside(node.span);
    match &node.kind {
        NodeKind::List(elements) => {
            for element in elements {
                walk(element, inside);
            }
        }
        NodeKind::Map(entries) => {
            for entry in entries {
                inside(entry.key_span);
                walk(&entry.value, inside);
            }
        }
        _ => {}
    }
}

fn check(text: &str) {
    let inside = |span: Span| {
        assert_eq!(span.source, SOURCE);
        assert!(
            text.get(span.start as usize..span.end as usize).is_some(),
            "{span:?} of {text:?}"
        );
    };
    let mut problems = Vec::new();
    if let Some(node) = parse_with(text, SOURCE, &mut problems) {
        walk(&node, &inside);
    } else {
        assert!(!problems.is_empty());
    }
    for problem in problems {
        assert!(!problem.message.is_empty());
        problem.span.into_iter().for_each(inside);
        problem
            .related
            .into_iter()
            .for_each(|(span, _)| inside(span));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_text(text in ".{0,60}") {
        check(&text);
    }

    #[test]
    fn text_that_looks_like_yaml(
        pieces in prop::collection::vec(
            prop::sample::select(vec![
                "a", "é", "😀", ": ", ":", "- ", "-", "\n", "\n  ", "\r\n", "\t", " ", "[", "]", "{", "}",
                ", ", "|", ">-", "\"", "'", "\\", "&a ", "*a", "!!str ", "!x ", "<<", "# c", "? ", "---",
                "...", "%YAML 1.2", "1", "~", "0x", "\u{feff}", "\u{85}", "\u{2028}", "\0",
            ]),
            0..40,
        ),
    ) {
        check(&pieces.concat());
    }

    #[test]
    fn mutated_pipelines(
        at in any::<prop::sample::Index>(),
        length in 0_usize..12,
        piece in prop::sample::select(vec!["", ":", "\n", "\t", "  ", "é", "[", "}", "\"", "|\n", "*x ", "&x ", "!t "]),
    ) {
        let start = PIPELINE.floor_char_boundary(at.index(PIPELINE.len()));
        let end = PIPELINE.floor_char_boundary((start + length).min(PIPELINE.len())).max(start);
        check(&format!("{}{piece}{}", &PIPELINE[..start], &PIPELINE[end..]));
        check(&PIPELINE[..start]);
    }
}

#[test]
fn the_files_of_the_repository_are_good() {
    fn visit(folder: &Path) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                visit(&path);
            } else if path
                .extension()
                .is_some_and(|extension| extension == "yaml")
            {
                let text = std::fs::read_to_string(&path).unwrap();
                if let Err(problems) = parse(&text, SOURCE) {
                    panic!("{}: {problems:#?}", path.display());
                }
                check(&text);
            }
        }
    }
    visit(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../pipelines"));
    assert!(parse(PIPELINE, SOURCE).is_ok());
}
