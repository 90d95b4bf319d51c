//! Prompts by a grammar, at once.

use std::collections::HashSet;

use super::Params;
use super::measure::Length;
use crate::prompt_rules::{mentions, normalised};
use crate::roles::Grammar;
use ccsr_stage::StageError;

/// Prompts in a row that are of no use before the writer is taken to have no more to say.
const PATIENCE: usize = 1000;

/// Writes about one class; `seen` holds what must not be repeated.
pub(super) fn prompts(
    grammar: &dyn Grammar,
    params: &Params,
    length: &Length,
    class: &str,
    seed: u64,
    seen: &mut HashSet<String>,
) -> Result<Vec<String>, StageError> {
    let wanted = params.count as usize;
    let mut prompts = Vec::new();
    let mut misses = 0;
    for ordinal in 0.. {
        // The more was said, the rarer is what is new; after this long, it is taken that there
        // is nothing. That `count` plays no part keeps a smaller one's prompts in a larger's.
        if prompts.len() == wanted || misses > PATIENCE + 4 * seen.len() {
            break;
        }
        let prompt = grammar.write(class, params.style, ordinal, seed);
        let fits = mentions(&prompt, class) && length.fits(&prompt)?;
        if fits && seen.insert(normalised(&prompt)) {
            prompts.push(prompt);
            misses = 0;
        } else {
            misses += 1;
        }
    }
    Ok(prompts)
}
