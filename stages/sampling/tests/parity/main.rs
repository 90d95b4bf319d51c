//! Our samplers beside diffusers' schedulers: `make_golden.py` wrote what theirs did.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says where it stopped"
)]

use burn::prelude::*;
use ccsr_sampling::{NoiseSchedule, SamplerKind, SchedulerConfig, add_noise, target};
use safetensors::SafeTensors;
use safetensors::tensor::Dtype;
use serde_json::Value as Json;

const GOLDEN: &[u8] = include_bytes!("golden/trajectories.safetensors");
const CASES: &str = include_str!("golden/cases.json");
/// The largest error of a sample, relative to the largest value of the trajectory.
const TOLERANCE: f64 = 1e-4;

/// Values and shape of a tensor.
fn golden(name: &str) -> Option<(Vec<f64>, Vec<usize>)> {
    let file = SafeTensors::deserialize(GOLDEN).unwrap();
    let tensor = file.tensor(name).ok()?;
    let bytes = tensor.data();
    let values = match tensor.dtype() {
        Dtype::F32 => bytes
            .as_chunks::<4>()
            .0
            .iter()
            .map(|chunk| f64::from(f32::from_le_bytes(*chunk)))
            .collect(),
        Dtype::F64 => bytes
            .as_chunks::<8>()
            .0
            .iter()
            .map(|chunk| f64::from_le_bytes(*chunk))
            .collect(),
        other => panic!("{name} is {other:?}"),
    };
    Some((values, tensor.shape().to_vec()))
}

/// The samples of a stack, or the one sample.
fn samples(name: &str) -> Vec<Tensor<4>> {
    let (values, shape) = golden(name).unwrap();
    let shape: [usize; 4] = shape[shape.len() - 4..].try_into().unwrap();
    let each = shape.iter().product();
    let sample = |values: &[f64]| {
        let values: Vec<f32> = values.iter().map(|value| *value as f32).collect();
        Tensor::from_data(TensorData::new(values, shape), &Device::flex())
    };
    values.chunks(each).map(sample).collect()
}

fn values(tensor: &Tensor<4>) -> Vec<f64> {
    let values: Vec<f32> = tensor.clone().into_data().try_to_vec().unwrap();
    values.into_iter().map(f64::from).collect()
}

#[track_caller]
fn near(found: &Tensor<4>, expected: &Tensor<4>, about: &str) {
    let (found, expected) = (values(found), values(expected));
    let largest = expected
        .iter()
        .fold(1.0, |largest: f64, value| largest.max(value.abs()));
    let error = found
        .iter()
        .zip(&expected)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, f64::max);
    assert!(
        error <= TOLERANCE * largest,
        "{about}: off by {error} of {largest}"
    );
}

/// What stands for the network, here and there.
fn network(sample: Tensor<4>, timestep: f64) -> Tensor<4> {
    let wave = (sample.clone().mul_scalar(1.3))
        .add_scalar(0.01 * timestep)
        .sin();
    wave.mul_scalar(0.8) + sample.mul_scalar(0.2)
}

fn kind(case: &Json) -> SamplerKind {
    match case["kind"].as_str().unwrap() {
        "ddim" => SamplerKind::Ddim {
            eta: case["eta"].as_f64().unwrap_or(0.0),
        },
        "dpm_solver" => SamplerKind::DpmSolver { karras: None },
        plain => serde_json::from_value(plain.into()).unwrap(),
    }
}

#[test]
fn trajectories_are_those_of_diffusers() {
    let cases: Vec<Json> = serde_json::from_str(CASES).unwrap();
    assert!(cases.len() > 40);
    for (index, case) in cases.iter().enumerate() {
        let mut config = case["config"].clone();
        config["_class_name"] = case["class"].clone();
        let config = SchedulerConfig::from_json(&config.to_string()).unwrap();
        let steps = case["steps"].as_u64().unwrap() as usize;
        let kind = kind(case);
        let named = SamplerKind::of(&config).unwrap();
        assert_eq!(
            std::mem::discriminant(&named),
            std::mem::discriminant(&kind)
        );
        let mut sampler = kind.build(&config, steps).unwrap();

        let (timesteps, _) = golden(&format!("{index}.timesteps")).unwrap();
        let places = sampler.timesteps().to_vec();
        assert_eq!(places.len(), timesteps.len(), "{case}");
        for (found, expected) in places.iter().zip(&timesteps) {
            assert!(
                (found - expected).abs() < 2e-2,
                "{case}: {found} for {expected}"
            );
        }
        let sigma = case["initial_sigma"].as_f64().unwrap();
        assert!(
            (sampler.initial_sigma() / sigma - 1.0).abs() < 1e-5,
            "{case}"
        );

        let expected = samples(&format!("{index}.samples"));
        let inputs = samples(&format!("{index}.inputs"));
        let noise = golden(&format!("{index}.noise")).map(|_| samples(&format!("{index}.noise")));
        let mut noise = noise.unwrap_or_default().into_iter();
        let mut sample = samples(&format!("{index}.initial")).remove(0) * sampler.initial_sigma();
        for (evaluation, timestep) in places.into_iter().enumerate() {
            let about = format!("{case}, evaluation {evaluation}");
            let input = sampler.scale_input(sample.clone(), evaluation);
            near(&input, &inputs[evaluation], &about);
            let draw = sampler
                .draws(evaluation)
                .then(|| noise.next().expect(&about));
            sample = sampler.step(evaluation, network(input, timestep), sample, draw);
            near(&sample, &expected[evaluation], &about);
        }
        assert!(
            noise.len() <= 1,
            "{case}: {} draws more than here",
            noise.len()
        );
    }
}

#[test]
fn training_adds_noise_as_diffusers_does() {
    let config = r#"{"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear",
        "prediction_type": "v_prediction"}"#;
    let schedule = NoiseSchedule::new(&SchedulerConfig::from_json(config).unwrap()).unwrap();
    let stack = |name: &str| {
        let samples = samples(&format!("training.{name}"));
        Tensor::cat(samples, 0)
    };
    let (timesteps, _) = golden("training.timesteps").unwrap();
    let timesteps: Vec<usize> = timesteps
        .into_iter()
        .map(|timestep| timestep as usize)
        .collect();
    let (images, noise) = (stack("images"), stack("noise"));
    let noisy = add_noise(&schedule, images.clone(), noise.clone(), &timesteps);
    near(&noisy, &stack("noisy"), "noisy");
    near(
        &target(&schedule, images, noise, &timesteps),
        &stack("velocity"),
        "velocity",
    );
    let (snr, _) = golden("training.snr").unwrap();
    for (timestep, expected) in timesteps.iter().zip(snr) {
        let found = schedule.snr(*timestep);
        assert!(
            (found / expected - 1.0).abs() < 1e-4,
            "{found} for {expected}"
        );
        let weight = schedule.min_snr_weight(*timestep, 5.0);
        assert!((weight - expected.min(5.0) / (expected + 1.0)).abs() < 1e-4);
    }
}

#[test]
fn perfect_predictions_give_the_image() {
    // Whatever the sampler: if the network knows the noise, one step from the end gives the image.
    let config = r#"{"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear",
        "clip_sample": false, "set_alpha_to_one": true, "prediction_type": "sample"}"#;
    let config = SchedulerConfig::from_json(config).unwrap();
    let image = Tensor::<4>::ones([1, 1, 2, 2], &Device::flex()).mul_scalar(0.7);
    for kind in [
        SamplerKind::Ddim { eta: 0.0 },
        SamplerKind::DpmSolver { karras: Some(true) },
        SamplerKind::Euler,
        SamplerKind::UniPc,
    ] {
        let mut sampler = kind.build(&config, 6).unwrap();
        let mut sample = Tensor::<4>::ones([1, 1, 2, 2], &Device::flex()) * sampler.initial_sigma();
        for evaluation in 0..sampler.timesteps().len() {
            sample = sampler.step(evaluation, image.clone(), sample, None);
        }
        near(&sample, &image, &format!("{kind:?}"));
    }
}

#[test]
fn what_cannot_be_done_is_refused_by_name() {
    let refused = |json: &str, kind: SamplerKind, steps: usize| {
        let config = SchedulerConfig::from_json(json).unwrap();
        kind.build(&config, steps).err().unwrap().to_string()
    };
    let cases = [
        (
            r#"{"thresholding": true}"#,
            SamplerKind::Euler,
            "thresholding",
        ),
        (
            r#"{"use_flow_sigmas": true}"#,
            SamplerKind::UniPc,
            "use_flow_sigmas",
        ),
        (
            r#"{"algorithm_type": "sde-dpmsolver++"}"#,
            SamplerKind::DpmSolver { karras: None },
            "sde-dpmsolver++",
        ),
        (
            r#"{"solver_order": 3}"#,
            SamplerKind::DpmSolver { karras: None },
            "solver_order",
        ),
        (
            r#"{"prediction_type": "sample"}"#,
            SamplerKind::Pndm,
            "prediction_type",
        ),
        (
            r#"{"interpolation_type": "log_linear"}"#,
            SamplerKind::Euler,
            "log_linear",
        ),
        (
            r#"{"trained_betas": [0.1, 1.5]}"#,
            SamplerKind::Euler,
            "every β",
        ),
    ];
    for (json, kind, named) in cases {
        let error = refused(json, kind, 10);
        assert!(error.contains(named), "{json}: {error}");
    }
    assert!(refused("{}", SamplerKind::Euler, 0).contains("1 to 1000"));
    assert!(refused("{}", SamplerKind::Lcm, 51).contains("1 to 50"));
    for json in [
        r#"{"beta_schedule": "cosine"}"#,
        r#"{"steps_offset": "one"}"#,
        "[1",
        "7",
    ] {
        assert!(SchedulerConfig::from_json(json).is_err(), "{json}");
    }
    let heun = SchedulerConfig::from_json(r#"{"_class_name": "HeunDiscreteScheduler"}"#).unwrap();
    let error = SamplerKind::of(&heun).unwrap_err().to_string();
    assert!(error.contains("HeunDiscreteScheduler"), "{error}");
}
