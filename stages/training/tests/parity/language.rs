//! Language models and LLaVA beside transformers: `make_language.py` wrote what theirs computed.

use std::path::Path;

use burn::prelude::*;
use ccsr_llava::{ImageSize, Llava, Parts, Prepared, hub_name};
use ccsr_nn::golden::Golden;
use ccsr_nn::{Parameter, Row};
use ccsr_training::{Asked, Gradient, JudgeTrainer, LanguageTrainer, Lesson};
use serde_json::Value;

/// The largest error of a parameter's gradient, relative to its largest number; expected ones are of half precision.
const TOLERANCE: f64 = 6e-4;

fn golden() -> Golden {
    Golden::open(
        super::folder()
            .join("language.safetensors")
            .to_str()
            .unwrap(),
    )
}

fn cases() -> Value {
    serde_json::from_slice(&std::fs::read(super::folder().join("language.json")).unwrap()).unwrap()
}

fn checkpoint(family: &str, name: &str) -> std::path::PathBuf {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models");
    models.join(family).join("tests/parity/golden").join(name)
}

fn lesson(written: &Value) -> Lesson {
    let tokens = written["tokens"].as_array().unwrap().iter();
    let counts = written["counts"].as_array().unwrap().iter();
    Lesson {
        tokens: tokens.map(|token| token.as_u64().unwrap() as u32).collect(),
        counts: counts.map(|counts| counts.as_bool().unwrap()).collect(),
    }
}

fn lessons(written: &Value) -> Vec<Lesson> {
    written.as_array().unwrap().iter().map(lesson).collect()
}

/// That a loss and the gradient of every parameter are what transformers says.
fn assert_found(name: &str, case: &Value, row: &Row, found: &Gradient, named: fn(&str) -> String) {
    let loss = case["loss"].as_f64().unwrap();
    assert!(
        (found.loss / loss - 1.0).abs() <= 1e-4,
        "{name}: {} beside {loss}",
        found.loss
    );
    let (golden, scales) = (golden(), case["scales"].as_object().unwrap());
    assert_eq!(row.parameters().len(), scales.len(), "{name}");
    let largest = scales.values().map(|scale| scale.as_f64().unwrap());
    let largest = largest.fold(0.0, f64::max);
    let mut rest = found.numbers.as_slice();
    for parameter in row.parameters() {
        let (own, after) = rest.split_at(parameter.len());
        rest = after;
        let called = named(&parameter.name);
        let scale = scales[&called].as_f64().unwrap();
        let (expected, _) = golden.numbers(&format!("{name}.{called}"));
        let error = error(parameter, own, &expected, scale) / scale.max(1e-3 * largest);
        assert!(
            error <= TOLERANCE,
            "{name}: {called} is off by {error} of {scale}"
        );
    }
}

/// The largest distance, once a linear layer's weight is turned as files have it.
fn error(parameter: &Parameter, found: &[f32], expected: &[f32], scale: f64) -> f64 {
    let outputs = if parameter.is_linear {
        parameter.shape[1]
    } else {
        1
    };
    let inputs = found.len() / outputs;
    let places = (0..found.len()).map(|place| {
        if parameter.is_linear {
            place % outputs * inputs + place / outputs
        } else {
            place
        }
    });
    let apart = found
        .iter()
        .zip(places)
        .map(|(found, place)| (f64::from(*found) - f64::from(expected[place]) * scale).abs());
    apart.fold(0.0, f64::max)
}

#[test]
fn gradients_of_language_models_are_those_of_transformers() {
    let (cases, device) = (cases(), Device::flex());
    for name in ["mistral", "llama-tied"] {
        let network = ccsr_mistral::load(&checkpoint("mistral", name), &device).unwrap();
        let numbers = Row::numbers(&network);
        let trainer = LanguageTrainer::new(network, &device.clone().autodiff());
        let lessons = lessons(&cases[name]["lessons"]);
        let found = trainer.gradient(&numbers, &lessons);
        assert_found(name, &cases[name], trainer.row(), &found, str::to_owned);
        // One text alone, and the others together: tokens count alike.
        let mut parts = [&lessons[..1], &lessons[1..]].map(|part| trainer.gradient(&numbers, part));
        let apart = Gradient::mean(&parts).unwrap();
        assert_found(name, &cases[name], trainer.row(), &apart, str::to_owned);
        let unasked = Lesson::answer(&lessons[0].tokens, &[]);
        parts[0] = trainer.gradient(&numbers, &[unasked]);
        assert_eq!(Gradient::mean(&parts).unwrap().numbers, parts[1].numbers);
    }
}

/// A batch of a case, and the numbers of its model.
fn judged(name: &str, case: &Value) -> (Llava, Vec<f32>, Vec<Asked>) {
    let (golden, device) = (golden(), Device::flex());
    let network = Llava::load(&checkpoint("llava", name), &device).unwrap();
    let asked = case["asked"].as_array().unwrap().iter().enumerate();
    let asked = asked.map(|(index, asked)| {
        let numbers = |name: &str| {
            let found = asked[name].as_array().unwrap().iter();
            found
                .map(|number| number.as_u64().unwrap() as u32)
                .collect::<Vec<_>>()
        };
        let size = numbers("size");
        let pixels = golden.tensor(&format!("{name}.pixels.{index}"), &device);
        Asked {
            image: Prepared::new(ImageSize::new(size[0], size[1]), pixels),
            beginning: numbers("beginning"),
            questions: lessons(&asked["questions"]),
        }
    });
    let asked = asked.collect();
    let numbers = Row::numbers(&network);
    (network, numbers, asked)
}

/// Questions that go on from one reading of their image have the gradients that they have one by one.
#[test]
fn gradients_of_llava_are_those_of_transformers() {
    let (cases, device) = (cases(), Device::flex().autodiff());
    for name in ["llava", "llava-next"] {
        let (network, numbers, asked) = judged(name, &cases[name]);
        let trainer = JudgeTrainer::new(network, Parts::default(), &device);
        let found = trainer.gradient(&numbers, &asked);
        assert_found(name, &cases[name], trainer.row(), &found, hub_name);
    }
}

#[test]
fn what_is_frozen_has_no_gradient_and_changes_no_others() {
    let (cases, device) = (cases(), Device::flex().autodiff());
    let (network, numbers, asked) = judged("llava-next", &cases["llava-next"]);
    let of = |frozen| {
        let trainer = JudgeTrainer::new(network.clone(), frozen, &device);
        let found = trainer.gradient(&numbers, &asked).numbers;
        (trainer.row().clone(), found)
    };
    let (row, whole) = of(Parts::default());
    let parts = |vision, projector, language| Parts {
        vision,
        projector,
        language,
    };
    for frozen in [
        parts(true, false, false),
        parts(false, true, false),
        parts(false, false, true),
        parts(true, true, false),
        parts(true, false, true),
    ] {
        let (_, found) = of(frozen);
        let mut from = 0;
        for parameter in row.parameters() {
            let own = from..from + parameter.len();
            from = own.end;
            let is_frozen = if parameter.name.starts_with("language.") {
                frozen.language
            } else if parameter.name.starts_with("encoder.vision_tower.") {
                frozen.vision
            } else {
                frozen.projector
            };
            if is_frozen {
                let is_none = found[own].iter().all(|number| *number == 0.0);
                assert!(is_none, "{} {frozen:?}", parameter.name);
            } else {
                let expected = &whole[own.clone()];
                assert_eq!(&found[own], expected, "{} {frozen:?}", parameter.name);
            }
        }
    }
}
