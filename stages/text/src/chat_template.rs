//! Conversations as the text that a model was trained on: Jinja templates that checkpoints bring along.
//!
//! `minijinja` carries them out, set up as transformers sets up Jinja, with Python's methods of texts,
//! lists and dictionaries, which templates call, and with `raise_exception`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use ccsr_gguf::Gguf;
use minijinja::syntax::SyntaxConfig;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, Value, context};
use minijinja_contrib::pycompat::unknown_method_callback;
use serde::Deserialize;

use crate::configuration::{Configuration, SpecialTokens, TOKENIZER_CONFIG, read_json};
use crate::{Message, TemplateError};

/// What the one template is called within its environment.
const NAME: &str = "chat";
/// How many steps a template may take; the longest conversations take thousands.
const STEPS: u64 = 1_000_000;

/// How a model wants a conversation written down.
#[derive(Debug)]
pub struct ChatTemplate {
    environment: Environment<'static>,
    /// The file it is from, for messages.
    place: String,
    /// `bos_token` and the like, with their texts.
    tokens: BTreeMap<String, String>,
}

/// What a template says when it refuses a conversation.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Raised(String);

/// One template, or several with names.
#[derive(Deserialize)]
#[serde(untagged)]
enum Templates {
    One(String),
    Named(Vec<Named>),
    /// As `chat_template.json` of some processors has it.
    Mapped(BTreeMap<String, String>),
}

#[derive(Deserialize)]
struct Named {
    name: String,
    template: String,
}

/// `chat_template` in a file of JSON.
#[derive(Deserialize)]
struct Holder {
    chat_template: Option<Templates>,
}

impl ChatTemplate {
    /// The template of a folder, the one called `default` if there are several: `chat_template.jinja`, else
    /// `chat_template.json`, else `chat_template` in `tokenizer_config.json`.
    pub fn open(folder: &Path) -> Result<Self, TemplateError> {
        Self::open_named(folder, "default")
    }

    /// The template of that name, where a folder has several. One alone is `default`.
    pub fn open_named(folder: &Path, name: &str) -> Result<Self, TemplateError> {
        let special = Configuration::read(folder)?.tokenizer.special;
        let jinja = folder.join("chat_template.jinja");
        if jinja.is_file() {
            let source = fs::read_to_string(&jinja).map_err(|error| TemplateError::File {
                path: jinja.clone(),
                why: error.to_string(),
            })?;
            let found = Templates::One(source).named(&jinja, name)?;
            return Self::parse(&found, &jinja, tokens_of(&special));
        }
        for file in ["chat_template.json", TOKENIZER_CONFIG] {
            let path = folder.join(file);
            let holder: Option<Holder> = read_json(&path)?;
            if let Some(templates) = holder.and_then(|holder| holder.chat_template) {
                let found = templates.named(&path, name)?;
                return Self::parse(&found, &path, tokens_of(&special));
            }
        }
        Err(TemplateError::NoTemplate {
            folder: folder.to_owned(),
        })
    }

    /// The template of a GGUF file, `tokenizer.chat_template`.
    pub fn of_gguf(gguf: &Gguf) -> Result<Self, TemplateError> {
        let source: &str = gguf.get("tokenizer.chat_template")?;
        let names: &[String] = gguf.get("tokenizer.ggml.tokens")?;
        let mut tokens = BTreeMap::new();
        for (name, key) in [
            ("bos_token", "tokenizer.ggml.bos_token_id"),
            ("eos_token", "tokenizer.ggml.eos_token_id"),
            ("pad_token", "tokenizer.ggml.padding_token_id"),
            ("unk_token", "tokenizer.ggml.unknown_token_id"),
        ] {
            let id = gguf.find::<usize>(key)?;
            if let Some(token) = id.and_then(|id| names.get(id)) {
                tokens.insert(name.to_owned(), token.clone());
            }
        }
        Self::parse(source, gguf.path(), tokens)
    }

    /// A template from `path`, which is only named in messages; `tokens` are what it calls `bos_token`,
    /// `eos_token` and so on.
    pub fn parse(
        source: &str,
        path: &Path,
        tokens: BTreeMap<String, String>,
    ) -> Result<Self, TemplateError> {
        let mut environment = Environment::new();
        let syntax = SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .build()
            .expect("the usual delimiters differ from each other");
        environment.set_syntax(syntax);
        environment.set_auto_escape_callback(|_| AutoEscape::None);
        environment.set_unknown_method_callback(unknown_method_callback);
        environment.set_fuel(Some(STEPS));
        environment.add_function("raise_exception", |message: String| {
            let raised = Error::new(ErrorKind::InvalidOperation, message.clone());
            Err::<(), _>(raised.with_source(Raised(message)))
        });
        let place = path.display().to_string();
        environment
            .add_template_owned(NAME, without_generation(source))
            .map_err(|error| TemplateError::Syntax {
                place: place.clone(),
                line: error.line().unwrap_or(1),
                why: said(&error),
            })?;
        Ok(Self {
            environment,
            place,
            tokens,
        })
    }

    /// The conversation as text. With `add_generation_prompt`, it ends where the model's turn begins.
    pub fn render(
        &self,
        messages: &[Message],
        add_generation_prompt: bool,
    ) -> Result<String, TemplateError> {
        let failed = |error: Error| {
            let mut source = std::error::Error::source(&error);
            while let Some(inner) = source {
                if let Some(Raised(message)) = inner.downcast_ref() {
                    return TemplateError::Refused {
                        place: self.place.clone(),
                        message: message.clone(),
                    };
                }
                source = inner.source();
            }
            TemplateError::Failed {
                place: self.place.clone(),
                line: error.line().unwrap_or(1),
                why: said(&error),
            }
        };
        let template = self.environment.get_template(NAME).map_err(failed)?;
        let messages: Value = messages.iter().map(Value::from).collect();
        let tokens = self.tokens.iter();
        let tokens = Value::from_pairs(tokens.map(|(name, text)| (name.as_str(), text.as_str())));
        // As transformers gives them to templates where there are none.
        let (tools, documents) = ((), ());
        let known = context! { messages, add_generation_prompt, tools, documents, ..tokens };
        template.render(known).map_err(failed)
    }
}

impl Templates {
    /// The template of that name.
    fn named(self, path: &Path, name: &str) -> Result<String, TemplateError> {
        let mut all: BTreeMap<String, String> = match self {
            Self::One(source) => BTreeMap::from([("default".to_owned(), source)]),
            Self::Named(all) => all
                .into_iter()
                .map(|one| (one.name, one.template))
                .collect(),
            Self::Mapped(all) => all,
        };
        all.remove(name)
            .ok_or_else(|| TemplateError::NoSuchTemplate {
                path: path.to_owned(),
                name: name.to_owned(),
                names: all.into_keys().collect(),
            })
    }
}

fn tokens_of(special: &SpecialTokens) -> BTreeMap<String, String> {
    let tokens = special.named();
    tokens
        .map(|(role, text)| (format!("{role}_token"), text.to_owned()))
        .collect()
}

/// What an error says, without its place.
fn said(error: &Error) -> String {
    let kind = error.kind().to_string();
    match error.detail() {
        Some(detail) => format!("{kind}: {detail}"),
        None => kind,
    }
}

/// The template with `{% generation %}` and `{% endgeneration %}` as a condition that always holds. They mark
/// for training what the model says; Jinja itself does not know them.
fn without_generation(source: &str) -> String {
    let mut written = String::with_capacity(source.len());
    let mut rest = source;
    while let Some((before, after)) = rest.split_once("{%") {
        let Some((tag, after)) = after.split_once("%}") else {
            break;
        };
        let word = tag.trim_matches(|letter: char| letter.is_whitespace() || "-+".contains(letter));
        let tag = match word {
            "generation" => tag.replacen(word, "if true", 1),
            "endgeneration" => tag.replacen(word, "endif", 1),
            _ => tag.to_owned(),
        };
        written.extend([before, "{%", &tag, "%}"]);
        rest = after;
    }
    written + rest
}
