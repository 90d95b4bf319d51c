//! Gradients of the kernels beside those of Burn's primitives.

use burn::module::Module;
use burn::nn::conv::Conv2dConfig;
use burn::nn::{GroupNormConfig, LinearConfig, PaddingConfig2d};
use burn::tensor::activation;
use burn::tensor::module::attention;

use super::*;

fn device() -> Device {
    Device::flex().autodiff()
}

/// Numbers that gradients are wanted of.
fn leaf<const D: usize>(dims: [usize; D]) -> Tensor<D> {
    Tensor::random(dims, Distribution::Normal(0.0, 1.0), &device()).require_grad()
}

/// A number in which every number of a result counts differently.
fn weighed<const D: usize>(result: Tensor<D>) -> Tensor<1> {
    let count = result.dims().iter().product::<usize>() as i64;
    let weights = Tensor::<1, Int>::arange(0..count, &result.device()).float();
    let weights = weights.mul_scalar(0.37).sin().reshape(result.dims());
    (result * weights).sum()
}

/// That two functions have the same gradients of the same input.
#[track_caller]
fn assert_alike<const D: usize, const E: usize>(
    input: &Tensor<D>,
    ours: impl Fn(Tensor<D>) -> Tensor<E>,
    theirs: impl Fn(Tensor<D>) -> Tensor<E>,
) {
    let of = |function: &dyn Fn(Tensor<D>) -> Tensor<E>| {
        let gradients = weighed(function(input.clone())).backward();
        input.grad(&gradients).unwrap()
    };
    assert_near(of(&ours), of(&theirs), 2e-5);
}

#[test]
fn of_activations() {
    let input = leaf([3, 5, 24]);
    // Views, too.
    let turned = |input: Tensor<3>| input.swap_dims(0, 1);
    assert_alike(&input, |x| silu(turned(x)), |x| activation::silu(turned(x)));
    assert_alike(&input, |x| gelu(turned(x)), |x| activation::gelu(turned(x)));
    let quick = |x: Tensor<3>| x.clone() * activation::sigmoid(x.mul_scalar(1.702));
    assert_alike(&input, quick_gelu, quick);
    let halves = |x: Tensor<3>| {
        let parts = x.chunk(2, 2);
        parts[0].clone() * activation::gelu(parts[1].clone())
    };
    assert_alike(&input, |x| geglu(turned(x)), |x| halves(turned(x)));
}

#[test]
fn of_doubled_images() {
    let input = leaf([3, 4, 5, 6]);
    let twice = |sides: i64| {
        let places: Vec<i64> = (0..2 * sides).map(|place| place / 2).collect();
        Tensor::<1, Int>::from_data(places.as_slice(), &device())
    };
    assert_alike(
        &input,
        |x| double(x.swap_dims(2, 3)),
        |x| x.swap_dims(2, 3).select(2, twice(6)).select(3, twice(5)),
    );
    let found = double(input.clone()).into_data();
    let theirs = input.select(2, twice(5)).select(3, twice(6)).into_data();
    found.assert_eq(&theirs, true);
}

#[test]
fn of_group_norms() {
    let norm = GroupNormConfig::new(3, 6).init(&device());
    let input = leaf([2, 6, 4, 5]);
    for after in [false, true] {
        let theirs = |x: Tensor<4>| {
            let normal = norm.forward(x);
            if after {
                activation::silu(normal)
            } else {
                normal
            }
        };
        assert_alike(&input, |x| group_norm(&norm, x, after), theirs);
        let parameters = |result: Tensor<4>| {
            let gradients = weighed(result).backward();
            let of = |parameter: &Option<Param<Tensor<1>>>| {
                parameter.as_ref().unwrap().val().grad(&gradients).unwrap()
            };
            [of(&norm.gamma), of(&norm.beta)]
        };
        let ours = parameters(group_norm(&norm, input.clone(), after));
        let expected = parameters(theirs(input.clone()));
        for (ours, expected) in ours.into_iter().zip(expected) {
            assert_near(ours, expected, 2e-5);
        }
    }
}

#[test]
fn of_attention() {
    let heads = |rows: usize| leaf([2, 3, rows, 8]);
    for (queries, keys, causal) in [(5, 7, false), (6, 6, true), (40, 40, false)] {
        let inputs = [heads(queries), heads(keys), heads(keys)];
        let gradients = |result: Tensor<3>| {
            let gradients = weighed(result).backward();
            inputs
                .each_ref()
                .map(|input| input.grad(&gradients).unwrap())
        };
        let [q, k, v] = inputs.clone();
        let ours = gradients(attend(q, k, v, causal));
        let [q, k, v] = inputs.clone();
        let options = burn::tensor::ops::AttentionModuleOptions {
            is_causal: causal,
            ..Default::default()
        };
        let joined = attention(q, k, v, None, None, options).swap_dims(1, 2);
        let expected = gradients(joined.reshape([2, queries, 24]));
        for (ours, expected) in ours.into_iter().zip(expected) {
            assert_near(ours, expected, 5e-5);
        }
    }
}

#[test]
fn of_norms_by_the_root_of_the_mean_square() {
    let (input, gamma) = (leaf([3, 70, 24]), leaf([24]));
    let theirs = |x: Tensor<3>, gamma: Tensor<1>| {
        let mean = x.clone().square().mean_dim(2).add_scalar(1e-5);
        x / mean.sqrt() * gamma.reshape([1, 1, 24])
    };
    let turned = |input: Tensor<3>| input.swap_dims(0, 1);
    assert_alike(
        &input,
        |x| rms_norm(turned(x), gamma.clone(), 1e-5),
        |x| theirs(turned(x), gamma.clone()),
    );
    assert_alike(
        &gamma,
        |gamma| rms_norm(turned(input.clone()), gamma, 1e-5),
        |gamma| theirs(turned(input.clone()), gamma),
    );
}

#[test]
fn of_layer_norms() {
    let (input, gamma, beta) = (leaf([3, 70, 24]), leaf([24]), leaf([24]));
    let theirs = |x: Tensor<3>, gamma: Tensor<1>, beta: Tensor<1>| {
        let (variance, mean) = x.clone().var_mean_bias(2);
        let normal = (x - mean) / variance.add_scalar(1e-5).sqrt();
        normal * gamma.reshape([1, 1, 24]) + beta.reshape([1, 1, 24])
    };
    let turned = |input: Tensor<3>| input.swap_dims(0, 1);
    assert_alike(
        &input,
        |x| layer_norm(turned(x), gamma.clone(), beta.clone(), 1e-5),
        |x| theirs(turned(x), gamma.clone(), beta.clone()),
    );
    assert_alike(
        &gamma,
        |gamma| layer_norm(input.clone(), gamma, beta.clone(), 1e-5),
        |gamma| theirs(input.clone(), gamma, beta.clone()),
    );
    assert_alike(
        &beta,
        |beta| layer_norm(input.clone(), gamma.clone(), beta, 1e-5),
        |beta| theirs(input.clone(), gamma.clone(), beta),
    );
}

#[test]
fn of_gated_units() {
    let (gates, values) = (leaf([5, 30]), leaf([30, 5]));
    let theirs = |gates, values| activation::silu(gates) * values;
    assert_alike(
        &gates,
        |gates| swiglu(gates, values.clone().transpose()),
        |gates| theirs(gates, values.clone().transpose()),
    );
    assert_alike(
        &values,
        |values| swiglu(gates.clone().transpose(), values),
        |values| theirs(gates.clone().transpose(), values),
    );
}

#[test]
fn of_rotations() {
    let (input, angles) = (leaf([5, 7, 12]), random([7, 6]));
    let angles = Tensor::from_data(angles.into_data(), &device());
    let (cos, sin) = (angles.clone().cos(), angles.sin());
    let theirs = |x: Tensor<3>| {
        let [cos, sin] = [&cos, &sin].map(|of| of.clone().reshape([7, 1, 6]));
        let parts = x.chunk(2, 2);
        let (a, b) = (parts[0].clone(), parts[1].clone());
        let first = a.clone() * cos.clone() - b.clone() * sin.clone();
        Tensor::cat(vec![first, b * cos + a * sin], 2)
    };
    let turned = |input: Tensor<3>| input.swap_dims(0, 1);
    assert_alike(
        &input,
        |x| rotate(turned(x), cos.clone(), sin.clone()),
        |x| theirs(turned(x)),
    );
}

#[test]
fn of_gathered_rows() {
    let input = leaf([5, 3, 4]);
    let index = Tensor::<1, Int>::from_data([4_i64, 0, 0, 2, 4, 4, 1], &device());
    let turned = |input: Tensor<3>| input.swap_dims(1, 2);
    assert_alike(
        &input,
        |x| gather_rows(turned(x), index.clone()),
        |x| turned(x).select(0, index.clone()),
    );
}

/// Grouped heads: beside attention whose keys and values are repeated and whose mask is written out.
#[test]
fn of_attention_after_a_beginning() {
    for (first, before, rows) in [(0, 0, 9), (0, 7, 40), (3, 2, 5)] {
        let queries = leaf([2, 6, rows, 8]);
        let keys = |count| [(); 2].map(|()| leaf([2, 2, count, 8]));
        let (first_inputs, own) = (keys(first), keys(before + rows));
        let gradients = |result: Tensor<3>| {
            let gradients = weighed(result).backward();
            let inputs = own.iter().chain(first_inputs.iter().filter(|_| first > 0));
            let found = inputs.chain([&queries]);
            let found = found.map(|input| input.grad(&gradients).unwrap());
            found.collect::<Vec<_>>()
        };
        let ours = attend_after(queries.clone(), first_inputs.clone(), own.clone());
        let seen = first + before + rows;
        let all = [0, 1].map(|index: usize| {
            let parts = vec![first_inputs[index].clone(), own[index].clone()];
            let all = Tensor::cat(parts, 2).reshape([2, 2, 1, seen, 8]);
            all.repeat_dim(2, 3).reshape([2, 6, seen, 8])
        });
        let [keys, values] = all;
        let scores = queries.clone().matmul(keys.transpose()) / 8_f32.sqrt();
        let hidden = Tensor::<2, Bool>::tril_mask([rows, seen], (seen - rows) as i64, &device());
        let scores = scores.mask_fill(hidden.unsqueeze(), f32::NEG_INFINITY);
        let joined = activation::softmax(scores, 3)
            .matmul(values)
            .swap_dims(1, 2);
        let expected = gradients(joined.reshape([2, rows, 48]));
        for (ours, expected) in gradients(ours).into_iter().zip(expected) {
            assert_near(ours, expected, 5e-5);
        }
    }
}

#[test]
fn of_linear_layers() {
    for bias in [true, false] {
        let layer = LinearConfig::new(9, 6).with_bias(bias).init(&device());
        let input = leaf([2, 5, 9]);
        assert_alike(&input, |x| linear(&layer, x), |x| layer.forward(x));
        let weights = |result: Tensor<3>| {
            let gradients = weighed(result).backward();
            layer.weight.val().grad(&gradients).unwrap()
        };
        let ours = weights(linear(&layer, input.clone()));
        assert_near(ours, weights(layer.forward(input)), 2e-5);
    }
}

#[test]
fn of_convolutions() {
    for (kernel, stride, padding) in [
        (3, 1, PaddingConfig2d::Explicit(1, 1, 1, 1)),
        (3, 2, PaddingConfig2d::Explicit(1, 1, 1, 1)),
        (3, 2, PaddingConfig2d::Explicit(0, 0, 1, 1)),
        (1, 1, PaddingConfig2d::Valid),
        (3, 1, PaddingConfig2d::Valid),
        (4, 4, PaddingConfig2d::Valid),
    ] {
        let layer = Conv2dConfig::new([5, 7], [kernel; 2])
            .with_stride([stride; 2])
            .with_padding(padding.clone())
            .init(&device());
        let input = leaf([2, 5, 12, 9]);
        assert_alike(&input, |x| conv2d(&layer, x), |x| layer.forward(x));
        let parameters = |result: Tensor<4>| {
            let gradients = weighed(result).backward();
            let bias = layer.bias.as_ref().unwrap().val();
            let weight = layer.weight.val().grad(&gradients).unwrap();
            (weight, bias.grad(&gradients).unwrap())
        };
        let ours = parameters(conv2d(&layer, input.clone()));
        let expected = parameters(layer.forward(input));
        assert_near(ours.0, expected.0, 2e-5);
        assert_near(ours.1, expected.1, 2e-5);
    }
}

/// What is frozen has no gradients, and what is behind it has.
#[test]
fn go_through_what_is_frozen() {
    let layer = LinearConfig::new(4, 4).init(&device()).no_grad();
    let input = leaf([3, 4]);
    let gradients = weighed(linear(&layer, silu(input.clone()))).backward();
    assert!(input.grad(&gradients).is_some());
    assert!(layer.weight.val().grad(&gradients).is_none());
    // Without anything to be had of them, nothing is recorded.
    let plain = Tensor::<2>::ones([3, 4], &device());
    assert!(!linear(&layer, plain).is_require_grad());
}

/// A frozen weight of half precision lets gradients through as its widened one does.
#[test]
fn go_through_halves() {
    let layer = LinearConfig::new(6, 4).init(&device()).no_grad();
    let input = leaf([3, 6]);
    let gradient = |dtype: DType| {
        let mut layer = layer.clone();
        layer.weight = layer
            .weight
            .map(|weight| weight.cast(DType::F16).cast(dtype));
        let gradients = weighed(linear(&layer, input.clone())).backward();
        input.grad(&gradients).unwrap().into_data()
    };
    assert_eq!(gradient(DType::F16), gradient(DType::F32));
}

/// Recomputing what is cheap changes no gradient.
#[test]
fn are_the_same_with_checkpoints() {
    let layer = LinearConfig::new(6, 12).init(&Device::flex());
    let numbers = random([3, 6]);
    let gradient = |device: Device| {
        let layer = layer.clone().to_device(&device);
        let input = Tensor::<2>::from_data(numbers.to_data(), &device).require_grad();
        let result = geglu(linear(&layer, silu(input.clone().mul_scalar(2.0))));
        let gradients = weighed(result).backward();
        input.grad(&gradients).unwrap()
    };
    let checkpointed = gradient(device().gradient_checkpointing());
    assert_eq!(gradient(device()).into_data(), checkpointed.into_data());
}
