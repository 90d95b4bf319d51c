//! Blocks of the UNet: residual networks, with transformers between them or without.

use std::slice::Iter;

use burn::prelude::*;
use ccsr_nn::{Adaptable, Sites};

use crate::attention::KeysValues;
use crate::resnet::{Downsample, Resnet, ResnetSize, Upsample};
use crate::transformer::{Transformer, TransformerSize};

/// A block on the way down.
#[derive(Module, Debug)]
pub(crate) struct DownBlock {
    resnets: Vec<Resnet>,
    attentions: Option<Vec<Transformer>>,
    downsamplers: Option<Vec<Downsample>>,
}

/// A block on the way up.
#[derive(Module, Debug)]
pub(crate) struct UpBlock {
    resnets: Vec<Resnet>,
    attentions: Option<Vec<Transformer>>,
    upsamplers: Option<Vec<Upsample>>,
}

/// The block in the middle.
#[derive(Module, Debug)]
pub(crate) struct MidBlock {
    resnets: Vec<Resnet>,
    attentions: Vec<Transformer>,
}

fn project(attentions: &[Transformer], context: &Tensor<3>, found: &mut Vec<KeysValues>) {
    for attention in attentions {
        attention.project(context, found);
    }
}

/// A transformer after each residual network, if there are any.
fn transformers(
    size: Option<TransformerSize>,
    count: usize,
    device: &Device,
) -> Option<Vec<Transformer>> {
    size.map(|size| (0..count).map(|_| Transformer::new(size, device)).collect())
}

impl DownBlock {
    /// `downsample`: whether it ends with half the sides, and whether that is padded all around.
    pub(crate) fn new(
        [from, to]: [usize; 2],
        layers: usize,
        (resnet, attention): (ResnetSize, Option<TransformerSize>),
        downsample: Option<bool>,
        device: &Device,
    ) -> Self {
        let resnets = (0..layers).map(|layer| {
            let from = if layer == 0 { from } else { to };
            Resnet::new([from, to], resnet, device)
        });
        Self {
            resnets: resnets.collect(),
            attentions: transformers(attention, layers, device),
            downsamplers: downsample
                .map(|all_around| vec![Downsample::new(to, all_around, device)]),
        }
    }

    pub(crate) fn project(&self, context: &Tensor<3>, found: &mut Vec<KeysValues>) {
        project(
            self.attentions.as_deref().unwrap_or_default(),
            context,
            found,
        );
    }

    /// The block's outcome; what it went through is put on `skips`, for the way up.
    pub(crate) fn forward(
        &self,
        mut sample: Tensor<4>,
        time: &Tensor<2>,
        text: &mut Iter<'_, KeysValues>,
        skips: &mut Vec<Tensor<4>>,
    ) -> Tensor<4> {
        let attentions = self.attentions.as_deref().unwrap_or_default();
        for (layer, resnet) in self.resnets.iter().enumerate() {
            sample = resnet.forward(sample, Some(time.clone()));
            if let Some(attention) = attentions.get(layer) {
                sample = attention.forward(sample, text);
            }
            skips.push(sample.clone());
        }
        for downsampler in self.downsamplers.iter().flatten() {
            sample = downsampler.forward(sample);
            skips.push(sample.clone());
        }
        sample
    }
}

impl MidBlock {
    pub(crate) fn new(
        channels: usize,
        resnet: ResnetSize,
        attention: TransformerSize,
        device: &Device,
    ) -> Self {
        let resnets = (0..2).map(|_| Resnet::new([channels; 2], resnet, device));
        Self {
            resnets: resnets.collect(),
            attentions: vec![Transformer::new(attention, device)],
        }
    }

    pub(crate) fn project(&self, context: &Tensor<3>, found: &mut Vec<KeysValues>) {
        project(&self.attentions, context, found);
    }

    pub(crate) fn forward(
        &self,
        sample: Tensor<4>,
        time: &Tensor<2>,
        text: &mut Iter<'_, KeysValues>,
    ) -> Tensor<4> {
        let mut sample = self.resnets[0].forward(sample, Some(time.clone()));
        for (attention, resnet) in self.attentions.iter().zip(&self.resnets[1..]) {
            sample = attention.forward(sample, text);
            sample = resnet.forward(sample, Some(time.clone()));
        }
        sample
    }
}

impl UpBlock {
    /// `skips` are the channels of what comes from the way down, one a layer.
    pub(crate) fn new(
        [from, to]: [usize; 2],
        skips: &[usize],
        (resnet, attention): (ResnetSize, Option<TransformerSize>),
        upsample: bool,
        device: &Device,
    ) -> Self {
        let resnets = skips.iter().enumerate().map(|(layer, skip)| {
            let from = if layer == 0 { from } else { to };
            Resnet::new([from + skip, to], resnet, device)
        });
        Self {
            resnets: resnets.collect(),
            attentions: transformers(attention, skips.len(), device),
            upsamplers: upsample.then(|| vec![Upsample::new(to, device)]),
        }
    }

    pub(crate) fn project(&self, context: &Tensor<3>, found: &mut Vec<KeysValues>) {
        project(
            self.attentions.as_deref().unwrap_or_default(),
            context,
            found,
        );
    }

    /// How much it takes of what the way down went through.
    pub(crate) fn takes(&self) -> usize {
        self.resnets.len()
    }

    /// The block's outcome. What the way down went through is taken from the end of `skips`; the next
    /// of them says how large the outcome is.
    pub(crate) fn forward(
        &self,
        mut sample: Tensor<4>,
        time: &Tensor<2>,
        text: &mut Iter<'_, KeysValues>,
        skips: &mut Vec<Tensor<4>>,
    ) -> Tensor<4> {
        let attentions = self.attentions.as_deref().unwrap_or_default();
        for (layer, resnet) in self.resnets.iter().enumerate() {
            let skip = skips
                .pop()
                .expect("the way down went through as many layers");
            sample = resnet.forward(Tensor::cat(vec![sample, skip], 1), Some(time.clone()));
            if let Some(attention) = attentions.get(layer) {
                sample = attention.forward(sample, text);
            }
        }
        for upsampler in self.upsamplers.iter().flatten() {
            let sides = skips.last().map(|skip| {
                let [_, _, height, width] = skip.dims();
                [height, width]
            });
            sample = upsampler.forward(sample, sides);
        }
        sample
    }
}

impl Adaptable for DownBlock {
    fn find_sites<'a>(&'a mut self, sites: &mut Sites<'a>) {
        sites.parts("resnets", &mut self.resnets);
        sites.parts("attentions", self.attentions.iter_mut().flatten());
        sites.parts("downsamplers", self.downsamplers.iter_mut().flatten());
    }
}

impl Adaptable for MidBlock {
    fn find_sites<'a>(&'a mut self, sites: &mut Sites<'a>) {
        sites.parts("resnets", &mut self.resnets);
        sites.parts("attentions", &mut self.attentions);
    }
}

impl Adaptable for UpBlock {
    fn find_sites<'a>(&'a mut self, sites: &mut Sites<'a>) {
        sites.parts("resnets", &mut self.resnets);
        sites.parts("attentions", self.attentions.iter_mut().flatten());
        sites.parts("upsamplers", self.upsamplers.iter_mut().flatten());
    }
}
