//! Tokenizers from GGUF files.

use ccsr_gguf::Gguf;

use crate::byte_level::{self, SPLITTINGS, Splitting};
use crate::pieces::{self, Kind, Piece, Prefix};
use crate::special_ids::{SpecialIds, checked, frame};
use crate::{Tokenizer, TokenizerError};

/// What is supported.
const MODELS: &str = "of `tokenizer.ggml.model`, `gpt2` and `llama` are";

impl Tokenizer {
    /// The tokenizer of a GGUF file: what `tokenizer.ggml.model` calls `gpt2` (byte-level BPE) or `llama`
    /// (SentencePiece). Texts become the tokens that llama.cpp makes of them.
    pub fn of_gguf(gguf: &Gguf) -> Result<Self, TokenizerError> {
        let damaged = |why| TokenizerError::File {
            path: gguf.path().to_owned(),
            why,
        };
        let unsupported = |found, supported| TokenizerError::Unsupported {
            path: gguf.path().to_owned(),
            found,
            supported,
        };
        let (mut inner, adds_bos) = match gguf.get("tokenizer.ggml.model")? {
            "gpt2" => {
                let name = gguf.find("tokenizer.ggml.pre")?.unwrap_or("default");
                let splitting = Splitting::named(name).ok_or_else(|| {
                    unsupported(format!("`tokenizer.ggml.pre` {name:?}"), SPLITTINGS)
                })?;
                let merges: &[String] = gguf.get("tokenizer.ggml.merges")?;
                let inner = byte_level::tokenizer(&vocabulary(gguf, false)?, merges, splitting);
                (inner.map_err(damaged)?, splitting.adds_bos)
            }
            "llama" => {
                let prefix = match gguf.find("tokenizer.ggml.add_space_prefix")? {
                    Some(false) => Prefix::Never,
                    _ => Prefix::EachText,
                };
                let inner = pieces::tokenizer(&vocabulary(gguf, true)?, prefix);
                (inner.map_err(damaged)?, true)
            }
            other => {
                return Err(unsupported(
                    format!("`tokenizer.ggml.model` {other:?}"),
                    MODELS,
                ));
            }
        };
        let id = |role, key| match gguf.find::<u32>(key)? {
            Some(id) => checked(&inner, gguf.path(), role, id.into()).map(Some),
            None => Ok(None),
        };
        let bos = id("bos", "tokenizer.ggml.bos_token_id")?;
        let pad = id("pad", "tokenizer.ggml.padding_token_id")?;
        let eos = id("eos", "tokenizer.ggml.eos_token_id")?;
        let eot = id("eot", "tokenizer.ggml.eot_token_id")?.filter(|eot| Some(*eot) != eos);
        let adds_bos = gguf
            .find("tokenizer.ggml.add_bos_token")?
            .unwrap_or(adds_bos);
        let adds_eos = gguf.find("tokenizer.ggml.add_eos_token")?.unwrap_or(false);
        frame(
            &mut inner,
            bos.filter(|_| adds_bos),
            eos.filter(|_| adds_eos),
        )?;
        let eos = eos.into_iter().chain(eot).collect();
        Ok(Self::new(inner, SpecialIds { bos, eos, pad }))
    }
}

/// All tokens, with scores or without.
fn vocabulary(gguf: &Gguf, scored: bool) -> Result<Vec<Piece>, TokenizerError> {
    let tokens: &[String] = gguf.get("tokenizer.ggml.tokens")?;
    let scores: Option<&[f32]> = if scored {
        Some(gguf.get("tokenizer.ggml.scores")?)
    } else {
        None
    };
    let kinds: Option<&[i32]> = gguf.find("tokenizer.ggml.token_type")?;
    let damaged = |why: String| TokenizerError::File {
        path: gguf.path().to_owned(),
        why,
    };
    for (what, length) in [
        ("scores", scores.map(<[f32]>::len)),
        ("types", kinds.map(<[i32]>::len)),
    ] {
        if let Some(length) = length.filter(|length| *length != tokens.len()) {
            return Err(damaged(format!(
                "{} tokens have {length} {what}",
                tokens.len()
            )));
        }
    }
    let piece = |(place, text): (usize, &String)| {
        let number = kinds.map_or(1, |kinds| kinds[place]);
        let kind = Kind::numbered(number.into());
        Ok(Piece {
            text: text.clone(),
            score: scores.map_or(0.0, |scores| scores[place]),
            kind: kind.ok_or_else(|| {
                damaged(format!("token {text:?} is of the unknown type {number}"))
            })?,
        })
    };
    tokens.iter().enumerate().map(piece).collect()
}
