//! Times a language model, or one that sees, from its folder: `benches/language.py` calls this beside llama.cpp and
//! PyTorch.
//!
//! `language text MODEL INPUTS.json OUTPUT TIMES` reads a prompt and decodes a continuation that is given;
//! `language questions FOLDER INPUTS.json OUTPUT TIMES` asks one question, and then all, about `FOLDER/picture.png`.
//! Both compute once to warm up and then TIMES times, write the last logits as binary32 numbers and print one JSON
//! object with seconds.

#![expect(clippy::print_stdout, reason = "the answer is what this is for")]
#![expect(clippy::unwrap_used, reason = "nobody depends on it")]

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use burn::prelude::*;
use ccsr_llava::{Llava, LlavaConfig, Preprocessor, read_picture};
use ccsr_mistral::{Pass, Span};
use serde::Deserialize;

/// What is read and decoded.
#[derive(Deserialize)]
struct Text {
    prompt: Vec<u32>,
    continuation: Vec<u32>,
}

/// What is asked.
#[derive(Deserialize)]
struct Questions {
    before: Vec<u32>,
    image: u32,
    questions: Vec<Vec<u32>>,
}

/// A model in memory with its inputs: each call computes once, and answers logits and how long each part took.
type Computation = Box<dyn Fn() -> (Vec<f32>, [(&'static str, f64); 2])>;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [mode, model, inputs, output, times] = arguments.as_slice() else {
        panic!("expected MODE MODEL INPUTS.json OUTPUT TIMES, found {arguments:?}");
    };
    let device = ccsr_stages::device("cpu").unwrap();
    let (model, inputs) = (Path::new(model), std::fs::read(inputs).unwrap());
    let began = Instant::now();
    let compute = match mode.as_str() {
        "text" => text(model, serde_json::from_slice(&inputs).unwrap(), &device),
        "questions" => questions(model, serde_json::from_slice(&inputs).unwrap(), device),
        other => panic!("there is no mode `{other}`: text, questions"),
    };
    let loading = began.elapsed().as_secs_f64();
    let (mut answer, _) = compute();
    let mut seconds: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for _ in 0..times.parse().unwrap() {
        let (logits, parts) = compute();
        answer = logits;
        for (part, took) in parts {
            seconds.entry(part).or_default().push(took);
        }
    }
    let bytes: Vec<u8> = answer.into_iter().flat_map(f32::to_le_bytes).collect();
    std::fs::write(output, bytes).unwrap();
    println!(
        "{}",
        serde_json::json!({"loading": loading, "seconds": seconds})
    );
}

fn text(path: &Path, inputs: Text, device: &Device) -> Computation {
    let model = ccsr_mistral::load(path, device).unwrap();
    Box::new(move || {
        let (prompt, continuation) = (&inputs.prompt, &inputs.continuation);
        let mut cache = model.cache(None, prompt.len() + continuation.len());
        let mut logits = |tokens: &[u32], pass| {
            let span = Span {
                cache: &mut cache,
                rows: tokens.len(),
            };
            let states = model.forward(model.embed(tokens), &mut [span], pass);
            let last = states.narrow(0, tokens.len() - 1, 1);
            let logits = model.logits(last, Pass::Decode).into_data();
            logits.convert::<f32>().try_to_vec::<f32>().unwrap()
        };
        let began = Instant::now();
        let mut answer = logits(prompt, Pass::Prefill);
        let prefill = began.elapsed().as_secs_f64();
        let began = Instant::now();
        for token in continuation {
            answer = logits(&[*token], Pass::Decode);
        }
        let decode = began.elapsed().as_secs_f64();
        (answer, [("prefill", prefill), ("decode", decode)])
    })
}

fn questions(folder: &Path, inputs: Questions, device: Device) -> Computation {
    let model = Llava::load(folder, &device).unwrap();
    let config = LlavaConfig::open(folder).unwrap();
    let preprocessor = Preprocessor::open(folder, &config).unwrap();
    let picture = read_picture(&folder.join("picture.png")).unwrap();
    Box::new(move || {
        let ask = |questions: &[Vec<u32>]| {
            let began = Instant::now();
            let prepared = preprocessor.prepare(&picture, &device).unwrap();
            let seen = model.look(&[prepared]);
            let text = [&inputs.before[..], &[inputs.image]].concat();
            let prefix = model.read(&text, &seen).unwrap();
            let ends: Vec<&[u32]> = questions.iter().map(Vec::as_slice).collect();
            let logits = model.language().next(&prefix, &ends).unwrap();
            (logits.concat(), began.elapsed().as_secs_f64())
        };
        let (_, one) = ask(&inputs.questions[..1]);
        let (answer, ten) = ask(&inputs.questions);
        (answer, [("one", one), ("ten", ten)])
    })
}
