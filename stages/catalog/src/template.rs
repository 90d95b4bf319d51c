//! Texts with `{placeholders}`. `{{` and `}}` stand for the braces themselves.

use ccsr_stage::StageError;
use ccsr_stage::params::nearest;

/// A piece of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// Text as it is.
    Text(&'a str),
    /// A placeholder's name.
    Slot(&'a str),
}

/// The pieces of a template.
///
/// # Errors
/// A sentence about a brace without its partner.
pub(crate) fn pieces(template: &str) -> Result<Vec<Piece<'_>>, String> {
    let mut pieces = Vec::new();
    let mut rest = template;
    while let Some(at) = rest.find(['{', '}']) {
        if at > 0 {
            pieces.push(Piece::Text(&rest[..at]));
        }
        let tail = &rest[at..];
        if tail.starts_with("{{") || tail.starts_with("}}") {
            pieces.push(Piece::Text(&tail[..1]));
            rest = &tail[2..];
        } else if let Some(end) = tail.find('}').filter(|_| tail.starts_with('{')) {
            pieces.push(Piece::Slot(tail[1..end].trim()));
            rest = &tail[end + 1..];
        } else {
            return Err(format!(
                "`{}` has no partner; write `{{{{` or `}}}}` for a brace itself",
                &tail[..1]
            ));
        }
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest));
    }
    Ok(pieces)
}

/// That a template's placeholders are all among `known`.
///
/// # Errors
/// A sentence that names the nearest.
pub(crate) fn check(template: &str, known: &[&str]) -> Result<(), String> {
    for piece in pieces(template)? {
        if let Piece::Slot(name) = piece
            && !known.contains(&name)
        {
            let names: Vec<String> = known.iter().map(|name| format!("`{{{name}}}`")).collect();
            let hint = nearest(name, known.iter().copied())
                .map_or_else(String::new, |near| format!("; did you mean `{{{near}}}`?"));
            return Err(format!(
                "`{{{name}}}` stands for nothing; there are {}{hint}",
                names.join(", ")
            ));
        }
    }
    Ok(())
}

/// The template with its placeholders filled in.
///
/// # Errors
/// What `fill` said about a placeholder, or a sentence about a brace without its partner.
pub(crate) fn render<'t, 'v>(
    template: &'t str,
    mut fill: impl FnMut(&'t str) -> Result<&'v str, StageError>,
) -> Result<String, StageError> {
    let mut text = String::with_capacity(template.len() * 2);
    for piece in pieces(template).map_err(StageError::Input)? {
        match piece {
            Piece::Text(piece) => text.push_str(piece),
            Piece::Slot(name) => text.push_str(fill(name)?),
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_filled_in_and_braces_escaped() {
        let filled = |text: &'static str| render(text, Ok).map_err(|error| error.to_string());
        assert_eq!(filled("a {b} {{c}} { d }"), Ok("a b {c} d".to_owned()));
        assert!(
            filled("a {b")
                .unwrap_err()
                .starts_with("`{` has no partner")
        );
        assert!(
            filled("a } b")
                .unwrap_err()
                .starts_with("`}` has no partner")
        );
        assert!(check("{class}", &["class"]).is_ok());
    }
}
