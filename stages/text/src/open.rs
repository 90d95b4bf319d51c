//! Tokenizers from a checkpoint's folder.

use std::path::Path;
use std::{fs, panic};

use tokenizers::models::ModelWrapper;

use crate::configuration::{Configuration, Numbers, TokenizerConfig};
use crate::pieces::{self, Prefix};
use crate::sentencepiece::{self, Refusal};
use crate::special_ids::{SpecialIds, frame};
use crate::{Tokenizer, TokenizerError};

/// What is supported of files of the `tokenizers` library.
const MODELS: &str = "of `tokenizer.json`, models of type BPE are";
/// What is supported of SentencePiece.
const SENTENCEPIECES: &str = "of SentencePiece, BPE without normalisation and with `▁` for spaces is; \
                              `tokenizer.json` is read, too";

impl Tokenizer {
    /// The tokenizer of a folder: `tokenizer.json`, or else the SentencePiece model `tokenizer.model`. Which
    /// tokens are special is read from `tokenizer_config.json` and `special_tokens_map.json`; which ones end
    /// what a model writes from `generation_config.json` and `config.json` first.
    pub fn open(folder: &Path) -> Result<Self, TokenizerError> {
        let configuration = Configuration::read(folder)?;
        let config = &configuration.tokenizer;
        let (fast, slow) = (
            folder.join("tokenizer.json"),
            folder.join("tokenizer.model"),
        );
        let (mut inner, of_model) = if fast.is_file() {
            (read_fast(&fast)?, None)
        } else if slow.is_file() {
            let (inner, special) = read_slow(&slow, config)?;
            (inner, Some((slow, Numbers::new(special))))
        } else {
            return Err(TokenizerError::NoTokenizer {
                folder: folder.to_owned(),
            });
        };
        add_tokens(&mut inner, &configuration)?;
        let special = SpecialIds::of_folder(&inner, &configuration, of_model.as_ref())?;
        // A file of the `tokenizers` library says itself how texts begin and end, and transformers believes it.
        if of_model.is_some() {
            let bos = special.bos.filter(|_| config.add_bos_token.unwrap_or(true));
            let own = config.special.eos_token.as_ref();
            let own = own.and_then(|token| inner.token_to_id(token.text()));
            let eos = own.or(special.eos.first().copied());
            let eos = eos.filter(|_| config.add_eos_token.unwrap_or(false));
            frame(&mut inner, bos, eos)?;
        }
        Ok(Self::new(inner, special))
    }
}

/// `tokenizer.json`.
fn read_fast(path: &Path) -> Result<tokenizers::Tokenizer, TokenizerError> {
    let failed = |why: String| TokenizerError::File {
        path: path.to_owned(),
        why,
    };
    let bytes = fs::read(path).map_err(|error| failed(error.to_string()))?;
    // The library panics about some files that are JSON, but no tokenizer.
    let read = panic::catch_unwind(|| tokenizers::Tokenizer::from_bytes(bytes));
    let read =
        read.map_err(|_| failed("it is no tokenizer that the library understands".to_owned()))?;
    let mut inner = read.map_err(|error| failed(error.to_string()))?;
    let kind = match inner.get_model() {
        ModelWrapper::BPE(_) => None,
        ModelWrapper::WordPiece(_) => Some("WordPiece"),
        ModelWrapper::WordLevel(_) => Some("WordLevel"),
        ModelWrapper::Unigram(_) => Some("Unigram"),
    };
    if let Some(kind) = kind {
        return Err(TokenizerError::Unsupported {
            path: path.to_owned(),
            found: format!("a model of type {kind}"),
            supported: MODELS,
        });
    }
    // How training cut and filled texts is left in some files; nobody wants it here.
    inner.with_padding(None);
    inner
        .with_truncation(None)
        .map_err(|error| failed(error.to_string()))?;
    Ok(inner)
}

/// `tokenizer.model`.
fn read_slow(
    path: &Path,
    config: &TokenizerConfig,
) -> Result<(tokenizers::Tokenizer, [i64; 3]), TokenizerError> {
    let failed = |why: String| TokenizerError::File {
        path: path.to_owned(),
        why,
    };
    let bytes = fs::read(path).map_err(|error| failed(error.to_string()))?;
    let model = sentencepiece::read(&bytes).map_err(|refusal| match refusal {
        Refusal::Damaged(why) => failed(format!("it is no SentencePiece model: {why}")),
        Refusal::Unsupported(found) => TokenizerError::Unsupported {
            path: path.to_owned(),
            found,
            supported: SENTENCEPIECES,
        },
    })?;
    let prefix = match (config.add_prefix_space, config.legacy) {
        (Some(false), _) => Prefix::Never,
        _ if !model.add_dummy_prefix => Prefix::Never,
        (_, Some(false)) => Prefix::Start,
        _ => Prefix::EachText,
    };
    let inner = pieces::tokenizer(&model.pieces, prefix).map_err(failed)?;
    Ok((inner, model.special))
}

/// Tokens that `tokenizer_config.json` adds to the vocabulary, and special ones that are in it already.
fn add_tokens(
    inner: &mut tokenizers::Tokenizer,
    configuration: &Configuration,
) -> Result<(), TokenizerError> {
    let failed = |why: String| TokenizerError::File {
        path: configuration.path.clone(),
        why,
    };
    let mut added = Vec::new();
    for (id, token) in &configuration.tokenizer.added_tokens_decoder {
        let id: u32 = id
            .parse()
            .map_err(|_| failed(format!("{id:?} is no token's number")))?;
        added.push((id, token));
    }
    added.sort_by_key(|(id, _)| *id);
    for (id, token) in added {
        let new = token.token();
        if new.special {
            inner.add_special_tokens(&[new]);
        } else {
            inner.add_tokens(&[new]);
        }
        let found = inner.token_to_id(&token.content);
        if found != Some(id) {
            let found = found.map_or_else(|| "none".to_owned(), |found| found.to_string());
            return Err(failed(format!(
                "it gives the token {:?} the number {id}, the vocabulary {found}",
                token.content
            )));
        }
    }
    for (role, token) in configuration.tokenizer.special.named() {
        if inner.token_to_id(token).is_none() {
            return Err(TokenizerError::NotInVocabulary {
                path: configuration.path.clone(),
                role,
                token: format!("{token:?}"),
            });
        }
        inner.add_special_tokens(&[tokenizers::AddedToken::from(token, true)]);
    }
    Ok(())
}
