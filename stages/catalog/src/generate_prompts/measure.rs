//! How long a prompt may be: by CLIP's own tokenizer if there is one, else by an estimate.

use ccsr_clip::Tokenizer;
use ccsr_stage::params::FolderPath;
use ccsr_stage::{Misfit, Misfits, Source, StageError};

use crate::model_folder::ModelFolder;
use crate::prompt_rules::tokens;

/// The source's name.
const TOKENIZER: &str = "tokenizer";

/// Tokens of CLIP's texts.
const LENGTH: usize = 77;

/// The most tokens of a prompt, and what counts them.
pub(super) struct Length {
    most: u32,
    tokenizer: Option<(ModelFolder, Tokenizer)>,
}

impl Length {
    /// At most this many tokens, counted by the tokenizer in a folder.
    pub(super) fn new(most: u32, folder: Option<FolderPath>) -> Result<Self, Misfits> {
        let open = |folder: FolderPath| {
            let folder = ModelFolder::whole(folder, &[TOKENIZER]);
            let tokenizer = Tokenizer::open(&folder.path, LENGTH);
            let tokenizer = tokenizer.map_err(|error| {
                let message = format!(
                    "{error}; expected a folder with CLIP's tokenizer, such as `tokenizer` of a Stable \
                     Diffusion"
                );
                Misfit::new([TOKENIZER], message)
            })?;
            Ok::<_, Misfits>((folder, tokenizer))
        };
        let tokenizer = folder.map(open).transpose()?;
        Ok(Self { most, tokenizer })
    }

    /// The tokenizer's files.
    pub(super) fn sources(&self) -> Vec<Source> {
        let folder = self.tokenizer.as_ref().map(|(folder, _)| folder);
        folder.map(ModelFolder::sources).unwrap_or_default()
    }

    /// How many tokens a prompt has, with both ends.
    pub(super) fn of(&self, prompt: &str) -> Result<u32, StageError> {
        match &self.tokenizer {
            None => Ok(tokens(prompt)),
            Some((_, tokenizer)) => tokenizer
                .count(prompt)
                .map(|count| u32::try_from(count).unwrap_or(u32::MAX))
                .map_err(|error| StageError::failed(error.to_string())),
        }
    }

    /// Whether the text encoder reads all of a prompt.
    pub(super) fn fits(&self, prompt: &str) -> Result<bool, StageError> {
        Ok(self.of(prompt)? <= self.most)
    }

    /// `about 80` or `80`.
    pub(super) fn shown(&self, length: u32) -> String {
        let about = if self.tokenizer.is_some() {
            ""
        } else {
            "about "
        };
        format!("{about}{length}")
    }
}
