//! Answers and descriptions beside those of transformers: `golden/make_llava.py` wrote them.

use std::fs;
use std::path::PathBuf;

use ccsr_stage::testing::bind;
use serde_json::{Value as Json, json};

use super::*;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/self_reward/judge")
}

fn model(template: Option<&str>) -> Model {
    Model::load(&folder(), template, Device::flex()).unwrap()
}

fn golden() -> Json {
    serde_json::from_str(include_str!("../../golden/llava/answers.json")).unwrap()
}

fn list(json: &Json) -> &[Json] {
    json.as_array().unwrap()
}

/// What the model sees of a golden picture.
fn seen(model: &Model, picture: &Json) -> Tensor<2> {
    let name = picture["picture"].as_str().unwrap();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/llava");
    model.look(&fs::read(path.join(name)).unwrap()).unwrap()
}

fn unit(name: &'static str, text: &str) -> Unit {
    Unit::new(Value::map([(name, Value::from(text))]))
}

/// What was read up to and with an image, and the tokens of a text after it.
fn asked(
    model: &Model,
    image: &Tensor<2>,
    text: &str,
    read: &mut Beginnings,
) -> Result<Asked, StageError> {
    let (beginning, end) = model.turn(&unit("question", text), "question")?;
    Ok((model.read(image, beginning, read)?, end))
}

#[test]
fn answers_are_those_of_transformers() {
    let (golden, model) = (golden(), model(None));
    assert_eq!(json!(model.yes), golden["yes_tokens"]);
    assert_eq!(json!(model.no), golden["no_tokens"]);
    for picture in list(&golden["pictures"]) {
        let (image, mut read) = (seen(&model, picture), Beginnings::default());
        let questions = list(&picture["questions"]);
        let asked: Vec<_> = questions
            .iter()
            .map(|question| {
                let text = question["question"].as_str().unwrap();
                let (prefix, end) = asked(&model, &image, text, &mut read)?;
                assert_eq!(prefix.len() + end.len(), question["tokens"], "{text}");
                Ok((prefix, end))
            })
            .collect();
        assert_eq!(read.len(), 1, "the image is read once");
        for (answer, question) in model.answers(&asked).into_iter().zip(questions) {
            let answer: YesNo = answer.unwrap().read().unwrap();
            for (found, expected) in [(answer.yes, &question["yes"]), (answer.no, &question["no"])]
            {
                let expected = expected.as_f64().unwrap();
                assert!((found - expected).abs() < 1e-4, "{found}, not {expected}");
            }
        }
    }
}

#[test]
fn descriptions_are_those_of_transformers() {
    let (golden, model) = (golden(), model(None));
    for picture in list(&golden["pictures"]) {
        let image = seen(&model, picture);
        let (after, end) = asked(
            &model,
            &image,
            golden["describe"].as_str().unwrap(),
            &mut Beginnings::default(),
        )
        .unwrap();
        let request = Request {
            after: Some(after),
            prompt: end.into(),
            sampling: Sampling::GREEDY,
            seed: [0; 32],
            most: golden["max_tokens"].as_u64().unwrap() as usize,
        };
        let told = model.tell([Ok(request)].into_iter()).remove(0).unwrap();
        assert_eq!(json!(told), picture["description"]);
    }
}

#[test]
fn one_question_that_is_too_long_does_not_take_the_others_with_it() {
    let (golden, model) = (golden(), model(None));
    let (image, mut read) = (seen(&model, &golden["pictures"][0]), Beginnings::default());
    let long = "elephant ".repeat(4096);
    let texts = ["Is it?", long.as_str(), "Is it not?"];
    let asked = texts.map(|text| asked(&model, &image, text, &mut read));
    let answers = model.answers(&asked);
    assert!(answers[0].is_ok() && answers[2].is_ok());
    let error = answers[1].as_ref().unwrap_err().to_string();
    assert!(error.contains("leaves no room in the 4096"), "{error}");
}

#[test]
fn a_turn_has_one_image_in_it() {
    let said = |model: &Model, text: &str| model.turn(&unit("question", text), "question");
    let error = said(&model(None), "Is <image> it?")
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("\"Is <image> it?\" has a text in it that stands for an image"),
        "{error}"
    );
    let error = said(&model(Some("{{ bos_token }}Look!")), "Is it?")
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("writes no image token (number 637)"),
        "{error}"
    );
}

#[test]
fn what_a_folder_lacks_is_said_before_anything_runs() {
    let copy = tempfile::tempdir().unwrap();
    let refused = || {
        let with = json!({"weights": copy.path()});
        let bound = bind(&crate::registry(), &[("judge", "llava", with)]);
        bound.map(drop).unwrap_err()
    };
    let error = refused();
    assert!(error.contains("config.json"), "{error}");
    fs::copy(
        folder().join("config.json"),
        copy.path().join("config.json"),
    )
    .unwrap();
    let error = refused();
    assert!(error.contains("preprocessor_config.json"), "{error}");
}
