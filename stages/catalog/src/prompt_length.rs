//! What is said of a text that is longer than a model reads.

use ccsr_clip::Tokens;

use crate::row_id::shortened;

/// A sentence about what was cut off a text, if anything was.
pub(crate) fn note_of_cut(text: &str, tokens: &Tokens) -> Option<String> {
    let (read, text, cut) = (tokens.ids.len(), shortened(text), shortened(&tokens.cut));
    (!cut.is_empty()).then(|| {
        format!("\"{text}\" is longer than the {read} tokens that the model reads; it does not see \"{cut}\"")
    })
}
