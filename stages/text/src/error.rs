//! What can go wrong with tokenizers and chat templates.

use std::path::PathBuf;

use ccsr_gguf::GgufError;

/// Why a tokenizer cannot be made or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenizerError {
    /// The folder has no tokenizer.
    #[error("`{}` has no tokenizer: neither `tokenizer.json` nor `tokenizer.model` is there", folder.display())]
    NoTokenizer {
        /// The folder.
        folder: PathBuf,
    },
    /// A file cannot be read, or is not what it should be.
    #[error("cannot read `{}`: {why}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// A kind of tokenizer that is not read.
    #[error("`{}`: {found} is not supported; {supported}", path.display())]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// What it has.
        found: String,
        /// What is supported.
        supported: &'static str,
    },
    /// A file names a special token that the vocabulary lacks.
    #[error("`{}` says that the {role} token is {token}, which is not in the vocabulary", path.display())]
    NotInVocabulary {
        /// The file.
        path: PathBuf,
        /// What the token is for: `eos`.
        role: &'static str,
        /// The token or its number.
        token: String,
    },
    /// The tokenizer has tokens that the weights have no embedding for.
    #[error(
        "the tokenizer has the token {token:?} with number {id}, but the weights have only {rows} tokens; \
         tokenizer and weights belong to different models"
    )]
    DoesNotFit {
        /// The token with the highest number.
        token: String,
        /// Its number.
        id: u32,
        /// How many the weights have.
        rows: usize,
    },
    /// There is no token of that number.
    #[error("there is no token {id}; the vocabulary has {size}")]
    UnknownId {
        /// The number.
        id: u32,
        /// One more than the highest number.
        size: usize,
    },
    /// The text cannot be tokenised, or the tokens not be put together.
    #[error("cannot tokenise: {0}")]
    Text(String),
    /// A GGUF file is damaged, or says nothing of its tokenizer.
    #[error(transparent)]
    Gguf(#[from] GgufError),
}

/// Why a conversation cannot be written down.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TemplateError {
    /// There is no chat template.
    #[error(
        "`{}` has no chat template: looked for `chat_template.jinja`, `chat_template.json` and \
         `chat_template` in `tokenizer_config.json`",
        folder.display()
    )]
    NoTemplate {
        /// The folder.
        folder: PathBuf,
    },
    /// There are templates, but none of that name.
    #[error("`{}` has no chat template `{name}`; it has {}", path.display(), names.join(", "))]
    NoSuchTemplate {
        /// The file.
        path: PathBuf,
        /// The name asked for.
        name: String,
        /// The names there are.
        names: Vec<String>,
    },
    /// A file cannot be read, or is not what it should be.
    #[error("cannot read `{}`: {why}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// The template is not well formed.
    #[error("the chat template of `{place}` is wrong in line {line}: {why}")]
    Syntax {
        /// The file.
        place: String,
        /// The line of the template, from 1 on.
        line: usize,
        /// Why.
        why: String,
    },
    /// The template refuses the conversation.
    #[error("the chat template of `{place}` refuses the conversation: {message}")]
    Refused {
        /// The file.
        place: String,
        /// What the template says.
        message: String,
    },
    /// The template cannot be carried out.
    #[error("the chat template of `{place}` failed in line {line}: {why}")]
    Failed {
        /// The file.
        place: String,
        /// The line of the template, from 1 on.
        line: usize,
        /// Why.
        why: String,
    },
    /// What stands beside the template cannot be read: which tokens begin and end texts.
    #[error(transparent)]
    Tokens(#[from] TokenizerError),
    /// A GGUF file is damaged or has no template.
    #[error(transparent)]
    Gguf(#[from] GgufError),
}
