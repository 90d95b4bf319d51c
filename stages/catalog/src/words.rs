//! The words of a language model: its tokenizer, and how it wants a conversation written down.

use std::collections::BTreeMap;
use std::path::Path;

use ccsr_gguf::Gguf;
use ccsr_stage::{StageError, Value};
use ccsr_text::{ChatTemplate, Message, TemplateError, Tokenizer};

use crate::failed;

/// A tokenizer, and a chat template if there is one.
pub(crate) struct Words {
    pub(crate) tokenizer: Tokenizer,
    template: Result<ChatTemplate, TemplateError>,
}

/// What of a language model's settings enters keys: a template that stands in the suite. Its files count by themselves.
pub(crate) fn settings(chat_template: Option<&str>) -> Value {
    Value::map(chat_template.map(|template| ("chat_template", Value::from(template))))
}

impl Words {
    /// Those of a folder. A template that stands in the suite takes the place of the folder's.
    pub(crate) fn open(folder: &Path, written: Option<&str>) -> Result<Self, StageError> {
        let tokenizer = Tokenizer::open(folder).map_err(failed)?;
        let template = match written {
            Some(written) => parsed(written, &tokenizer),
            None => ChatTemplate::open(folder),
        };
        Ok(Self {
            tokenizer,
            template,
        })
    }

    /// Those of a GGUF file.
    pub(crate) fn of_gguf(path: &Path, written: Option<&str>) -> Result<Self, StageError> {
        let gguf = Gguf::open(path).map_err(failed)?;
        let tokenizer = Tokenizer::of_gguf(&gguf).map_err(failed)?;
        let template = match written {
            Some(written) => parsed(written, &tokenizer),
            None => ChatTemplate::of_gguf(&gguf),
        };
        Ok(Self {
            tokenizer,
            template,
        })
    }

    /// The tokens of a conversation, up to where the model's turn begins. The token that begins every text is there once,
    /// whether the template writes it or not.
    pub(crate) fn of_chat(&self, messages: &[Message]) -> Result<Vec<u32>, StageError> {
        self.tokens(&self.rendered(messages)?)
    }

    /// The tokens of one turn. A template that has no place for a system's text gets it before the instruction.
    pub(crate) fn of_turn(
        &self,
        system: Option<&str>,
        instruction: &str,
    ) -> Result<Vec<u32>, StageError> {
        let Some(system) = system else {
            return self.of_chat(&[Message::text("user", instruction)]);
        };
        let apart = [
            Message::text("system", system),
            Message::text("user", instruction),
        ];
        let template = self.template.as_ref().map_err(failed)?;
        match template.render(&apart, true) {
            Ok(text) => self.tokens(&text),
            Err(TemplateError::Refused { .. }) => {
                let joined = format!("{}\n\n{instruction}", system.trim_end());
                self.of_chat(&[Message::text("user", joined)])
            }
            Err(error) => Err(failed(error)),
        }
    }

    fn rendered(&self, messages: &[Message]) -> Result<String, StageError> {
        let template = self.template.as_ref().map_err(failed)?;
        template.render(messages, true).map_err(failed)
    }

    fn tokens(&self, text: &str) -> Result<Vec<u32>, StageError> {
        let begin = self.tokenizer.bos();
        let begin = begin.and_then(|begin| self.tokenizer.id_to_token(begin));
        let has_begin = begin.is_some_and(|begin| text.starts_with(&begin));
        self.tokenizer.encode(text, !has_begin).map_err(failed)
    }
}

/// A template that stands in a suite.
fn parsed(written: &str, tokenizer: &Tokenizer) -> Result<ChatTemplate, TemplateError> {
    let named = [
        ("bos_token", tokenizer.bos()),
        ("eos_token", tokenizer.eos().first().copied()),
        ("pad_token", tokenizer.pad()),
    ];
    let named = named.into_iter().filter_map(|(name, token)| {
        let text = tokenizer.id_to_token(token?)?;
        Some((name.to_owned(), text))
    });
    let tokens: BTreeMap<String, String> = named.collect();
    ChatTemplate::parse(written, Path::new("chat_template"), tokens)
}
