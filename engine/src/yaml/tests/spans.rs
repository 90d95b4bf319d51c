//! Where each part of the tree says it was written.

use super::*;

/// Every value and what its span covers, depth first; names with `:` after them.
fn covered(text: &str) -> Vec<String> {
    fn walk(text: &str, node: &Node, out: &mut Vec<String>) {
        let slice = |span: ccsr_stage::params::Span| {
            text[span.start as usize..span.end as usize].to_owned()
        };
        out.push(slice(node.span));
        match &node.kind {
            NodeKind::List(elements) => {
                for element in elements {
                    walk(text, element, out);
                }
            }
            NodeKind::Map(entries) => {
                for entry in entries {
                    out.push(slice(entry.key_span) + ":");
                    walk(text, &entry.value, out);
                }
            }
            _ => {}
        }
    }
    let mut out = Vec::new();
    walk(text, &parse(text, SOURCE).unwrap(), &mut out);
    out
}

#[test]
fn scalars_with_their_quotes() {
    let text = "# größer ✓\n\"ä\" : 'ö' # ü\nb:  \"é\\n\"   \nc: plain\n  text # c\nd: 1.5\n";
    let map = "\"ä\" : 'ö' # ü\nb:  \"é\\n\"   \nc: plain\n  text # c\nd: 1.5";
    assert_eq!(
        covered(text),
        [
            map,
            "\"ä\":",
            "'ö'",
            "b:",
            "\"é\\n\"",
            "c:",
            "plain\n  text",
            "d:",
            "1.5"
        ]
    );
}

#[test]
fn block_scalars_with_their_header() {
    let text = "\"a | # é\": &x !!str |2- # c |\n\n   ö\n\n# c\nb: >\n  x\n  y\n\n\nc: |\nd:\n- |\n\n- >-\n  z";
    let all = text;
    let list = "- |\n\n- >-\n  z";
    assert_eq!(
        covered(text),
        [
            all,
            "\"a | # é\":",
            "|2- # c |\n\n   ö",
            "b:",
            ">\n  x\n  y",
            "c:",
            "|",
            "d:",
            list,
            "|",
            ">-\n  z"
        ]
    );
}

#[test]
fn lists_and_maps() {
    let text = "é:\n  - 1\n  - x: [ {a: 1}, 2 ]  # c\n    y:\n\nz: !!map { }\n";
    assert_eq!(
        covered(text),
        [
            "é:\n  - 1\n  - x: [ {a: 1}, 2 ]  # c\n    y:\n\nz: !!map { }",
            "é:",
            "- 1\n  - x: [ {a: 1}, 2 ]  # c\n    y:",
            "1",
            "x: [ {a: 1}, 2 ]  # c\n    y:",
            "x:",
            "[ {a: 1}, 2 ]",
            "{a: 1}",
            "a:",
            "1",
            "2",
            "y:",
            "",
            "z:",
            "{ }"
        ]
    );
}

#[test]
fn lists_that_are_not_indented_and_values_that_are_missing() {
    let text = "a: !!seq # - c\n# - d\n- é\n- - x\nb:\n-\nc :\n";
    let list = "- é\n- - x";
    assert_eq!(
        covered(text),
        [
            text.trim_end(),
            "a:",
            list,
            "é",
            "- x",
            "x",
            "b:",
            "-",
            "",
            "c:",
            ""
        ]
    );
    let node = parse("name :  \nb: 1", SOURCE).unwrap();
    assert_eq!(node.get("name").unwrap().span.start, 6);
}
