//! Keys and values of the tokens that were seen, layer by layer.

use std::sync::Arc;

use burn::prelude::*;

use crate::config::MistralConfig;

/// The beginning of a text, read once: keys and values that any number of continuations share.
#[derive(Clone, Debug)]
pub struct Prefix {
    /// Keys and values of each layer, `[1, kv_heads, tokens, head_dim]` each.
    layers: Vec<[Tensor<4>; 2]>,
    tokens: usize,
}

impl Prefix {
    /// The beginning that is nothing.
    fn empty(config: &MistralConfig, device: &Device) -> Self {
        let nothing = || Tensor::empty([1, config.kv_heads, 0, config.head_dim], device);
        Self {
            layers: (0..config.layers).map(|_| [nothing(), nothing()]).collect(),
            tokens: 0,
        }
    }

    /// Its tokens.
    pub const fn len(&self) -> usize {
        self.tokens
    }

    /// Whether it has no tokens.
    pub const fn is_empty(&self) -> bool {
        self.tokens == 0
    }
}

/// What one text has been read of: a beginning that it may share with others, and its own continuation, for which there
/// is room from the start.
#[derive(Debug)]
pub struct Cache {
    prefix: Arc<Prefix>,
    /// Keys and values of each layer, `[capacity, kv_heads, head_dim]` each.
    layers: Vec<[Tensor<3>; 2]>,
    capacity: usize,
    used: usize,
}

impl Cache {
    pub(crate) fn new(
        config: &MistralConfig,
        prefix: Option<Arc<Prefix>>,
        capacity: usize,
        device: &Device,
    ) -> Self {
        let room = || Tensor::zeros([capacity, config.kv_heads, config.head_dim], device);
        Self {
            prefix: prefix.unwrap_or_else(|| Arc::new(Prefix::empty(config, device))),
            layers: (0..config.layers).map(|_| [room(), room()]).collect(),
            capacity,
            used: 0,
        }
    }

    /// Tokens that were read, with those of the beginning.
    pub fn len(&self) -> usize {
        self.prefix.tokens + self.used
    }

    /// Whether nothing was read.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many more tokens there is room for.
    pub const fn room(&self) -> usize {
        self.capacity - self.used
    }

    /// Puts the keys and values of the next tokens in a layer, and answers all: those of the beginning, and the text's
    /// own. The text is as long as before until [`advance`](Self::advance) says that all layers have been there.
    ///
    /// # Shapes
    /// `keys`, `values`: `[tokens, kv_heads, head_dim]`; the answer: `[1, kv_heads, .., head_dim]`.
    pub(crate) fn extend(
        &mut self,
        layer: usize,
        keys: Tensor<3>,
        values: Tensor<3>,
    ) -> ([Tensor<4>; 2], [Tensor<4>; 2]) {
        let [tokens, ..] = keys.dims();
        let (from, to) = (self.used, self.used + tokens);
        let rooms = &mut self.layers[layer];
        for (room, new) in rooms.iter_mut().zip([keys, values]) {
            // Nobody else holds the room now, so that it is written where it lies.
            let [_, kv_heads, head_dim] = room.dims();
            let none = Tensor::empty([0, 0, 0], &room.device());
            let whole = std::mem::replace(room, none);
            *room = whole.slice_assign([from..to, 0..kv_heads, 0..head_dim], new);
        }
        let own = rooms.each_ref().map(|room| {
            let [_, kv_heads, head_dim] = room.dims();
            let seen = room.clone().slice([0..to, 0..kv_heads, 0..head_dim]);
            seen.swap_dims(0, 1).unsqueeze_dim(0)
        });
        (self.prefix.layers[layer].clone(), own)
    }

    pub(crate) const fn advance(&mut self, tokens: usize) {
        self.used += tokens;
    }

    /// All that was read as a beginning for others.
    pub fn into_prefix(self) -> Prefix {
        let tokens = self.len();
        let layers = self.layers.into_iter().zip(&self.prefix.layers);
        let layers = layers.map(|(own, first)| {
            let [keys, values] = own;
            let joined = |own: Tensor<3>, first: &Tensor<4>| {
                let [_, kv_heads, head_dim] = own.dims();
                let own = own.slice([0..self.used, 0..kv_heads, 0..head_dim]);
                let own = own.swap_dims(0, 1).unsqueeze_dim::<4>(0);
                if self.prefix.is_empty() {
                    own
                } else {
                    Tensor::cat(vec![first.clone(), own], 2)
                }
            };
            [joined(keys, &first[0]), joined(values, &first[1])]
        });
        Prefix {
            layers: layers.collect(),
            tokens,
        }
    }
}
