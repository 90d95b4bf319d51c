//! A tokenizer, however it was stored.

use crate::special_ids::SpecialIds;
use crate::{StreamingDecoder, TokenizerError};

/// Text to tokens and back.
///
/// [`Tokenizer::open`] reads one from a folder, [`Tokenizer::of_gguf`] from a GGUF file.
#[derive(Debug)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    /// One more than the highest number.
    size: usize,
    special: SpecialIds,
}

impl Tokenizer {
    pub(crate) fn new(inner: tokenizers::Tokenizer, special: SpecialIds) -> Self {
        let highest = inner.get_vocab(true).into_values().max();
        Self {
            size: highest.map_or(0, |id| id as usize + 1),
            inner,
            special,
        }
    }

    /// The tokens of a text. Special tokens written in it are taken as such. With `add_special`, it is
    /// begun and ended as the checkpoint says; chat templates write that themselves and want `false`.
    pub fn encode(&self, text: &str, add_special: bool) -> Result<Vec<u32>, TokenizerError> {
        let encoding = self.inner.encode_fast(text, add_special);
        let encoding = encoding.map_err(|error| TokenizerError::Text(error.to_string()))?;
        Ok(encoding.get_ids().to_vec())
    }

    /// The text of tokens, `skip_special` leaves special ones out. Bytes that are no UTF-8 become `�`.
    pub fn decode(&self, ids: &[u32], skip_special: bool) -> Result<String, TokenizerError> {
        for id in ids {
            self.known(*id)?;
        }
        let text = self.inner.decode(ids, skip_special);
        text.map_err(|error| TokenizerError::Text(error.to_string()))
    }

    /// Gives text while tokens arrive one by one.
    pub fn streaming_decoder(&self, skip_special: bool) -> StreamingDecoder<'_> {
        StreamingDecoder::new(self, skip_special)
    }

    /// The token of a number, if there is one.
    pub(crate) fn known(&self, id: u32) -> Result<String, TokenizerError> {
        self.id_to_token(id).ok_or(TokenizerError::UnknownId {
            id,
            size: self.size,
        })
    }

    /// Whether a token is special: left out on request when tokens become text.
    pub fn is_special(&self, id: u32) -> bool {
        let added = self.inner.get_added_vocabulary();
        self.id_to_token(id)
            .is_some_and(|token| added.is_special_token(&token))
    }

    /// How many tokens there are: one more than the highest number.
    pub const fn vocabulary_size(&self) -> usize {
        self.size
    }

    /// The number of a token as the vocabulary spells it: `▁the`, `Ġthe`, `</s>`.
    pub fn token_to_id(&self, token: &str) -> Option<u32> {
        self.inner.token_to_id(token)
    }

    /// The token of a number, as the vocabulary spells it.
    pub fn id_to_token(&self, id: u32) -> Option<String> {
        self.inner.id_to_token(id)
    }

    /// The token that begins texts, if the model has one.
    pub const fn bos(&self) -> Option<u32> {
        self.special.bos
    }

    /// The tokens any of which ends what a model writes.
    pub fn eos(&self) -> &[u32] {
        &self.special.eos
    }

    /// The token that fills short texts up, if the model has one.
    pub const fn pad(&self) -> Option<u32> {
        self.special.pad
    }

    /// Fails if there are tokens for which weights with so many rows have no embedding. Weights may have more
    /// rows than there are tokens; many are filled up.
    pub fn fits(&self, rows: usize) -> Result<(), TokenizerError> {
        if self.size <= rows {
            return Ok(());
        }
        let id = (self.size - 1) as u32;
        Err(TokenizerError::DoesNotFit {
            token: self.id_to_token(id).unwrap_or_default(),
            id,
            rows,
        })
    }
}
