//! The operations in CubeCL beside those on the CPU: `just wgpu` runs these, on Mesa's lavapipe if there is no
//! card, `just cuda-acceptance` on an NVIDIA card.

mod language;

use burn::nn::conv::Conv2dConfig;
use burn::nn::{GroupNormConfig, LinearConfig, PaddingConfig2d};

use super::*;

#[cfg(feature = "cuda")]
fn gpu() -> Device {
    Device::cuda(0)
}

#[cfg(not(feature = "cuda"))]
fn gpu() -> Device {
    Device::wgpu(burn::tensor::DeviceKind::DefaultDevice)
}

/// That a function has the same numbers on both.
#[track_caller]
fn assert_alike<const D: usize, const E: usize>(
    input: Tensor<D>,
    function: impl Fn(Tensor<D>, &Device) -> Tensor<E>,
) {
    let there = Tensor::from_data(input.to_data(), &gpu());
    let found = function(there, &gpu()).to_data();
    let found = Tensor::from_data(found, &Device::flex());
    assert_near(found, function(input, &Device::flex()), 2e-5);
}

#[test]
fn geglu_and_activations() {
    // Rows that do not fill a cube, and more than one cube.
    assert_alike(random([3, 37, 62]), |x, _| geglu(x));
    assert_alike(random([2, 9, 30]).swap_dims(0, 1), |x, _| geglu(x));
    assert_alike(random([5, 300]), |x, _| silu(x));
    assert_alike(random([5, 300]), |x, _| gelu(x));
    assert_alike(random([5, 300]), |x, _| quick_gelu(x));
}

#[test]
fn group_norm_with_and_without_silu() {
    let scale = random([6]);
    for (after, sides) in [(true, [7, 5]), (false, [20, 33])] {
        // Far from 0: the moments must not cancel.
        let input = random([2, 6, sides[0], sides[1]]).add_scalar(40.0);
        assert_alike(input, |x, device| {
            let mut norm = GroupNormConfig::new(3, 6).init(device);
            let gamma = Tensor::from_data(scale.to_data(), device);
            norm.beta = Some(Param::from_tensor(gamma.clone().mul_scalar(0.5)));
            norm.gamma = Some(Param::from_tensor(gamma));
            group_norm(&norm, x, after)
        });
    }
}

#[test]
fn layers_and_attention() {
    let linear_weight = random([30, 20]);
    assert_alike(random([2, 9, 30]), |x, device| {
        let mut layer = LinearConfig::new(30, 20).with_bias(false).init(device);
        layer.weight = Param::from_tensor(Tensor::from_data(linear_weight.to_data(), device));
        linear(&layer, x)
    });
    let kernel = random([7, 5, 3, 3]);
    assert_alike(random([2, 5, 12, 9]), |x, device| {
        let mut layer = Conv2dConfig::new([5, 7], [3, 3])
            .with_padding(PaddingConfig2d::Explicit(0, 0, 1, 1))
            .with_stride([2, 2])
            .with_bias(false)
            .init(device);
        layer.weight = Param::from_tensor(Tensor::from_data(kernel.to_data(), device));
        conv2d(&layer, x)
    });
    for causal in [false, true] {
        assert_alike(random([2, 3, 17, 8]), |x, _| {
            attend(x.clone(), x.clone().mul_scalar(0.7), x, causal)
        });
    }
}

#[test]
fn gradients_go_through_the_primitives() {
    let input = random([2, 6, 7, 5]);
    let gradient = |device: Device| {
        let norm = GroupNormConfig::new(3, 6).init(&device);
        let input = Tensor::<4>::from_data(input.to_data(), &device).require_grad();
        let result = geglu(
            group_norm(&norm, input.clone(), true)
                .reshape([2, 6, 35, 1])
                .swap_dims(1, 3),
        );
        let gradients = result.powi_scalar(2).sum().backward();
        Tensor::<4>::from_data(input.grad(&gradients).unwrap().to_data(), &Device::flex())
    };
    assert_near(
        gradient(gpu().autodiff()),
        gradient(Device::flex().autodiff()),
        1e-4,
    );
}
