//! What is trained on, as the units of training name it: no more than their outcome depends on.

use ccsr_stage::{Digest, StageError, Value};

use super::encoding::unread;

/// An image with its prompt.
pub(super) struct Sample {
    pub(super) image: Image,
    /// Where the text encoder is adapted, too.
    text: Option<String>,
    /// What the text encoder made of the prompt.
    states: Option<Digest>,
    /// What it made of no prompt, if prompts are left away.
    unsaid: Option<Digest>,
}

/// An image.
pub(super) enum Image {
    /// Where it lies in latent space: as it is, and in a mirror.
    Encoded {
        moments: [Digest; 2],
        /// Channels, height, width.
        shape: [usize; 3],
    },
    /// Another part of it each epoch.
    Cut {
        image: Digest,
        /// Width and height of the part, in pixels.
        pixels: [usize; 2],
    },
}

impl Sample {
    /// All of a unit's.
    pub(super) fn all_of(input: &Value) -> Result<Vec<Self>, StageError> {
        let unsaid = input.get("no_prompt").and_then(Value::as_blob);
        let samples = input.get("samples").and_then(Value::as_list);
        let samples = samples.ok_or_else(|| unread("samples"))?.iter();
        samples.map(|sample| Self::of(sample, unsaid)).collect()
    }

    fn of(sample: &Value, unsaid: Option<Digest>) -> Result<Self, StageError> {
        let blob = |name: &str| sample.get(name).and_then(Value::as_blob);
        let numbers = |name: &str| {
            let list = sample.get(name).and_then(Value::as_list)?.iter();
            list.map(|number| number.as_int().map(|number| number as usize))
                .collect::<Option<Vec<_>>>()
        };
        let image = if let Some(image) = blob("image") {
            let pixels = numbers("pixels").and_then(|pixels| pixels.try_into().ok());
            Image::Cut {
                image,
                pixels: pixels.ok_or_else(|| unread("pixels"))?,
            }
        } else {
            let plain = blob("moments").ok_or_else(|| unread("moments"))?;
            let shape = numbers("shape").and_then(|shape| shape.try_into().ok());
            Image::Encoded {
                moments: [plain, blob("mirrored").unwrap_or(plain)],
                shape: shape.ok_or_else(|| unread("shape"))?,
            }
        };
        Ok(Self {
            image,
            text: sample
                .get("text")
                .and_then(Value::as_text)
                .map(str::to_owned),
            states: blob("states"),
            unsaid,
        })
    }

    /// What images of one step have in common.
    pub(super) fn shape(&self) -> [usize; 3] {
        match &self.image {
            Image::Encoded { shape, .. } => *shape,
            Image::Cut { pixels, .. } => [0, pixels[1], pixels[0]],
        }
    }

    /// Whether chance has a say in what is cut out of it.
    pub(super) const fn is_cut(&self) -> bool {
        matches!(self.image, Image::Cut { .. })
    }

    /// Its prompt.
    pub(super) fn text(&self) -> Result<&str, StageError> {
        self.text.as_deref().ok_or_else(|| unread("text"))
    }

    /// What the text encoder made of its prompt, or of none.
    pub(super) fn states(&self, unsaid: bool) -> Result<Digest, StageError> {
        let states = if unsaid { self.unsaid } else { self.states };
        states.ok_or_else(|| unread("states"))
    }
}
