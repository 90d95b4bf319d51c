//! The words of a language model: its tokenizer, and how it wants a conversation written down.

use std::collections::BTreeMap;
use std::path::Path;

use ccsr_gguf::Gguf;
use ccsr_stage::{StageError, Value};
use ccsr_text::{ChatTemplate, Message, Part, TemplateError, Tokenizer};

use crate::failed;
use crate::roles::Wording;

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

    /// The tokens of what a writer is told.
    pub(crate) fn of_wording(&self, wording: &Wording) -> Result<Vec<u32>, StageError> {
        match wording {
            Wording::Chat {
                system,
                instruction,
            } => self.of_turn(system.as_deref(), instruction),
            Wording::Raw(text) => self.tokenizer.encode(text, true).map_err(failed),
        }
    }

    /// The tokens of a turn about an image, up to and with the one that stands for it, and what follows.
    pub(crate) fn of_image(
        &self,
        text: &str,
        image: u32,
    ) -> Result<(Vec<u32>, Vec<u32>), StageError> {
        let parts = [Part::Image, Part::text(text)];
        let mut beginning = self.of_chat(&[Message::parts("user", parts)])?;
        let mut places = (0..beginning.len()).filter(|place| beginning[*place] == image);
        match (places.next(), places.next()) {
            (Some(place), None) => {
                let end = beginning.split_off(place + 1);
                Ok((beginning, end))
            }
            (None, _) => Err(StageError::failed(format!(
                "the chat template writes no image token (number {image}) for an image; set `chat_template` of the \
                 suite's judge to one that writes the model's, `<image>` as a rule"
            ))),
            (Some(_), Some(_)) => Err(StageError::failed(format!(
                "\"{}\" has a text in it that stands for an image; put it in other words",
                crate::row_id::shortened(text)
            ))),
        }
    }

    /// The tokens of what a model answers, with the one that ends it.
    pub(crate) fn of_answer(&self, answer: &str) -> Result<Vec<u32>, StageError> {
        let mut tokens = self
            .tokenizer
            .encode(&format!(" {answer}"), false)
            .map_err(failed)?;
        tokens.extend(self.tokenizer.eos().first());
        Ok(tokens)
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
