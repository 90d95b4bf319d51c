//! The head: where there is something at each place, and which class it is.

use burn::module::Param;
use burn::nn::Initializer;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::prelude::*;
use burn::tensor::DType;
use ccsr_nn::ops::conv2d;

use crate::convolution::Conv;
use crate::normalisation::BatchNorm;

/// Distances that a side of a box is a mixture of, in cells from 0.
pub const DISTANCES: usize = 16;
/// Numbers that say where a box is.
pub(crate) const BOX_NUMBERS: usize = 4 * DISTANCES;
/// The least channels of the branch of boxes.
const BOX_CHANNELS: usize = 64;
/// Classes beyond this make the branch of classes no wider.
const MOST_CLASSES: usize = 100;

/// Three convolutions; the last has a bias and nothing after it.
type Branch = (Conv, Conv, Conv2d);

/// Compares a place's features, normalised, with a text's.
#[derive(Module, Debug)]
struct Contrast {
    bias: Param<Tensor<1>>,
    // Files have it without dimensions; a parameter has one at least.
    logit_scale: Param<Tensor<1>>,
    norm: BatchNorm,
}

/// The head at all levels.
#[derive(Module, Debug)]
pub(crate) struct WorldDetect {
    cv2: Vec<Branch>,
    cv3: Vec<Branch>,
    cv4: Vec<Contrast>,
}

fn branch([from, inner, to]: [usize; 3], device: &Device) -> Branch {
    (
        Conv::new([from, inner], 3, 1, device),
        Conv::new([inner, inner], 3, 1, device),
        Conv2dConfig::new([inner, to], [1, 1]).init(device),
    )
}

/// What is left to do for a vocabulary after the first layers of the branch of classes.
#[derive(Clone, Debug)]
pub(crate) enum Classifiers {
    /// The branch's last convolution and all that follows it are one convolution, a level each.
    Folded(Vec<Conv2d>),
    /// Texts of length 1, `[classes, text_width]`, to compare normalised features with: what is normalised by the
    /// statistics of a batch is no convolution.
    Texts(Box<Tensor<2>>),
}

impl WorldDetect {
    /// For features of so many channels a level, fine to coarse, and of so many numbers a text (`texts`).
    pub(crate) fn new(
        levels: [usize; 3],
        classes_at_build: usize,
        texts: usize,
        device: &Device,
    ) -> Self {
        let boxes = BOX_CHANNELS.max(levels[0] / 4);
        let classes = levels[0].max(classes_at_build.min(MOST_CLASSES));
        let constant = |value| Initializer::Constant { value }.init([1], device);
        let contrast = |_| Contrast {
            bias: constant(-10.0),
            logit_scale: constant(-1.0),
            norm: BatchNorm::new(texts, device),
        };
        let branches = |inner, to| {
            levels
                .map(|from| branch([from, inner, to], device))
                .to_vec()
        };
        Self {
            cv2: branches(boxes, BOX_NUMBERS),
            cv3: branches(classes, texts),
            cv4: levels.map(contrast).to_vec(),
        }
    }

    pub(crate) fn convolutions(&mut self) -> impl Iterator<Item = &mut Conv> {
        let branches = self.cv2.iter_mut().chain(&mut self.cv3);
        branches.flat_map(|(first, second, _)| [first, second])
    }

    /// Normalisations of the features that are compared with texts.
    pub(crate) fn norms(&mut self) -> impl Iterator<Item = &mut BatchNorm> {
        self.cv4.iter_mut().map(|contrast| &mut contrast.norm)
    }

    /// Numbers of a text's features.
    pub(crate) fn text_width(&self) -> usize {
        self.cv3[0].2.weight.dims()[0]
    }

    /// What is left to do for these texts. A text's score is an affine function of normalised features, these one of what
    /// the branch's last convolution sees, and so all of it is one convolution, which has as many outputs as there are
    /// classes: the features themselves are never made.
    ///
    /// # Shapes
    /// `texts`: `[classes, text_width]`.
    pub(crate) fn classifiers(&self, texts: &Tensor<2>) -> Classifiers {
        let length = texts.clone().square().sum_dim(1).sqrt().clamp_min(1e-12);
        let texts = texts.clone() / length;
        let levels = self.cv3.iter().zip(&self.cv4);
        let folded = levels.map(|((.., features), contrast)| contrast.folded(&texts, features));
        match folded.collect() {
            Some(folded) => Classifiers::Folded(folded),
            None => Classifiers::Texts(Box::new(texts)),
        }
    }

    /// Whether classifiers see what this head's branches make.
    pub(crate) fn takes(&self, classifiers: &Classifiers) -> bool {
        let mut branches = self.cv3.iter().map(|(.., features)| features.weight.dims());
        match classifiers {
            Classifiers::Folded(folded) => branches
                .zip(folded)
                .all(|([_, inputs, ..], folded)| folded.weight.dims()[1] == inputs),
            Classifiers::Texts(texts) => branches.all(|[width, ..]| width == texts.dims()[1]),
        }
    }

    /// Numbers of boxes and scores of a level.
    ///
    /// # Shapes
    /// `features`: `[batch, channels, height, width]`; the answers: `[batch, box_numbers, places]` and
    /// `[batch, classes, places]`.
    pub(crate) fn forward(
        &self,
        level: usize,
        features: Tensor<4>,
        classifiers: &Classifiers,
    ) -> [Tensor<3>; 2] {
        let through =
            |(first, second, _): &Branch, features| second.forward(first.forward(features));
        let boxes = through(&self.cv2[level], features.clone());
        let boxes = conv2d(&self.cv2[level].2, boxes).flatten(2, 3);
        let inner = through(&self.cv3[level], features);
        let scores = match classifiers {
            Classifiers::Folded(folded) => conv2d(&folded[level], inner).flatten(2, 3),
            Classifiers::Texts(texts) => {
                self.cv4[level].scores(texts, conv2d(&self.cv3[level].2, inner))
            }
        };
        [boxes, scores]
    }
}

impl Contrast {
    /// Scores of texts of length 1.
    ///
    /// # Shapes
    /// `features`: `[batch, text_width, height, width]`; the answer: `[batch, classes, places]`.
    fn scores(&self, texts: &Tensor<2>, features: Tensor<4>) -> Tensor<3> {
        let features = self.norm.forward(features, false).flatten(2, 3);
        let fits = texts.clone().unsqueeze::<3>().matmul(features);
        fits * self.logit_scale.val().exp().unsqueeze::<3>() + self.bias.val().unsqueeze::<3>()
    }

    /// Scores of texts of length 1 as a convolution of what `features` takes; none while the normalisation goes by the
    /// statistics of batches.
    fn folded(&self, texts: &Tensor<2>, features: &Conv2d) -> Option<Conv2d> {
        let [factor, shift] = self.norm.affine()?;
        let [width, inputs, ..] = features.weight.dims();
        let classes = texts.dims()[0];
        let scale = self.logit_scale.val().exp();
        let weighted = texts.clone() * factor.unsqueeze::<2>();
        let weight = features.weight.val().cast(DType::F32);
        let weight = weighted.clone().matmul(weight.reshape([width, inputs]));
        let mut constant = texts.clone().matmul(shift.reshape([width, 1]));
        if let Some(bias) = &features.bias {
            constant = constant + weighted.matmul(bias.val().reshape([width, 1]));
        }
        let weight = weight * scale.clone().unsqueeze::<2>();
        let bias = constant.reshape([classes]) * scale + self.bias.val();
        let mut made = Conv2dConfig::new([inputs, classes], [1, 1]).init(&texts.device());
        made.weight = Param::from_tensor(weight.reshape([classes, inputs, 1, 1]));
        made.bias = Some(Param::from_tensor(bias));
        Some(made)
    }
}
