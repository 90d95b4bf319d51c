//! Writing: many texts at once, each as if it were alone.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::cache::{Cache, Prefix};
use crate::model::{Mistral, Pass, Span};
use crate::read::numbers;
use crate::sampling::{Sampler, Sampling};

/// A text to be continued.
#[derive(Clone, Debug)]
pub struct Request {
    /// What was read of it already.
    pub after: Option<Arc<Prefix>>,
    /// Its tokens; the next ones of it.
    pub prompt: Arc<[u32]>,
    /// How the next ones are chosen.
    pub sampling: Sampling,
    /// What they are drawn with.
    pub seed: [u8; 32],
    /// How many there are to be at most.
    pub most: usize,
}

impl Request {
    /// What tells its beginning from others.
    fn beginning(&self) -> (Option<*const Prefix>, &[u32]) {
        (self.after.as_ref().map(Arc::as_ptr), &self.prompt)
    }
}

/// What a text was continued with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Completion {
    /// The tokens, without the one that ended it.
    pub tokens: Vec<u32>,
    /// Whether it ended by itself, and not because there was no more room.
    pub ended: bool,
}

/// A prompt that is as long as what a model reads, or longer, or empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContextError {
    /// It leaves no room.
    #[error(
        "a prompt of {tokens} tokens leaves no room in the {context} that the model reads; make it shorter, or take \
         a model that reads more"
    )]
    TooLong {
        /// Tokens of the prompt.
        tokens: usize,
        /// Tokens that the model reads.
        context: usize,
    },
    /// It has no token, so that nothing says what comes next.
    #[error("a prompt has no tokens; a text begins with one at least")]
    Empty,
}

/// Writes with a language model. As many texts as there is room for are written side by side; when one ends, the next
/// begins. Prompts that are equal are read once.
#[derive(Debug)]
pub struct Generator<'a> {
    model: &'a Mistral,
    /// The tokens that end a text.
    ends: Vec<u32>,
    /// Texts side by side.
    width: usize,
}

/// A text that is being written.
struct Text {
    index: usize,
    cache: Cache,
    sampler: Sampler,
    most: usize,
    last: u32,
}

impl<'a> Generator<'a> {
    /// A generator whose texts end at any of these tokens.
    pub fn new(model: &'a Mistral, ends: Vec<u32>, width: usize) -> Self {
        Self {
            model,
            ends,
            width: width.max(1),
        }
    }

    /// That the model can continue such a prompt.
    pub fn check(&self, request: &Request) -> Result<(), ContextError> {
        if request.prompt.is_empty() {
            return Err(ContextError::Empty);
        }
        let before = request.after.as_ref().map_or(0, |prefix| prefix.len());
        self.model.fits(before + request.prompt.len())
    }

    /// Continues texts; what one is continued with does not depend on the others. `watch` is told each token with the
    /// number of its text, and answers whether the text is to go on.
    pub fn generate(
        &self,
        requests: &[Request],
        mut watch: impl FnMut(usize, u32) -> bool,
    ) -> Result<Vec<Completion>, ContextError> {
        for request in requests {
            self.check(request)?;
        }
        let mut completions = vec![Completion::default(); requests.len()];
        // Equal prompts one after the other, so that their beginning is in memory only while it is used.
        let mut order: Vec<usize> = (0..requests.len())
            .filter(|index| requests[*index].most > 0)
            .collect();
        order.sort_by_key(|index| requests[*index].beginning());
        let mut waiting = VecDeque::from(order);
        let mut read: Option<(&Request, Arc<Prefix>)> = None;
        let mut writing: Vec<Text> = Vec::new();
        loop {
            while writing.len() < self.width {
                let Some(index) = waiting.pop_front() else {
                    break;
                };
                let request = &requests[index];
                let known = read
                    .take()
                    .filter(|(known, _)| known.beginning() == request.beginning());
                let prefix = match known {
                    Some((_, prefix)) => prefix,
                    None => self.read(request)?,
                };
                writing.push(self.begin(index, request, Arc::clone(&prefix)));
                read = Some((request, prefix));
            }
            if writing.is_empty() {
                return Ok(completions);
            }
            let logits = self.step(&mut writing);
            let mut logits = logits.chunks_exact(self.model.config().vocabulary);
            writing.retain_mut(|text| {
                let logits = logits.next().expect("there are logits for each text");
                let token = text.sampler.choose(logits);
                let completion = &mut completions[text.index];
                if self.ends.contains(&token) {
                    completion.ended = true;
                    return false;
                }
                completion.tokens.push(token);
                completion.ended = !watch(text.index, token);
                text.last = token;
                !completion.ended && completion.tokens.len() < text.most
            });
        }
    }

    /// Reads all of a prompt but its last token, from which texts go on.
    fn read(&self, request: &Request) -> Result<Arc<Prefix>, ContextError> {
        let (after, beginning) = (
            request.after.clone(),
            &request.prompt[..request.prompt.len() - 1],
        );
        match after {
            Some(after) if beginning.is_empty() => Ok(after),
            after => {
                let rows = self.model.embed(beginning);
                Ok(Arc::new(self.model.read(after, rows)?))
            }
        }
    }

    fn begin(&self, index: usize, request: &Request, prefix: Arc<Prefix>) -> Text {
        let last = *request.prompt.last().expect("prompts are not empty");
        let room = self.model.config().context - prefix.len();
        // The last token that is written is never read.
        let most = request.most.min(room);
        Text {
            index,
            cache: self.model.cache(Some(prefix), most.max(1)),
            sampler: Sampler::new(request.sampling, request.seed, &request.prompt),
            most,
            last,
        }
    }

    /// The logits after the last token of each text, text after text.
    fn step(&self, writing: &mut [Text]) -> Vec<f32> {
        let last: Vec<u32> = writing.iter().map(|text| text.last).collect();
        let spans = writing.iter_mut().map(|text| Span {
            cache: &mut text.cache,
            rows: 1,
        });
        let mut spans: Vec<_> = spans.collect();
        let embedded = self.model.embed(&last);
        let states = self.model.forward(embedded, &mut spans, Pass::Decode);
        numbers(self.model.logits(states, Pass::Decode))
    }
}
