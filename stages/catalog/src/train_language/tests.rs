//! Training of tiny language models. That losses and gradients are right is shown in `ccsr-training`, beside
//! `transformers`.

use ccsr_stage::testing::{Lab, Ran, bind, check_kind, messages, node};
use ccsr_stage::{Roles, Table};

use super::*;
use crate::pretraining::Train;
use crate::prompt_rules::mentions;
use crate::samples::{check_goes_on, column, files, rows, table};

/// A short request.
const TEMPLATE: &str = "{count} of: {class}";

fn with(training: &Json) -> Json {
    json!({
        "training": training,
        "requests": [{"template": {"instruction": TEMPLATE}, "style": "plain"}],
        "classes": ["elephant", "zebra"],
        "most": 2,
        "vocabulary": 500,
        "width": 64,
        "layers": 2,
        "heads": 2,
        "kv_heads": 1,
        "intermediate": 128,
    })
}

fn train(lab: &Lab, with: &Json) -> Ran {
    let stage = build(with).unwrap();
    lab.run(&stage, &[]).unwrap()
}

fn build(with: &Json) -> Result<Train<Params>, String> {
    let params: Params = ccsr_stage::params::read(&node(with), &files()).map_err(messages)?;
    let stage = <Train<Params> as ccsr_stage::StageKind>::new(params, &Roles::default());
    stage.map_err(|misfits| misfits.to_string())
}

/// A model's folder, for as long as it lives.
pub(crate) fn laid_out(lab: &Lab, model: &Table) -> LaidOut {
    let file = |row: ccsr_stage::Row<'_>| {
        let content = Value::Blob(row.blob("content").unwrap());
        (row.text("file").unwrap().to_owned(), content)
    };
    LaidOut::new(&Value::map(model.rows().map(file)), lab).unwrap()
}

#[test]
fn it_keeps_the_contract_of_a_stage() {
    let lab = Lab::new(1);
    let columns = [("question", ColumnType::Text), ("answer", ColumnType::Text)];
    let questions = table(
        &columns,
        &[json!({"question": "Is there an elephant? Answer yes or no.", "answer": "yes"})],
    );
    let training = json!({"steps": 3, "batch": 2, "checkpoint_every": 2, "warmup": 1, "ema": 0.9});
    let ran = check_kind::<Train<Params>>(
        &with(&training),
        &files(),
        &Roles::default(),
        &lab,
        &[("questions", &questions)],
    );
    // What is prepared, steps 1 and 2, 3, the files.
    assert_eq!((ran.asked, ran.waves), (4, 4));
    assert_eq!(column(ran.table("metrics"), "step"), json!([1, 2, 3]));
    assert_eq!(
        column(ran.table("model"), "file"),
        json!([
            "config.json",
            "generation_config.json",
            "model.safetensors",
            "tokenizer.json",
            "tokenizer_config.json"
        ])
    );
    let stage = build(&with(&training)).unwrap();
    let ran = lab.run(&stage, &[("questions", &questions)]).unwrap();
    let words = Words::open(laid_out(&lab, ran.table("model")).path(), None).unwrap();
    for word in ["Ġelephant", "Ġyes", "Ġno", "Ġnan", "<image>"] {
        assert!(words.tokenizer.token_to_id(word).is_some(), "{word}");
    }
    check_goes_on(
        "train.language",
        &with(&training),
        &lab,
        &[("questions", &questions)],
    );
}

/// What was trained writes prompts when `prompt.generate` asks it.
#[test]
fn it_writes_prompts_as_it_was_shown() {
    let lab = Lab::new(1);
    let training = json!({"steps": 120, "batch": 8, "learning_rate": 0.01, "warmup": 20});
    // One class: to find the word that was asked for takes longer than to write.
    let mut with = with(&training);
    with["classes"] = json!(["zebra"]);
    let ran = train(&lab, &with);
    let losses = column(ran.table("metrics"), "loss");
    let loss = |step: usize| losses[step].as_f64().unwrap();
    assert!(
        loss(0) > 6.0 && loss(119) < 1.5,
        "{} to {}",
        loss(0),
        loss(119)
    );
    let folder = laid_out(&lab, ran.table("model"));
    let weights = json!({"weights": folder.path()});
    let roles = bind(&crate::registry(), &[("writer", "mistral", weights)]).unwrap();
    let asked = json!({
        "classes": ["zebra"], "count": 10, "chunk": 2, "retries": 0, "on_shortfall": "accept",
        "template": {"instruction": TEMPLATE}, "max_new_tokens": 200,
    });
    let kind = crate::registry().kind("prompt.generate").unwrap().build;
    let stage = kind(Some(&node(&asked)), &files(), &roles)
        .map_err(messages)
        .unwrap();
    let written = lab.run(stage.as_ref(), &[]).unwrap();
    let prompts = rows(written.table("prompts"));
    let completions = rows(written.table("completions"));
    assert!(prompts.len() >= 7, "{prompts:#?} {completions:#?}");
    for row in prompts {
        let (prompt, class) = (
            row["prompt"].as_str().unwrap(),
            row["class"].as_str().unwrap(),
        );
        assert!(mentions(prompt, class) && prompt.contains(", "), "{prompt}");
    }
}

#[test]
fn conversations_are_those_of_prompt_generate() {
    let lab = Lab::new(1);
    let ran = train(&lab, &with(&json!({"steps": 1, "batch": 1, "warmup": 0})));
    let folder = laid_out(&lab, ran.table("model"));
    let words = Words::open(folder.path(), None).unwrap();
    let params: Params = ccsr_stage::params::read(&node(&with(&json!({}))), &files()).unwrap();
    let author = Author {
        trainer: {
            let config = params.config(words.tokenizer.vocabulary_size());
            let sizes = MistralConfig::of_json(&config).unwrap();
            let device = Device::flex();
            let network = Mistral::new(&sizes, &Packing::default(), &device);
            LanguageTrainer::new(network, &device.autodiff())
        },
        classes: params.classes(),
        requests: params.requests(),
        config: Json::Null,
        tokenizer: Vec::new(),
        words,
        params,
    };
    for number in 0..20 {
        let lesson = author.lesson(&mut source("lesson", 1, number)).unwrap();
        let text = author
            .words
            .tokenizer
            .decode(&lesson.tokens, false)
            .unwrap();
        let begins = lesson.counts.iter().position(|counts| *counts).unwrap();
        assert!(lesson.counts[begins..].iter().all(|counts| *counts));
        let asked = author
            .words
            .tokenizer
            .decode(&lesson.tokens[..begins], false)
            .unwrap();
        let (count, class) = asked
            .strip_prefix("<s>[INST] ")
            .unwrap()
            .split_once(" of: ")
            .unwrap();
        let class = class.strip_suffix(" [/INST]").unwrap();
        let answer = text
            .strip_prefix(&asked)
            .unwrap()
            .strip_suffix("</s>")
            .unwrap();
        let lines: Vec<&str> = answer.trim_start().lines().collect();
        assert_eq!(lines.len().to_string(), count);
        for (number, line) in (1..).zip(lines) {
            let prompt = line.strip_prefix(&format!("{number}. ")).unwrap();
            assert!(mentions(prompt, class), "{prompt}");
        }
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let said = |change: &dyn Fn(&mut Json)| {
        let mut with = with(&json!({}));
        change(&mut with);
        build(&with).err().unwrap()
    };
    let said_of = |name: &str, value: Json| said(&|with| with[name] = value.clone());
    assert!(said_of("vocabulary", json!(100)).contains("263"));
    assert!(said_of("heads", json!(3)).contains("no multiple of twice the 3 heads"));
    assert!(said_of("classes", json!(["elefant"])).contains("elephant"));
    let requests = json!([{"template": {"instruction": "Write!"}, "style": "plain"}]);
    assert!(said_of("requests", requests).contains("does not mention `{class}`"));
}
