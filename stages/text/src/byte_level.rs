//! Byte-level BPE as GGUF files describe it: a vocabulary, merges, and a name for how texts are split
//! before.
//!
//! The names and what they mean are llama.cpp's (`tokenizer.ggml.pre`).

use tokenizers::models::bpe::{BPE, Vocab};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::sequence::Sequence as PreTokenizers;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{PreTokenizerWrapper, SplitDelimiterBehavior, Tokenizer};

use crate::pieces::{Piece, add_wholes};

/// Contractions, words, numbers, the rest; a space belongs to what follows.
const GPT_2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
/// As GPT-2, but numbers in groups of up to three, and line breaks with the signs before them.
const LLAMA_3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// As Llama 3, but single digits.
const QWEN_2: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// How texts are split into words before they are merged.
#[derive(Clone, Copy)]
pub(crate) struct Splitting {
    /// One after the other, each within what the ones before have left.
    patterns: &'static [&'static str],
    /// Whether a word that is a token as a whole is taken as such, whatever the merges make of it.
    ignore_merges: bool,
    /// Whether texts begin with the token for it, unless the file says otherwise.
    pub(crate) adds_bos: bool,
}

/// The names that are known.
pub(crate) const SPLITTINGS: &str =
    "of `tokenizer.ggml.pre`, `default`, `gpt-2`, `llama-bpe`, `qwen2` and `smollm` are";

impl Splitting {
    /// How llama.cpp splits under this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let of = |patterns, whole_words| Self {
            patterns,
            ignore_merges: whole_words,
            adds_bos: whole_words,
        };
        Some(match name {
            "default" => of(
                &[r"[\p{P}\$\+<=>\^~\|]+", GPT_2, r"\p{N}+", "[0-9][0-9][0-9]"],
                false,
            ),
            "gpt-2" => of(&[GPT_2], false),
            "llama-bpe" | "llama3" | "llama-v3" => of(&[LLAMA_3], true),
            "qwen2" => of(&[QWEN_2], false),
            "smollm" => of(&[r"\p{N}", GPT_2], false),
            _ => return None,
        })
    }
}

/// The tokenizer of these tokens; each token's number is its place. Scores mean nothing.
pub(crate) fn tokenizer(
    tokens: &[Piece],
    merges: &[String],
    splitting: Splitting,
) -> Result<Tokenizer, String> {
    let mut vocabulary = Vocab::with_capacity(tokens.len());
    for (number, token) in (0_u32..).zip(tokens) {
        if vocabulary.insert(token.text.clone(), number).is_some() {
            return Err(format!("the token {:?} stands there twice", token.text));
        }
    }
    let merges = merges.iter().map(|merge| {
        let parts = merge.split_once(' ');
        let parts = parts.map(|(left, right)| (left.to_owned(), right.to_owned()));
        parts.ok_or_else(|| format!("the merge {merge:?} is no two tokens"))
    });
    let bpe = BPE::builder()
        .vocab_and_merges(vocabulary, merges.collect::<Result<Vec<_>, _>>()?)
        .ignore_merges(splitting.ignore_merges)
        .build()
        .map_err(|error| error.to_string())?;
    let mut tokenizer = Tokenizer::new(bpe);
    let mut steps: Vec<PreTokenizerWrapper> = Vec::new();
    for pattern in splitting.patterns {
        let pattern = SplitPattern::Regex((*pattern).to_owned());
        let split = Split::new(pattern, SplitDelimiterBehavior::Isolated, false);
        steps.push(split.map_err(|error| error.to_string())?.into());
    }
    steps.push(ByteLevel::new(false, false, false).into());
    tokenizer.with_pre_tokenizer(Some(PreTokenizers::new(steps)));
    tokenizer.with_decoder(Some(ByteLevel::new(false, false, false)));
    add_wholes(&mut tokenizer, tokens);
    Ok(tokenizer)
}
