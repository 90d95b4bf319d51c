//! The head: where there is something at each place, and which class it is.

use burn::module::Param;
use burn::nn::Initializer;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::prelude::*;
use burn::tensor::DType;
use ccsr_nn::ops::conv2d;

use crate::config::TEXT_WIDTH;
use crate::convolution::{BatchNorm, Conv};

/// Distances that a side of a box is a mixture of, in cells from 0.
pub(crate) const DISTANCES: usize = 16;
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

fn folded(branches: Vec<Branch>) -> Vec<Branch> {
    let fold = |(first, second, last): Branch| (first.fold(), second.fold(), last);
    branches.into_iter().map(fold).collect()
}

impl WorldDetect {
    /// For features of so many channels a level, fine to coarse.
    pub(crate) fn new(levels: [usize; 3], classes_at_build: usize, device: &Device) -> Self {
        let boxes = BOX_CHANNELS.max(levels[0] / 4);
        let classes = levels[0].max(classes_at_build.min(MOST_CLASSES));
        let constant = |value| Initializer::Constant { value }.init([1], device);
        let contrast = |_| Contrast {
            bias: constant(-10.0),
            logit_scale: constant(-1.0),
            norm: BatchNorm::new(TEXT_WIDTH, device),
        };
        let branches = |inner, to| {
            levels
                .map(|from| branch([from, inner, to], device))
                .to_vec()
        };
        Self {
            cv2: branches(boxes, BOX_NUMBERS),
            cv3: branches(classes, TEXT_WIDTH),
            cv4: levels.map(contrast).to_vec(),
        }
    }

    pub(crate) fn fold(self) -> Self {
        Self {
            cv2: folded(self.cv2),
            cv3: folded(self.cv3),
            ..self
        }
    }

    /// The last layers of the branch of classes for these texts, a level each. A text's score is an affine function of
    /// normalised features, these one of what the branch's last convolution sees, and so all of it is one convolution,
    /// which has as many outputs as there are classes: the features themselves are never made.
    ///
    /// # Shapes
    /// `texts`: `[classes, text_width]`.
    pub(crate) fn classifiers(&self, texts: &Tensor<2>) -> Vec<Conv2d> {
        let length = texts.clone().square().sum_dim(1).sqrt().clamp_min(1e-12);
        let texts = texts.clone() / length;
        let levels = self.cv3.iter().zip(&self.cv4);
        levels
            .map(|((.., features), contrast)| contrast.classifier(&texts, features))
            .collect()
    }

    /// Whether classifiers see what this head's branches make.
    pub(crate) fn takes(&self, classifiers: &[Conv2d]) -> bool {
        let inputs = |conv: &Conv2d| conv.weight.dims()[1];
        let mut levels = self.cv3.iter().zip(classifiers);
        levels.all(|((.., features), classifier)| inputs(features) == inputs(classifier))
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
        classifier: &Conv2d,
    ) -> [Tensor<3>; 2] {
        let through =
            |(first, second, _): &Branch, features| second.forward(first.forward(features));
        let boxes = through(&self.cv2[level], features.clone());
        let boxes = conv2d(&self.cv2[level].2, boxes);
        let scores = conv2d(classifier, through(&self.cv3[level], features));
        [boxes, scores].map(|numbers| numbers.flatten(2, 3))
    }
}

impl Contrast {
    /// Scores of texts of length 1 as a convolution of what `features` takes.
    fn classifier(&self, texts: &Tensor<2>, features: &Conv2d) -> Conv2d {
        let [width, inputs, ..] = features.weight.dims();
        let classes = texts.dims()[0];
        let [factor, shift] = self.norm.affine();
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
        made
    }
}
