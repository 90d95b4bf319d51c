//! The network: a backbone, a neck that goes from coarse to fine and back, and a head at three levels.

use burn::prelude::*;

use crate::Vocabulary;
use crate::attention::C2fAttention;
use crate::block::{C2f, Sppf};
use crate::config::YoloWorldConfig;
use crate::convolution::Conv;
use crate::head::WorldDetect;
use crate::normalisation::BatchNorm;

/// Pixels between two places, at each level.
pub(crate) const STRIDES: [usize; 3] = [8, 16, 32];

/// YOLO-World. Numbers in names are pixels between two places there.
#[derive(Module, Debug)]
pub struct Network {
    down_2: Conv,
    down_4: Conv,
    stage_4: C2f,
    down_8: Conv,
    stage_8: C2f,
    down_16: Conv,
    stage_16: C2f,
    down_32: Conv,
    stage_32: C2f,
    pool: Sppf,
    neck_16: C2fAttention,
    neck_8: C2fAttention,
    lower_16: Conv,
    out_16: C2fAttention,
    lower_32: Conv,
    out_32: C2fAttention,
    detect: WorldDetect,
}

/// What the network says of images: numbers of boxes and scores before the sigmoid, for every place, levels one after the
/// other, rows after rows.
#[derive(Clone, Debug)]
pub struct Predictions {
    /// `[batch, 64, places]`: for each side of a box, left, top, right, bottom, how likely each of 16 distances is.
    pub boxes: Tensor<3>,
    /// `[batch, classes, places]`.
    pub scores: Tensor<3>,
}

impl Network {
    pub(crate) fn new(config: &YoloWorldConfig, device: &Device) -> Self {
        let [c2, c4, c8, c16, c32] = [64, 128, 256, 512, 1024].map(|of| config.channels(of));
        let (few, many) = (config.repeats(3), config.repeats(6));
        let (classes, texts) = (config.classes_at_build, config.text_width);
        let down = |from, to| Conv::new([from, to], 3, 2, device);
        let stage = |channels, count| C2f::new([channels; 2], count, device);
        let neck = |from, to, heads| {
            C2fAttention::new([from, to], few, config.heads(heads), texts, device)
        };
        Self {
            down_2: down(3, c2),
            down_4: down(c2, c4),
            stage_4: stage(c4, few),
            down_8: down(c4, c8),
            stage_8: stage(c8, many),
            down_16: down(c8, c16),
            stage_16: stage(c16, many),
            down_32: down(c16, c32),
            stage_32: stage(c32, few),
            pool: Sppf::new([c32; 2], device),
            neck_16: neck(c32 + c16, c16, 8),
            neck_8: neck(c16 + c8, c8, 4),
            lower_16: down(c8, c8),
            out_16: neck(c8 + c16, c16, 8),
            lower_32: down(c16, c16),
            out_32: neck(c16 + c32, c32, 16),
            detect: WorldDetect::new([c8, c16, c32], classes, texts, device),
        }
    }

    /// The same network with normalisations folded into convolutions: what is quick to run, and no longer what files
    /// hold. A network in training stays as it is.
    #[must_use]
    pub fn fold(mut self) -> Self {
        self.convolutions().for_each(Conv::fold);
        self
    }

    /// The same network in training: it normalises by the statistics of the batch that it sees, and has no parameters that
    /// say those of all images.
    #[must_use]
    pub fn in_training(mut self) -> Self {
        self.each_norm(BatchNorm::forget);
        self
    }

    /// The same network after training: it normalises by the mean over these batches of their means and variances ("precise
    /// BN", Wu and Johnson, 2021, arXiv 2105.07576), each seen as in training.
    ///
    /// # Shapes
    /// Of each batch the images, as for [`forward`](Self::forward), and the texts, as for
    /// [`vocabulary`](Self::vocabulary).
    #[must_use]
    pub fn with_statistics_of(
        mut self,
        batches: impl IntoIterator<Item = (Tensor<4>, Tensor<2>)>,
    ) -> Self {
        self.each_norm(BatchNorm::gather);
        for (pixels, texts) in batches {
            let vocabulary = self.vocabulary(&texts);
            self.forward(pixels, &vocabulary);
        }
        self.each_norm(BatchNorm::conclude);
        self
    }

    fn each_norm(&mut self, act: fn(&mut BatchNorm)) {
        self.convolutions().filter_map(Conv::norm).for_each(act);
        self.detect.norms().for_each(act);
    }

    fn convolutions(&mut self) -> impl Iterator<Item = &mut Conv> {
        let single = [
            &mut self.down_2,
            &mut self.down_4,
            &mut self.down_8,
            &mut self.down_16,
            &mut self.down_32,
            &mut self.lower_16,
            &mut self.lower_32,
        ];
        let stages = [
            &mut self.stage_4,
            &mut self.stage_8,
            &mut self.stage_16,
            &mut self.stage_32,
        ];
        let necks = [
            &mut self.neck_16,
            &mut self.neck_8,
            &mut self.out_16,
            &mut self.out_32,
        ];
        let stages = stages.into_iter().flat_map(C2f::convolutions);
        let necks = necks.into_iter().flat_map(C2fAttention::convolutions);
        let ends = self.pool.convolutions().chain(self.detect.convolutions());
        single.into_iter().chain(stages).chain(necks).chain(ends)
    }

    /// Numbers of a text's features that it takes.
    pub(crate) fn text_width(&self) -> usize {
        self.detect.text_width()
    }

    /// Texts as this network sees them: made anew whenever its numbers change.
    ///
    /// # Shapes
    /// `texts`: `[classes, text_width]`, one class at least.
    pub fn vocabulary(&self, texts: &Tensor<2>) -> Vocabulary {
        let necks = [&self.neck_16, &self.neck_8, &self.out_16, &self.out_32];
        Vocabulary {
            classes: texts.dims()[0],
            guides: necks.map(|neck| neck.guide(texts)),
            classifiers: self.detect.classifiers(texts),
        }
    }

    /// Whether a vocabulary can be this network's: whether it has its sizes.
    pub(crate) fn takes(&self, vocabulary: &Vocabulary) -> bool {
        let necks = [&self.neck_16, &self.neck_8, &self.out_16, &self.out_32];
        let guided = necks.iter().zip(&vocabulary.guides);
        let guided = guided.map(|(neck, guide)| neck.takes(guide));
        guided
            .chain([self.detect.takes(&vocabulary.classifiers)])
            .all(|fits| fits)
    }

    /// # Shapes
    /// `pixels`: `[batch, 3, height, width]` between 0 and 1, sides multiples of 32.
    pub fn forward(&self, pixels: Tensor<4>, vocabulary: &Vocabulary) -> Predictions {
        let backbone = self
            .stage_4
            .forward(self.down_4.forward(self.down_2.forward(pixels)));
        let at_8 = self.stage_8.forward(self.down_8.forward(backbone));
        let at_16 = self.stage_16.forward(self.down_16.forward(at_8.clone()));
        let at_32 = self.stage_32.forward(self.down_32.forward(at_16.clone()));
        let at_32 = self.pool.forward(at_32);

        let [to_16, to_8, from_16, from_32] = &vocabulary.guides;
        let join = |one, other| Tensor::cat(vec![one, other], 1);
        let neck_16 = join(doubled(&at_32), at_16);
        let neck_16 = self.neck_16.forward(neck_16, to_16);
        let out_8 = join(doubled(&neck_16), at_8);
        let out_8 = self.neck_8.forward(out_8, to_8);
        let out_16 = join(self.lower_16.forward(out_8.clone()), neck_16);
        let out_16 = self.out_16.forward(out_16, from_16);
        let out_32 = join(self.lower_32.forward(out_16.clone()), at_32);
        let out_32 = self.out_32.forward(out_32, from_32);

        let levels = [out_8, out_16, out_32].into_iter().enumerate();
        let levels = levels.map(|(level, features)| {
            self.detect
                .forward(level, features, &vocabulary.classifiers)
        });
        let (boxes, scores) = levels.map(|[boxes, scores]| (boxes, scores)).unzip();
        Predictions {
            boxes: Tensor::cat(boxes, 2),
            scores: Tensor::cat(scores, 2),
        }
    }
}

/// Every cell four times: twice the sides.
fn doubled(input: &Tensor<4>) -> Tensor<4> {
    let [batch, channels, height, width] = input.dims();
    let cells = input
        .clone()
        .reshape([batch, channels, height, 1, width, 1]);
    let cells = cells.expand([batch, channels, height, 2, width, 2]);
    cells.reshape([batch, channels, 2 * height, 2 * width])
}
