//! Tokens that begin texts, end them, and fill them up.

use std::path::{Path, PathBuf};

use tokenizers::Tokenizer;
use tokenizers::processors::template::{SpecialToken, TemplateProcessing};

use crate::TokenizerError;
use crate::configuration::{self, Configuration, Numbers, OneOrMore};

/// The numbers of special tokens.
#[derive(Debug, Default)]
pub(crate) struct SpecialIds {
    pub(crate) bos: Option<u32>,
    /// Any of these ends what a model writes.
    pub(crate) eos: Vec<u32>,
    pub(crate) pad: Option<u32>,
}

impl SpecialIds {
    /// What a folder says. What ends a model's writing is for its generation's configuration to say first,
    /// the others for the tokenizer's own; a SentencePiece model itself is asked last.
    pub(crate) fn of_folder(
        inner: &Tokenizer,
        configuration: &Configuration,
        model: Option<&(PathBuf, Numbers)>,
    ) -> Result<Self, TokenizerError> {
        let special = &configuration.tokenizer.special;
        let own = [&special.bos_token, &special.eos_token, &special.pad_token];
        let id = |token: &configuration::SpecialToken| inner.token_to_id(token.text());
        let own = own.map(|token| token.as_ref().and_then(id).map_or(-1, i64::from));
        let own = (configuration.path.clone(), Numbers::new(own));
        let files = &configuration.numbers;
        let own_first: Vec<_> = std::iter::once(&own).chain(files).chain(model).collect();
        let own_later: Vec<_> = files.iter().chain([&own]).chain(model).collect();
        let first =
            |role, asked: &[&(PathBuf, Numbers)], of: fn(&Numbers) -> Option<&OneOrMore>| {
                let mut said = asked.iter();
                let said = said.find_map(|(path, numbers)| Some((path, numbers.said(of)?)));
                let ids = said.into_iter().flat_map(|(path, ids)| {
                    let ids = ids.into_iter();
                    ids.map(move |id| checked(inner, path, role, id))
                });
                ids.collect::<Result<Vec<_>, _>>()
            };
        let bos = first("bos", &own_first, |numbers| numbers.bos_token_id.as_ref())?;
        let pad = first("pad", &own_first, |numbers| numbers.pad_token_id.as_ref())?;
        Ok(Self {
            bos: bos.first().copied(),
            eos: first("eos", &own_later, |numbers| numbers.eos_token_id.as_ref())?,
            pad: pad.first().copied(),
        })
    }
}

/// A special token's number, if there is such a token.
pub(crate) fn checked(
    inner: &Tokenizer,
    path: &Path,
    role: &'static str,
    id: i64,
) -> Result<u32, TokenizerError> {
    let known = u32::try_from(id).ok();
    let known = known.filter(|id| inner.id_to_token(*id).is_some());
    known.ok_or_else(|| TokenizerError::NotInVocabulary {
        path: path.to_owned(),
        role,
        token: format!("number {id}"),
    })
}

/// Has texts begin and end with these, where special tokens are asked for.
pub(crate) fn frame(
    inner: &mut Tokenizer,
    bos: Option<u32>,
    eos: Option<u32>,
) -> Result<(), TokenizerError> {
    let token = |id| Some((inner.id_to_token(id)?, id));
    let (bos, eos) = (bos.and_then(token), eos.and_then(token));
    if bos.is_none() && eos.is_none() {
        inner.with_post_processor(None::<TemplateProcessing>);
        return Ok(());
    }
    // Names of our own: how a vocabulary spells its tokens must not be read as a template.
    let mut places = Vec::new();
    places.extend(bos.as_ref().map(|_| "BOS".to_owned()));
    places.push("$A".to_owned());
    places.extend(eos.as_ref().map(|_| "EOS".to_owned()));
    let tokens = [("BOS", bos), ("EOS", eos)].into_iter();
    let tokens = tokens.filter_map(|(name, token)| Some((name.to_owned(), token?)));
    let tokens = tokens.map(|(name, (text, id))| SpecialToken::new(name, vec![id], vec![text]));
    let failed = |error: &dyn std::fmt::Display| TokenizerError::Text(error.to_string());
    let tokens: Vec<_> = tokens
        .collect::<Result<_, _>>()
        .map_err(|error| failed(&error))?;
    let processor = TemplateProcessing::builder()
        .try_single(places)
        .map_err(|error| failed(&error))?
        .special_tokens(tokens)
        .build()
        .map_err(|error| failed(&error))?;
    inner.with_post_processor(Some(processor));
    Ok(())
}
