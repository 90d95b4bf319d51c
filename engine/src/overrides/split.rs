//! Splitting `1,2,3` into values: at commas that stand in no quotes and no brackets.

use std::ops::Range;

/// The values of a text; one, if there is nothing to split.
pub(super) fn at_commas(text: &str) -> Vec<Range<usize>> {
    let mut values = Vec::new();
    let (mut start, mut depth) = (0, 0);
    // Quotes and brackets mean something at the beginning of a value only: `it's` has none.
    let mut begins = true;
    let mut rest = text.char_indices().peekable();
    while let Some((at, character)) = rest.next() {
        match character {
            ',' if depth == 0 => {
                values.push(start..at);
                start = at + 1;
                begins = true;
            }
            '"' | '\'' if begins => {
                begins = false;
                while let Some((_, inside)) = rest.next() {
                    if inside == '\\' && character == '"' {
                        rest.next();
                    } else if inside == character {
                        let doubled = |next: &(usize, char)| next.1 == '\'';
                        if character == '"' || rest.next_if(doubled).is_none() {
                            break;
                        }
                    }
                }
            }
            '[' | '{' if begins => depth += 1,
            ']' | '}' if depth > 0 => {
                depth -= 1;
                begins = false;
            }
            ',' | ':' if depth > 0 => begins = true,
            other if other.is_whitespace() => {}
            _ => begins = false,
        }
    }
    values.push(start..text.len());
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_in_quotes_and_brackets_part_nothing() {
        for (text, values) in [
            ("", &[""] as &[&str]),
            ("1", &["1"]),
            ("1,2, 3", &["1", "2", " 3"]),
            ("a b,c", &["a b", "c"]),
            ("[1, 2]", &["[1, 2]"]),
            ("[1, 2],[3]", &["[1, 2]", "[3]"]),
            ("{a: [1, 2], b: 3}", &["{a: [1, 2], b: 3}"]),
            ("\"1,2\"", &["\"1,2\""]),
            ("\"a\\\",b\",c", &["\"a\\\",b\"", "c"]),
            ("'it''s, so', b", &["'it''s, so'", " b"]),
            ("it's, so", &["it's", " so"]),
            ("[it's, 'a, ]b'],c", &["[it's, 'a, ]b']", "c"]),
            ("{a: 'x, }y'},c", &["{a: 'x, }y'}", "c"]),
            ("a[0],b", &["a[0]", "b"]),
            ("[1, 2", &["[1, 2"]),
            (",", &["", ""]),
        ] {
            let found: Vec<_> = at_commas(text).into_iter().map(|at| &text[at]).collect();
            assert_eq!(found, values, "{text}");
        }
    }
}
