//! Text to tokens and back for language models, and the templates that turn a conversation into text.
//!
//! [`Tokenizer`] is read from a checkpoint's folder (`tokenizer.json`, else the SentencePiece model
//! `tokenizer.model`) or from a GGUF file; [`ChatTemplate`] from the same places. [`StreamingDecoder`] gives
//! text while tokens arrive, and [`StopStrings`] says when such a text is over. Nothing here knows a network.

mod byte_level;
mod chat_template;
mod configuration;
mod error;
mod gguf;
mod learn;
mod message;
mod open;
mod pieces;
mod sentencepiece;
mod special_ids;
mod stop_strings;
mod streaming;
mod tokenizer;

pub use chat_template::ChatTemplate;
pub use error::{TemplateError, TokenizerError};
pub use learn::{LEAST, SPECIAL, learn_tokenizer, learnt_config};
pub use message::{Content, Message, Part};
pub use stop_strings::{Released, StopStrings};
pub use streaming::StreamingDecoder;
pub use tokenizer::Tokenizer;
