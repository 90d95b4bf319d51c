//! What is said in a conversation, as chat templates see it.

use minijinja::Value;

/// One turn of a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Who speaks: `system`, `user` or `assistant`; templates may know more.
    pub role: String,
    /// What is said.
    pub content: Content,
}

/// What is said in a turn. Templates of language models want a text, those of models that see want parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Text alone.
    Text(String),
    /// Texts and images.
    Parts(Vec<Part>),
}

/// A part of what is said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// An image; which one is known by the order.
    Image,
    /// Text.
    Text {
        /// The text.
        text: String,
    },
}

impl Message {
    /// A turn of plain text.
    pub fn text(role: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            role: role.into(),
            content: Content::Text(text.into()),
        }
    }

    /// A turn made of parts.
    pub fn parts(role: impl Into<String>, parts: impl Into<Vec<Part>>) -> Self {
        Self {
            role: role.into(),
            content: Content::Parts(parts.into()),
        }
    }
}

impl Part {
    /// A part that is text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text { text: text.into() }
    }
}

impl From<&Message> for Value {
    /// As templates see it: `message.role`, `message.content`.
    fn from(message: &Message) -> Self {
        let content = match &message.content {
            Content::Text(text) => Self::from(text.as_str()),
            Content::Parts(parts) => parts.iter().map(Self::from).collect(),
        };
        let role = Self::from(message.role.as_str());
        Self::from_pairs([("role", role), ("content", content)])
    }
}

impl From<&Part> for Value {
    /// As templates see it: `part.type`, and `part.text` of texts.
    fn from(part: &Part) -> Self {
        match part {
            Part::Image => Self::from_pairs([("type", "image")]),
            Part::Text { text } => Self::from_pairs([("type", "text"), ("text", text.as_str())]),
        }
    }
}
