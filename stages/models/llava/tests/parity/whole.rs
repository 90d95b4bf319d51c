//! The whole model: text with images in it, and questions about one image.

use std::sync::Arc;

use burn::prelude::*;
use ccsr_llava::{Llava, Preprocessor, ReadError};
use ccsr_mistral::{ContextError, Pass, Span};
use ccsr_nn::golden::error;

use crate::{TOLERANCE, expected, open, path, prepare};

/// An image between tokens.
const TEXT: [u32; 7] = [1, 5, 17, 96, 23, 42, 8];
/// Up to and with the image.
const BEGINNING: &[u32] = &[1, 5, 17, 96];

fn whole(folder: &str) -> (Llava, Preprocessor) {
    let (_, _, preprocessor) = open(folder);
    let model = Llava::load(&path(folder), &Device::flex()).unwrap();
    (model, preprocessor)
}

/// The logits after each token of texts that go through the language model together.
fn logits(model: &Llava, texts: &[Tensor<2>]) -> Vec<Tensor<2>> {
    let language = model.language();
    let rows: Vec<usize> = texts.iter().map(|text| text.dims()[0]).collect();
    let mut caches: Vec<_> = rows
        .iter()
        .map(|rows| language.cache(None, *rows))
        .collect();
    let spans = caches.iter_mut().zip(&rows);
    let mut spans: Vec<_> = spans
        .map(|(cache, rows)| Span { cache, rows: *rows })
        .collect();
    let states = language.forward(Tensor::cat(texts.to_vec(), 0), &mut spans, Pass::Prefill);
    language
        .logits(states, Pass::Prefill)
        .split_with_sizes(rows, 0)
}

#[test]
fn logits_are_those_of_transformers() {
    let expected = expected();
    for (folder, prefix, pictures) in [
        (
            "llava-next",
            "next",
            &[
                ("square", "square.png"),
                ("wide", "wide.png"),
                ("turned", "turned.jpg"),
            ][..],
        ),
        (
            "llava",
            "plain",
            &[("square", "square.png"), ("wide", "wide.png")],
        ),
    ] {
        let (model, preprocessor) = whole(folder);
        let images: Vec<_> = pictures
            .iter()
            .map(|(_, file)| prepare(&preprocessor, file))
            .collect();
        let texts: Vec<_> = model
            .look(&images)
            .into_iter()
            .map(|image| model.embed(&TEXT, &[image]).unwrap())
            .collect();
        // Texts of several lengths, none of them padded.
        let together = logits(&model, &texts);
        for ((text, (name, _)), together) in texts.into_iter().zip(pictures).zip(together) {
            let name = format!("{prefix}.{name}.logits");
            let error = error(&together, &expected.tensor(&name, &Device::flex()));
            assert!(error <= TOLERANCE, "{name} is off by {error}");
            let alone = logits(&model, &[text]).remove(0);
            assert_eq!(crate::numbers(&alone), crate::numbers(&together), "{name}");
        }
    }
}

#[test]
fn ten_questions_about_one_image_are_ten_runs() {
    let expected = expected();
    for (folder, name) in [
        ("llava-next", "next.wide.logits"),
        ("llava", "plain.wide.logits"),
    ] {
        let (model, preprocessor) = whole(folder);
        let image = model.look(&[prepare(&preprocessor, "wide.png")]);
        let beginning = model.read(BEGINNING, &image).unwrap();
        let questions: Vec<Vec<u32>> = (0..10)
            .map(|question| (0..=question).map(|token| 20 + 7 * token % 70).collect())
            .chain([TEXT[4..].to_vec()])
            .collect();
        let ends: Vec<&[u32]> = questions.iter().map(Vec::as_slice).collect();
        let together = model.language().next(&beginning, &ends).unwrap();
        for (end, together) in ends.iter().zip(&together) {
            // Everything is read again for each.
            let beginning = model.read(BEGINNING, &image).unwrap();
            let alone = model.language().next(&beginning, &[end]).unwrap();
            assert_eq!(alone[0], *together);
        }
        let turned: Vec<&[u32]> = ends.iter().rev().copied().collect();
        let mut turned = model.language().next(&beginning, &turned).unwrap();
        turned.reverse();
        assert_eq!(turned, together);
        // The last is the text of the reference.
        let all = expected.tensor::<2>(name, &Device::flex());
        let [tokens, vocabulary] = all.dims();
        let found = TensorData::new(together[10].clone(), [1, vocabulary]);
        let found = Tensor::<2>::from_data(found, &Device::flex());
        let error = error(&found, &all.slice(tokens - 1..tokens));
        assert!(error <= TOLERANCE, "{name} is off by {error}");
    }
}

#[test]
fn texts_that_do_not_fit_their_images_are_refused() {
    let (model, preprocessor) = whole("llava-next");
    let image = model.look(&[prepare(&preprocessor, "small.png")]);
    assert_eq!(
        model.read(&[1, 2], &image).unwrap_err().to_string(),
        "the text has 0 image tokens and there are 1 images; write one image token for each image"
    );
    let context = model.language().config().context;
    let long: Vec<u32> = BEGINNING
        .iter()
        .copied()
        .chain((0..context).map(|_| 5))
        .collect();
    let error = model.read(&long, &image).unwrap_err();
    assert!(
        matches!(error, ReadError::Context(ContextError::TooLong { .. })),
        "{error}"
    );
    let beginning: Arc<_> = model.read(BEGINNING, &image).unwrap();
    let refused = model.language().next(&beginning, &[&long, &[]]);
    assert!(refused.is_err());
}
