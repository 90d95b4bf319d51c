//! Text while tokens arrive.

use crate::{Tokenizer, TokenizerError};

/// Gives the text of tokens that arrive one by one, as early as it is certain. All that it gives, put
/// together, is what [`Tokenizer::decode`] makes of all tokens.
///
/// A character may be spread over several tokens, so some tokens give nothing yet. A vocabulary that spells rare
/// characters in bytes makes each byte of a broken run a `�`; such a run is held back until it ends.
#[derive(Debug)]
pub struct StreamingDecoder<'a> {
    tokenizer: &'a Tokenizer,
    skip_special: bool,
    /// The tokens that gave text last, for what depends on the token before, and those held back.
    ids: Vec<u32>,
    /// How many of `ids` have given their text.
    given: usize,
}

impl<'a> StreamingDecoder<'a> {
    pub(crate) const fn new(tokenizer: &'a Tokenizer, skip_special: bool) -> Self {
        Self {
            tokenizer,
            skip_special,
            ids: Vec::new(),
            given: 0,
        }
    }

    /// Takes a token, and gives the text that is certain with it; it may be empty.
    pub fn push(&mut self, id: u32) -> Result<String, TokenizerError> {
        let token = self.tokenizer.known(id)?;
        if self.skip_special && self.tokenizer.is_special(id) {
            return Ok(String::new());
        }
        self.ids.push(id);
        if is_byte(&token) {
            return Ok(String::new());
        }
        let (before, now) = (self.text(self.given)?, self.text(self.ids.len())?);
        // A character that is not whole yet reads as `�`, too.
        if now.ends_with('\u{FFFD}') || now.len() <= before.len() {
            return Ok(String::new());
        }
        self.ids.drain(..self.given);
        self.given = self.ids.len();
        Ok(rest(&now, &before))
    }

    /// The text that was held back, when no more tokens come.
    pub fn finish(self) -> Result<String, TokenizerError> {
        let (before, now) = (self.text(self.given)?, self.text(self.ids.len())?);
        Ok(rest(&now, &before))
    }

    fn text(&self, count: usize) -> Result<String, TokenizerError> {
        self.tokenizer.decode(&self.ids[..count], self.skip_special)
    }
}

/// What `now` has beyond `before`, which it begins with.
fn rest(now: &str, before: &str) -> String {
    now.get(before.len()..).unwrap_or_default().to_owned()
}

/// Whether a token stands for one byte: `<0x0A>`.
fn is_byte(token: &str) -> bool {
    let digits = token
        .strip_prefix("<0x")
        .and_then(|rest| rest.strip_suffix('>'));
    digits.is_some_and(|digits| digits.len() == 2 && u8::from_str_radix(digits, 16).is_ok())
}
