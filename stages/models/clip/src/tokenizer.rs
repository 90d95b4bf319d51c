//! Text into tokens: the byte-level BPE of CLIP, through the `tokenizers` crate.
//!
//! A checkpoint's folder says it by `vocab.json` and `merges.txt`. Text is cleaned as
//! `transformers` does it: composed (NFC), white space to single blanks, lower case.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use tokenizers::models::bpe::BPE;
use tokenizers::normalizers::replace::ReplacePattern;
use tokenizers::normalizers::{Lowercase, NFC, Replace, Sequence};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::sequence::Sequence as PreTokenizers;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{AddedToken, NormalizerWrapper, PreTokenizerWrapper, SplitDelimiterBehavior};

use crate::clean::clean;

/// What ends a word in the vocabulary.
pub(crate) const END_OF_WORD: &str = "</w>";
pub(crate) const START: &str = "<|startoftext|>";
pub(crate) const END: &str = "<|endoftext|>";
/// Words, as OpenAI splits them: special tokens, contractions, letters, single digits, the rest.
const WORDS: &str =
    r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+";

/// Why a tokenizer cannot be made, or a text not be tokenised.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenizeError {
    /// A file is missing or cannot be read.
    #[error("cannot read `{}`: {why}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// The vocabulary lacks a token that every text has.
    #[error("the vocabulary `{}` has no token `{token}`; it is not CLIP's", path.display())]
    NoToken {
        /// The file.
        path: PathBuf,
        /// The token.
        token: String,
    },
    /// The text cannot be tokenised.
    #[error("cannot tokenise a text: {0}")]
    Text(String),
}

/// Decoded tokens as people read them.
fn words_of(decoded: &str) -> String {
    let words = decoded.replace(END_OF_WORD, " ");
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What short texts are filled up with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Padding {
    /// The token that the checkpoint says: `!` (0) for Stable Diffusion 2, the end elsewhere.
    Checkpoint,
    /// 0, as OpenAI's own code does it.
    Zero,
}

/// What is done to a text before it is split into words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cleaning {
    /// As `transformers` does: composed, white space to single blanks, lower case.
    #[default]
    Plain,
    /// As OpenAI's own code does: entities of HTML, curly quotes, ligatures, wide letters before that.
    OpenAi,
}

/// The tokens of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tokens {
    /// Exactly as many as a tower reads, with start, end and padding.
    pub ids: Vec<i64>,
    /// What did not fit, as text; empty if all did.
    pub cut: String,
}

/// CLIP's tokenizer.
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    start: u32,
    end: u32,
    padding: u32,
    length: usize,
    cleaning: Cleaning,
}

/// `special_tokens_map.json`, as far as it matters: a token by its name, or with more about it.
#[derive(Deserialize)]
struct SpecialTokens {
    pad_token: Option<SpecialToken>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum SpecialToken {
    Name(String),
    More { content: String },
}

impl SpecialToken {
    fn name(self) -> String {
        match self {
            Self::Name(name) | Self::More { content: name } => name,
        }
    }
}

/// A tokenizer that cleans texts, and splits them into words and bytes, before the model sees them.
pub(crate) fn pipeline(bpe: BPE) -> Result<tokenizers::Tokenizer, TokenizeError> {
    let other = |error: tokenizers::Error| TokenizeError::Text(error.to_string());
    let mut inner = tokenizers::Tokenizer::new(bpe);
    let blanks = Replace::new(ReplacePattern::Regex(r"\s+".to_owned()), " ").map_err(other)?;
    let normalizers: Vec<NormalizerWrapper> = vec![NFC.into(), blanks.into(), Lowercase.into()];
    inner.with_normalizer(Some(Sequence::new(normalizers)));
    let words = SplitPattern::Regex(WORDS.to_owned());
    let words = Split::new(words, SplitDelimiterBehavior::Removed, true).map_err(other)?;
    let bytes = ByteLevel::new(false, true, false);
    let parts: Vec<PreTokenizerWrapper> = vec![words.into(), bytes.into()];
    inner.with_pre_tokenizer(Some(PreTokenizers::new(parts)));
    Ok(inner)
}

impl Tokenizer {
    /// The tokenizer of a folder: `vocab.json`, `merges.txt`, and what `special_tokens_map.json` says of
    /// padding. `length` is how many tokens a text has: 77.
    pub fn open(folder: &Path, length: usize) -> Result<Self, TokenizeError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |error: &dyn std::fmt::Display| TokenizeError::File {
                path: path.clone(),
                why: error.to_string(),
            }
        };
        let (vocabulary, merges) = (folder.join("vocab.json"), folder.join("merges.txt"));
        for path in [&vocabulary, &merges] {
            std::fs::metadata(path).map_err(|error| failed(path)(&error))?;
        }
        let bpe = BPE::from_file(&vocabulary.to_string_lossy(), &merges.to_string_lossy())
            .end_of_word_suffix(END_OF_WORD.to_owned())
            .unk_token(END.to_owned())
            .build()
            .map_err(|error| failed(&vocabulary)(&error))?;
        let map = folder.join("special_tokens_map.json");
        let padding = match std::fs::read(&map) {
            Err(_) => None,
            Ok(bytes) => {
                let read: SpecialTokens =
                    serde_json::from_slice(&bytes).map_err(|error| failed(&map)(&error))?;
                read.pad_token.map(SpecialToken::name)
            }
        };
        Self::build(bpe, padding, length, &vocabulary)
    }

    fn build(
        bpe: BPE,
        padding: Option<String>,
        length: usize,
        path: &Path,
    ) -> Result<Self, TokenizeError> {
        let mut inner = pipeline(bpe)?;
        let padding = padding.unwrap_or_else(|| END.to_owned());
        let mut special = vec![START.to_owned(), END.to_owned()];
        if padding != END {
            // So the padding is found inside of texts, too: a `!` is that token then, not a word.
            special.push(padding.clone());
        }
        let special: Vec<_> = special
            .into_iter()
            .map(|name| AddedToken::from(name, true))
            .collect();
        inner.add_special_tokens(&special);
        let id = |token: &str| {
            inner
                .token_to_id(token)
                .ok_or_else(|| TokenizeError::NoToken {
                    path: path.to_owned(),
                    token: token.to_owned(),
                })
        };
        let (start, end, padding) = (id(START)?, id(END)?, id(&padding)?);
        Ok(Self {
            inner,
            start,
            end,
            padding,
            length,
            cleaning: Cleaning::default(),
        })
    }

    /// The same tokenizer, which cleans texts so.
    #[must_use]
    pub fn with_cleaning(self, cleaning: Cleaning) -> Self {
        Self { cleaning, ..self }
    }

    /// The tokens of a text: start, as many words as fit, end, padding.
    pub fn tokenise(&self, text: &str, padding: Padding) -> Result<Tokens, TokenizeError> {
        let failed = |error: tokenizers::Error| TokenizeError::Text(error.to_string());
        let words = self.encode(text)?;
        let (words, room) = (words.get_ids(), self.length - 2);
        let (kept, cut) = words.split_at(words.len().min(room));
        let cut = self.inner.decode(cut, false).map_err(failed)?;
        let padding = match padding {
            Padding::Checkpoint => self.padding,
            Padding::Zero => 0,
        };
        let ids = std::iter::once(self.start)
            .chain(kept.iter().copied())
            .chain([self.end]);
        let ids = ids.chain(std::iter::repeat(padding)).take(self.length);
        Ok(Tokens {
            ids: ids.map(i64::from).collect(),
            cut: words_of(&cut),
        })
    }

    /// How many tokens a text would have if nothing was cut, with start and end and without padding.
    pub fn count(&self, text: &str) -> Result<usize, TokenizeError> {
        Ok(self.encode(text)?.len() + 2)
    }

    /// The words of a text as tokens, all of them.
    fn encode(&self, text: &str) -> Result<tokenizers::Encoding, TokenizeError> {
        let text = match self.cleaning {
            Cleaning::Plain => Cow::from(text),
            Cleaning::OpenAi => Cow::from(clean(text)),
        };
        let encoded = self.inner.encode(&*text, false);
        encoded.map_err(|error| TokenizeError::Text(error.to_string()))
    }

    /// How many tokens a text has.
    pub const fn length(&self) -> usize {
        self.length
    }

    /// Every token with its number.
    pub fn vocabulary(&self) -> BTreeMap<String, u32> {
        self.inner.get_vocab(true).into_iter().collect()
    }
}
