//! The kernels beside Burn's primitives: the same numbers, on views and on what lies in order.

use burn::nn::conv::Conv2dConfig;
use burn::nn::{GroupNormConfig, LinearConfig, PaddingConfig2d};
use burn::tensor::{DType, Distribution};

use super::*;

fn random<const D: usize>(dims: [usize; D]) -> Tensor<D> {
    Tensor::random(dims, Distribution::Normal(0.0, 1.0), &Device::flex())
}

#[track_caller]
fn assert_near<const D: usize>(found: Tensor<D>, expected: Tensor<D>, bound: f32) {
    assert_eq!(found.dims(), expected.dims());
    let far = (found - expected.clone()).abs().max().into_scalar::<f32>();
    let most = expected.abs().max().into_scalar::<f32>();
    assert!(far <= bound * most, "off by {far} of {most}");
}

#[test]
fn convolutions_are_those_of_burn() {
    let device = Device::flex();
    for (kernel, stride, padding) in [
        (3, 1, PaddingConfig2d::Explicit(1, 1, 1, 1)),
        (3, 2, PaddingConfig2d::Explicit(1, 1, 1, 1)),
        (3, 2, PaddingConfig2d::Explicit(0, 0, 1, 1)),
        (1, 1, PaddingConfig2d::Valid),
        (4, 4, PaddingConfig2d::Valid),
    ] {
        for bias in [true, false] {
            let layer = Conv2dConfig::new([5, 7], [kernel; 2])
                .with_stride([stride; 2])
                .with_padding(padding.clone())
                .with_bias(bias)
                .init(&device);
            let input = random([2, 12, 9, 5]).permute([0, 3, 1, 2]);
            let expected = layer.forward(input.clone());
            assert_near(conv2d(&layer, input), expected, 1e-5);
        }
    }
}

#[test]
fn linear_layers_are_those_of_burn() {
    for bias in [true, false] {
        let layer = LinearConfig::new(9, 6)
            .with_bias(bias)
            .init(&Device::flex());
        let input = random([2, 9, 5]).swap_dims(1, 2);
        let expected = layer.forward(input.clone());
        assert_near(linear(&layer, input), expected, 1e-5);
        let mut turned = layer.clone();
        let weight = layer.weight.val().transpose().mul_scalar(1.0).transpose();
        turned.weight = burn::module::Param::from_tensor(weight);
        let input = random([4, 9]);
        let expected = layer.forward(input.clone());
        assert_near(linear(&turned, input), expected, 1e-5);
    }
}

#[test]
fn norms_and_activations_are_those_of_burn() {
    use burn::tensor::activation;
    let norm = GroupNormConfig::new(3, 6).init(&Device::flex());
    let input = random([2, 5, 4, 6]).permute([0, 3, 1, 2]);
    let expected = norm.forward(input.clone());
    assert_near(
        group_norm(&norm, input.clone(), false),
        expected.clone(),
        1e-5,
    );
    let expected = activation::silu(expected);
    assert_near(group_norm(&norm, input.clone(), true), expected, 1e-5);
    let expected = activation::gelu(input.clone());
    assert_near(gelu(input.clone()), expected, 1e-5);
    let parts = input.clone().chunk(2, 3);
    let expected = parts[0].clone() * activation::gelu(parts[1].clone());
    assert_near(geglu(input), expected, 1e-5);
}

#[test]
fn attention_is_that_of_burn() {
    use burn::tensor::module::attention;
    use burn::tensor::ops::AttentionModuleOptions;
    for causal in [false, true] {
        let heads = || random([2, 7, 3, 8]).swap_dims(1, 2);
        let [queries, keys, values] = [heads(), heads(), heads()];
        let options = AttentionModuleOptions {
            is_causal: causal,
            ..AttentionModuleOptions::default()
        };
        let expected = attention(
            queries.clone(),
            keys.clone(),
            values.clone(),
            None,
            None,
            options,
        );
        let expected = expected.swap_dims(1, 2).reshape([2, 7, 24]);
        assert_near(attend(queries, keys, values, causal), expected, 1e-5);
    }
}

/// Weights of half precision are widened as they are read: the same numbers as of widened weights.
#[test]
fn weights_may_be_halves() {
    let device = Device::flex();
    for dtype in [DType::F16, DType::BF16] {
        let halved = |weight: Param<Tensor<2>>| weight.map(|weight| weight.cast(dtype));
        let widened = |weight: Param<Tensor<2>>| weight.map(|weight| weight.cast(DType::F32));
        let mut halves = LinearConfig::new(9, 6).init(&device);
        halves.weight = halved(halves.weight);
        let mut wide = halves.clone();
        wide.weight = widened(wide.weight);
        let input = random([4, 9]);
        let found = linear(&halves, input.clone()).into_data();
        assert_eq!(found, linear(&wide, input).into_data());

        let mut halves = Conv2dConfig::new([5, 7], [3, 3]).init(&device);
        halves.weight = halves.weight.map(|weight| weight.cast(dtype));
        let mut wide = halves.clone();
        wide.weight = wide.weight.map(|weight| weight.cast(DType::F32));
        for padding in [
            PaddingConfig2d::Explicit(1, 1, 1, 1),
            // Not by a kernel.
            PaddingConfig2d::Explicit(1, 0, 0, 1),
        ] {
            (halves.padding, wide.padding) = (padding.clone(), padding);
            let input = random([2, 5, 8, 9]);
            let found = conv2d(&halves, input.clone()).into_data();
            assert_eq!(found, conv2d(&wide, input).into_data());
        }
    }
}

#[test]
fn half_precision_goes_burns_way() {
    let input = random([2, 6, 4, 8]);
    let half = input.clone().cast(DType::F16);
    let whole = |tensor: Tensor<4>| tensor.cast(DType::F32);
    for function in [silu, gelu, quick_gelu] {
        let found = whole(function(half.clone()));
        assert_near(found, function(input.clone()), 4e-3);
    }
    assert_near(whole(geglu(half)), geglu(input), 4e-3);
}

#[cfg(feature = "gpu")]
mod gpu;
mod gradients;
mod language;
