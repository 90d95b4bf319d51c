//! What stands beside a tokenizer in a checkpoint's folder: which tokens are special, and how.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokenizers::AddedToken;

use crate::TokenizerError;

pub(crate) const TOKENIZER_CONFIG: &str = "tokenizer_config.json";

/// A token by its text, or with more about it.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum SpecialToken {
    Text(String),
    More { content: String },
}

impl SpecialToken {
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Text(text) | Self::More { content: text } => text,
        }
    }
}

/// Tokens by what they are for. Both `special_tokens_map.json` and `tokenizer_config.json` have these keys.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct SpecialTokens {
    pub(crate) bos_token: Option<SpecialToken>,
    pub(crate) eos_token: Option<SpecialToken>,
    pub(crate) pad_token: Option<SpecialToken>,
    pub(crate) unk_token: Option<SpecialToken>,
}

impl SpecialTokens {
    /// Each token that is known, with what it is for.
    pub(crate) fn named(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let all = [
            ("bos", &self.bos_token),
            ("eos", &self.eos_token),
            ("pad", &self.pad_token),
            ("unk", &self.unk_token),
        ];
        let known = all.into_iter();
        known.filter_map(|(role, token)| Some((role, token.as_ref()?.text())))
    }
}

/// `tokenizer_config.json`, as far as it matters.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct TokenizerConfig {
    #[serde(flatten)]
    pub(crate) special: SpecialTokens,
    pub(crate) add_bos_token: Option<bool>,
    pub(crate) add_eos_token: Option<bool>,
    pub(crate) add_prefix_space: Option<bool>,
    pub(crate) legacy: Option<bool>,
    pub(crate) added_tokens_decoder: BTreeMap<String, Added>,
}

/// A token that was added to a vocabulary.
#[derive(Debug, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "as the files have it")]
pub(crate) struct Added {
    pub(crate) content: String,
    #[serde(default)]
    lstrip: bool,
    #[serde(default)]
    normalized: bool,
    #[serde(default)]
    rstrip: bool,
    #[serde(default)]
    single_word: bool,
    #[serde(default)]
    special: bool,
}

impl Added {
    pub(crate) fn token(&self) -> AddedToken {
        AddedToken::from(self.content.clone(), self.special)
            .lstrip(self.lstrip)
            .rstrip(self.rstrip)
            .normalized(self.normalized)
            .single_word(self.single_word)
    }
}

/// Numbers of special tokens, in `generation_config.json` and `config.json` alike. Negative is none.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Numbers {
    pub(crate) bos_token_id: Option<OneOrMore>,
    pub(crate) eos_token_id: Option<OneOrMore>,
    pub(crate) pad_token_id: Option<OneOrMore>,
    /// Models that see say it of their language model here.
    text_config: Option<Box<Self>>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum OneOrMore {
    One(i64),
    More(Vec<i64>),
}

impl Numbers {
    /// One number each, as a SentencePiece model says them.
    pub(crate) fn new([bos, eos, pad]: [i64; 3]) -> Self {
        Self {
            bos_token_id: Some(OneOrMore::One(bos)),
            eos_token_id: Some(OneOrMore::One(eos)),
            pad_token_id: Some(OneOrMore::One(pad)),
            text_config: None,
        }
    }

    /// What it says of a token, itself or of its language model; never nothing in a list.
    pub(crate) fn said(&self, of: fn(&Self) -> Option<&OneOrMore>) -> Option<Vec<i64>> {
        let levels = [Some(self), self.text_config.as_deref()];
        let said = levels.into_iter().flatten().find_map(of)?;
        let ids = match said {
            OneOrMore::One(id) => std::slice::from_ref(id),
            OneOrMore::More(ids) => ids,
        };
        let ids: Vec<_> = ids.iter().copied().filter(|id| *id >= 0).collect();
        Some(ids).filter(|ids| !ids.is_empty())
    }
}

/// What stands beside a tokenizer.
#[derive(Debug)]
pub(crate) struct Configuration {
    /// The file that the special tokens are from.
    pub(crate) path: PathBuf,
    pub(crate) tokenizer: TokenizerConfig,
    /// Files that say numbers, the first to be asked first.
    pub(crate) numbers: Vec<(PathBuf, Numbers)>,
}

impl Configuration {
    /// Reads what a folder has; each of the files may be missing.
    pub(crate) fn read(folder: &Path) -> Result<Self, TokenizerError> {
        let path = folder.join(TOKENIZER_CONFIG);
        let mut tokenizer: TokenizerConfig = read_json(&path)?.unwrap_or_default();
        let map: SpecialTokens =
            read_json(&folder.join("special_tokens_map.json"))?.unwrap_or_default();
        let special = &mut tokenizer.special;
        special.bos_token = special.bos_token.take().or(map.bos_token);
        special.eos_token = special.eos_token.take().or(map.eos_token);
        special.pad_token = special.pad_token.take().or(map.pad_token);
        special.unk_token = special.unk_token.take().or(map.unk_token);
        let mut numbers = Vec::new();
        for name in ["generation_config.json", "config.json"] {
            let path = folder.join(name);
            if let Some(found) = read_json(&path)? {
                numbers.push((path, found));
            }
        }
        Ok(Self {
            path,
            tokenizer,
            numbers,
        })
    }
}

/// A file of JSON; none if it is not there.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, TokenizerError> {
    let failed = |why: String| TokenizerError::File {
        path: path.to_owned(),
        why,
    };
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|why| failed(why.to_string())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(error.to_string())),
    }
}
