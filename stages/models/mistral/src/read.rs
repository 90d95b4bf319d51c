//! Reading: beginnings that are kept, and what comes after many ends of one.

use std::sync::Arc;

use burn::prelude::*;

use crate::cache::{Cache, Prefix};
use crate::generate::ContextError;
use crate::model::{Mistral, Pass, Span};

impl Mistral {
    /// A beginning, read once; after another one, if there is. Rows are embeddings of tokens, or what stands in the place
    /// of tokens.
    ///
    /// # Shapes
    /// `rows`: `[tokens, hidden]`.
    pub fn read(
        &self,
        after: Option<Arc<Prefix>>,
        rows: Tensor<2>,
    ) -> Result<Prefix, ContextError> {
        let [count, _] = rows.dims();
        self.fits(after.as_ref().map_or(0, |prefix| prefix.len()) + count)?;
        let mut cache = self.cache(after, count);
        if count > 0 {
            let span = Span {
                cache: &mut cache,
                rows: count,
            };
            self.forward(rows, &mut [span], Pass::Prefill);
        }
        Ok(cache.into_prefix())
    }

    /// The logits after each of some ends of a beginning, in one pass: the ends do not see each other, and what comes out
    /// for one does not depend on the others.
    ///
    /// # Shapes
    /// As many logits as there are tokens, for each end.
    pub fn next(
        &self,
        after: &Arc<Prefix>,
        ends: &[&[u32]],
    ) -> Result<Vec<Vec<f32>>, ContextError> {
        for end in ends {
            if end.is_empty() {
                return Err(ContextError::Empty);
            }
            self.fits(after.len() + end.len())?;
        }
        if ends.is_empty() {
            return Ok(Vec::new());
        }
        let room = |end: &&[u32]| self.cache(Some(Arc::clone(after)), end.len());
        let mut caches: Vec<Cache> = ends.iter().map(room).collect();
        let spans = caches.iter_mut().zip(ends).map(|(cache, end)| Span {
            cache,
            rows: end.len(),
        });
        let mut spans: Vec<_> = spans.collect();
        let states = self.forward(self.embed(&ends.concat()), &mut spans, Pass::Prefill);
        let mut rows = 0;
        let last = ends.iter().map(|end| {
            rows += end.len();
            rows as i64 - 1
        });
        let last: Vec<i64> = last.collect();
        let last = Tensor::<1, Int>::from_data(last.as_slice(), &states.device());
        let logits = numbers(self.logits(states.select(0, last), Pass::Decode));
        let logits = logits.chunks_exact(self.config().vocabulary);
        Ok(logits.map(<[f32]>::to_vec).collect())
    }

    /// That so many tokens leave room for one more.
    pub(crate) fn fits(&self, tokens: usize) -> Result<(), ContextError> {
        let context = self.config().context;
        if tokens < context {
            Ok(())
        } else {
            Err(ContextError::TooLong { tokens, context })
        }
    }
}

/// A tensor's numbers in single precision.
pub(crate) fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    let data = tensor.into_data().convert::<f32>();
    data.try_to_vec().expect("it was converted above")
}
