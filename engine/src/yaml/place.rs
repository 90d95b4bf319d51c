//! Places that the parser gives otherwise than people see them.

use std::ops::Range;

/// A block scalar with its `|` or `>`: the parser starts at the content, `before` is where what
/// precedes the scalar ends. Empty lines at the end are left out.
pub(super) fn block_scalar(text: &str, before: usize, content: Range<usize>) -> Range<usize> {
    let ahead = text.get(before..content.start).unwrap_or_default();
    let line = ahead.trim_end();
    let line_start = line.rfind('\n').map_or(0, |newline| newline + 1);
    let header = line[line_start..]
        .char_indices()
        .filter(|(_, character)| matches!(character, '|' | '>'))
        .map(|(at, _)| line_start + at)
        .find(|at| is_header(ahead, *at));
    let start = header.map_or(content.start, |at| before + at);
    let end = start
        + text
            .get(start..content.end)
            .unwrap_or_default()
            .trim_end()
            .len();
    start..end
}

/// The start of a block list: the parser starts at the first element where the dash is not
/// indented, `before` is where what precedes the list ends.
pub(super) fn block_list(text: &str, before: usize, start: usize) -> usize {
    let ahead = text.get(before..start).unwrap_or_default();
    let mut line_end = before;
    let starts = ahead.split_inclusive('\n').filter_map(|line| {
        let line_start = line_end;
        line_end += line.len();
        let words = line.trim_start();
        let dash =
            words.strip_prefix('-')?.is_empty() || words[1..].starts_with(char::is_whitespace);
        dash.then_some(line_start + (line.len() - words.len()))
    });
    starts.last().unwrap_or(start)
}

/// Where a value is that was not written: behind the colon, if there is one.
pub(super) fn missing_value(text: &str, at: usize) -> usize {
    let ahead = text[at..].trim_start_matches([' ', '\t']);
    if ahead.starts_with(':') {
        text.len() - ahead.len() + 1
    } else {
        at
    }
}

/// Whether the `|` or `>` at `at` begins a block scalar: a word of its own, nothing but a comment after it.
fn is_header(text: &str, at: usize) -> bool {
    let alone = text[..at]
        .chars()
        .next_back()
        .is_none_or(char::is_whitespace);
    let line = text[at + 1..].lines().next().unwrap_or_default();
    let rest =
        line.trim_start_matches(['+', '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9']);
    let comment = rest.starts_with([' ', '\t']) && rest.trim_start().starts_with('#');
    alone && (rest.trim().is_empty() || comment)
}
