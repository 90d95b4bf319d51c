//! Our language models beside those of transformers: `make_golden.py` wrote what theirs computed.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says where it stopped"
)]

mod refused;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use burn::prelude::*;
use ccsr_mistral::{
    Cache, ContextError, Generator, Mistral, MistralConfig, Packing, Pass, Prefix, Request,
    Sampling, Span, load,
};
use ccsr_nn::golden::{Golden, error};
use ccsr_nn::keys_of;

/// The largest error, relative to the largest number (binary32).
const TOLERANCE: f64 = 1e-4;
/// All small checkpoints.
const ALL: [&str; 6] = [
    "mistral",
    "llama-tied",
    "llama",
    "awq-32",
    "awq-64",
    "awq-column",
];

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/parity/golden")
        .join(name)
}

fn expected() -> Golden {
    Golden::open(path("expected.safetensors").to_str().unwrap())
}

fn model(name: &str) -> Mistral {
    load(&path(name), &Device::flex()).unwrap()
}

/// The two texts of the golden file.
fn texts() -> [Vec<u32>; 2] {
    let (numbers, shape) = expected().numbers("tokens");
    let mut rows = numbers
        .chunks(shape[1])
        .map(|row| row.iter().map(|token| *token as u32).collect());
    [rows.next().unwrap(), rows.next().unwrap()]
}

fn span(cache: &mut Cache, rows: usize) -> Span<'_> {
    Span { cache, rows }
}

/// The logits after each token of texts that go through the network together.
fn logits(model: &Mistral, texts: &mut [(&mut Cache, &[u32])], pass: Pass) -> Tensor<2> {
    let tokens: Vec<u32> = texts.iter().flat_map(|(_, text)| text.to_vec()).collect();
    let mut spans: Vec<_> = texts
        .iter_mut()
        .map(|(cache, text)| span(cache, text.len()))
        .collect();
    let states = model.forward(model.embed(&tokens), &mut spans, pass);
    model.logits(states, pass)
}

#[test]
fn logits_are_those_of_transformers() {
    let (expected, texts) = (expected(), texts());
    for name in ALL {
        let model = model(name);
        let [mut a, mut b] = [(); 2].map(|()| model.cache(None, 21));
        let mut both = [(&mut a, &texts[0][..]), (&mut b, &texts[1][..])];
        let found = logits(&model, &mut both, Pass::Prefill);
        let [batch, tokens, vocabulary] = expected.tensor::<3>(name, &Device::flex()).dims();
        let wanted = expected
            .tensor::<3>(name, &Device::flex())
            .reshape([batch * tokens, vocabulary]);
        let error = error(&found, &wanted);
        assert!(error <= TOLERANCE, "{name} is off by {error}");
    }
}

#[test]
fn reading_in_pieces_is_reading_at_once() {
    let texts = texts();
    for name in ALL {
        let model = model(name);
        let mut cache = model.cache(None, 21);
        let whole = logits(&model, &mut [(&mut cache, &texts[0])], Pass::Prefill);
        let mut cache = model.cache(None, 9);
        let mut pieces = vec![logits(
            &model,
            &mut [(&mut cache, &texts[0][..9])],
            Pass::Prefill,
        )];
        let prefix = Arc::new(cache.into_prefix());
        assert_eq!(prefix.len(), 9);
        let mut cache = model.cache(Some(prefix), 12);
        pieces.push(logits(
            &model,
            &mut [(&mut cache, &texts[0][9..14])],
            Pass::Prefill,
        ));
        for token in texts[0][14..].chunks(1) {
            pieces.push(logits(&model, &mut [(&mut cache, token)], Pass::Decode));
        }
        assert_eq!((cache.len(), cache.room()), (21, 0));
        let error = error(&Tensor::cat(pieces, 0), &whole);
        assert!(error <= 1e-5, "{name} is off by {error}");
    }
}

/// The bits of the logits after each continuation of a beginning.
fn continued(model: &Mistral, prefix: &Arc<Prefix>, ends: &[&[u32]]) -> Vec<Vec<u32>> {
    let logits = model.next(prefix, ends).unwrap().into_iter();
    let bits = |logits: Vec<f32>| logits.into_iter().map(f32::to_bits).collect();
    logits.map(bits).collect()
}

#[test]
fn continuations_of_one_beginning_do_not_see_each_other() {
    let text = &texts()[1];
    // Ten ends of several lengths.
    let ends: Vec<&[u32]> = (0..10).map(|end| &text[8 + end % 4..12 + end]).collect();
    for name in ALL {
        let model = model(name);
        let prefix = Arc::new(model.read(None, model.embed(&text[..11])).unwrap());
        let together = continued(&model, &prefix, &ends);
        let alone: Vec<_> = ends
            .iter()
            .flat_map(|end| continued(&model, &prefix, &[end]))
            .collect();
        assert_eq!(together, alone, "{name}");
        let turned: Vec<_> = ends.iter().rev().copied().collect();
        let mut turned = continued(&model, &prefix, &turned);
        turned.reverse();
        assert_eq!(together, turned, "{name}");
    }
}

fn request(prompt: &[u32], sampling: Sampling, seed: u8) -> Request {
    Request {
        after: None,
        prompt: prompt.into(),
        sampling,
        seed: [seed; 32],
        most: 12,
    }
}

const DRAWN: Sampling = Sampling {
    temperature: 0.9,
    top_k: 40,
    top_p: 0.95,
    repetition_penalty: 1.1,
};

#[test]
fn what_a_text_is_continued_with_does_not_depend_on_the_others() {
    let texts = texts();
    for name in ["mistral", "llama-tied", "awq-64"] {
        let model = model(name);
        let requests: Vec<_> = (0..7)
            .map(|seed| request(&texts[usize::from(seed % 2)][..9], DRAWN, seed))
            .chain([request(&texts[0], Sampling::GREEDY, 0)])
            .collect();
        let written = |width: usize, requests: &[Request]| {
            let generator = Generator::new(&model, vec![3, 17], width);
            generator.generate(requests, |_, _| true).unwrap()
        };
        let alone: Vec<_> = requests
            .iter()
            .flat_map(|request| written(1, std::slice::from_ref(request)))
            .collect();
        assert!(alone.iter().any(|completion| completion.tokens.len() == 12));
        let distinct: std::collections::BTreeSet<_> =
            alone.iter().map(|completion| &completion.tokens).collect();
        assert!(distinct.len() >= 7, "seeds make texts differ");
        for width in [1, 3, 8] {
            assert_eq!(written(width, &requests), alone, "{name} {width}");
        }
    }
}

#[test]
fn greedy_tokens_are_the_likeliest_ones() {
    let (model, text) = (model("mistral"), &texts()[0]);
    let generator = Generator::new(&model, Vec::new(), 4);
    let greedy = [request(&text[..10], Sampling::GREEDY, 0)];
    let found = generator.generate(&greedy, |_, _| true).unwrap().remove(0);
    let mut read = text[..10].to_vec();
    for token in found.tokens {
        let mut cache = model.cache(None, read.len());
        let all = logits(&model, &mut [(&mut cache, &read)], Pass::Prefill);
        let last = all.slice(read.len() - 1..read.len());
        let likeliest: i64 = last.argmax(1).into_scalar();
        assert_eq!(likeliest as u32, token);
        read.push(token);
    }
    // A watcher ends a text; a token that ends it is not part of it.
    let stopped = generator.generate(&greedy, |_, _| false).unwrap().remove(0);
    assert_eq!((stopped.tokens.len(), stopped.ended), (1, true));
    let ends = Generator::new(&model, vec![stopped.tokens[0]], 4);
    let ended = ends.generate(&greedy, |_, _| true).unwrap().remove(0);
    assert_eq!((ended.tokens.len(), ended.ended), (0, true));
}

#[test]
fn a_text_ends_where_the_context_does() {
    let model = model("mistral");
    let generator = Generator::new(&model, Vec::new(), 2);
    let long = vec![5; 256];
    let refused = generator.generate(&[request(&long, DRAWN, 0)], |_, _| true);
    let too_long = ContextError::TooLong {
        tokens: 256,
        context: 256,
    };
    assert_eq!(refused, Err(too_long));
    assert!(
        too_long
            .to_string()
            .starts_with("a prompt of 256 tokens leaves no room in the 256")
    );
    assert_eq!(
        generator.check(&request(&[], DRAWN, 0)),
        Err(ContextError::Empty)
    );
    let most = generator
        .generate(&[request(&long[..250], DRAWN, 0)], |_, _| true)
        .unwrap();
    assert_eq!((most[0].tokens.len(), most[0].ended), (7, false));
}

/// `keys.txt`: every tensor of the language model of LLaVA-1.6, Mistral-7B-Instruct-v0.2 with 64 more tokens.
#[test]
fn all_tensors_of_the_real_checkpoint_have_their_place() {
    let config = MistralConfig {
        vocabulary: 32_064,
        ..MistralConfig::mistral_7b()
    };
    let listed = std::fs::read_to_string(path("keys.txt")).unwrap();
    let listed: BTreeMap<String, Vec<usize>> = listed
        .lines()
        .map(|line| {
            let (name, shape) = line.split_once(' ').unwrap();
            let shape = shape.trim_matches(['(', ')', ',']).split(", ");
            let shape = shape.map(|side| side.trim_matches(',').parse().unwrap());
            (name.to_owned(), shape.collect())
        })
        .collect();
    let device = Device::flex();
    let network = Mistral::new(&config, &Packing::default(), &device);
    assert_eq!(keys_of(&network), listed);
    assert_eq!(listed.len(), 291);

    // Packed, each of the 224 linear layers has codes of 4 bits, and scales and zeros for 128 inputs.
    let says = serde_json::json!({
        "model_type": "mistral", "rms_norm_eps": 1e-5, "rope_theta": 1e6, "sliding_window": null,
        "vocab_size": 32064, "max_position_embeddings": 32768,
        "quantization_config": {"quant_method": "awq", "bits": 4, "group_size": 128, "zero_point": true,
            "version": "gemm", "modules_to_not_convert": null},
    });
    let says = MistralConfig::of_json(&says).unwrap();
    assert_eq!(
        MistralConfig {
            quantisation: None,
            ..says.clone()
        },
        config
    );
    let packing = Packing::of(&says).unwrap();
    let packed = keys_of(&Mistral::new(&says, &packing, &device));
    assert_eq!(packing.layers().count(), 224);
    assert_eq!(packed.len(), 291 + 2 * 224);
    for (layer, form) in packing.layers() {
        let dense = &listed[&format!("{layer}.weight")];
        let numbers: usize = dense.iter().product();
        assert_eq!([form.outputs(), form.inputs()], dense[..]);
        assert_eq!(packed[&format!("{layer}.words")], [numbers / 8]);
        assert_eq!(packed[&format!("{layer}.scales")], [numbers / 128]);
    }
}
