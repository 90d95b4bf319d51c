//! `train.language`: a language model that writes prompts about the world's animals, from nothing.
//!
//! It is shown conversations, without end: what a writer is asked by `prompt.generate`, in those very words, and a
//! numbered list of prompts of the world's grammar as the answer. Its tokenizer is learnt, too, of the same texts and of
//! questions about pictures, so that a judge can be made of it. What comes out is a folder as the hub lays it out.

mod files;

use std::collections::HashSet;
use std::path::Path;

use burn::prelude::Device;
use ccsr_mistral::{Mistral, MistralConfig, Packing};
use ccsr_nn::Row;
use ccsr_sampling::noise::Noise;
use ccsr_stage::params::Document;
use ccsr_stage::{
    Blobs, ColumnType, InputPort, Inputs, Misfit, Misfits, Outcome, StageError, Value,
};
use ccsr_training::{Gradient, Initial, LanguageTrainer, Lesson, initial};
use ccsr_world::Class;
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

pub(crate) use self::files::{CHAT_TEMPLATE, generation_config, tokenizer_config};
use crate::cores::StepParts;
use crate::failed;
use crate::generate_prompts::PromptTemplate;
use crate::pretraining::{
    File, LaidOut, Learner, Recipe, Step, Training, below, examples, list, put_network, source,
};
use crate::prompt_rules::normalised;
use crate::range::within;
use crate::roles::{Grammar as _, Style, Wording};
use crate::words::Words;
use crate::world::WorldGrammar;

/// Tokens of the longest text: a long request, and the longest answer.
const CONTEXT: u32 = 4096;
/// Answers of each kind that the vocabulary is learnt from.
const ANSWERS: u64 = 400;

/// Parameters of `train.language`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Params {
    /// How it is trained. Examples are conversations, of which none comes twice.
    pub training: Training,
    /// What it is asked, each as often as the others: templates as those of `prompt.generate`, and the style of the prompts
    /// that are wanted. Those that the program brings along if left out.
    pub requests: Vec<Request>,
    /// What it is asked about: every class of the world if left out.
    pub classes: Vec<String>,
    /// The most prompts that it is asked for at once, from 1 to 100.
    pub most: u32,
    /// Tokens of the vocabulary, at least 263: those of bytes, and what is frequent.
    pub vocabulary: u32,
    /// Numbers a token, a multiple of twice the `heads`.
    pub width: u32,
    /// Layers.
    pub layers: u32,
    /// Heads of attention a layer.
    pub heads: u32,
    /// Heads of keys and values a layer, a divisor of `heads`.
    pub kv_heads: u32,
    /// Numbers a token in the middle of a feed-forward network.
    pub intermediate: u32,
}

/// A way to ask for prompts.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// What is said: a file such as `templates/mini.yaml`, or written in place. That of the style if left out.
    #[serde(default)]
    pub template: Option<Document<PromptTemplate>>,
    /// How the prompts end: `camera` or `plain`.
    pub style: Style,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            training: Training::default(),
            requests: Vec::new(),
            classes: Vec::new(),
            most: 10,
            vocabulary: 1024,
            width: 160,
            layers: 4,
            heads: 5,
            kv_heads: 5,
            intermediate: 448,
        }
    }
}

impl Recipe for Params {
    const NAME: &'static str = "train.language";
    const SUMMARY: &'static str =
        "Trains a language model to write prompts about the world's animals, from nothing.";
    const REVISION: u32 = 3;
    const KEPT: &'static [&'static str] = &["tokenizer.json", "tokenizer_config.json"];
    type Learner = Author;

    fn training(&self) -> &Training {
        &self.training
    }

    fn misfits(&self) -> Misfits {
        let least = ccsr_text::LEAST as u32;
        let mut misfits = within(
            "vocabulary",
            self.vocabulary,
            &(least..=1_000_000),
            " tokens",
        );
        misfits.add(within("most", self.most, &(1..=100), ""));
        for (name, value, most) in [
            ("width", self.width, 8192),
            ("layers", self.layers, 128),
            ("heads", self.heads, 256),
            ("kv_heads", self.kv_heads, 256),
            ("intermediate", self.intermediate, 65_536),
        ] {
            misfits.add(within(name, value, &(1..=most), ""));
        }
        if misfits.is_empty() && !self.width.is_multiple_of(2 * self.heads) {
            let (width, heads) = (self.width, self.heads);
            let message = format!("`{width}` is no multiple of twice the {heads} heads");
            misfits.add(Misfit::new(["width"], message));
        }
        if misfits.is_empty() && !self.heads.is_multiple_of(self.kv_heads) {
            let (heads, kv_heads) = (self.heads, self.kv_heads);
            let message = format!("`{kv_heads}` is no divisor of the {heads} heads");
            misfits.add(Misfit::new(["kv_heads"], message));
        }
        for (index, name) in self.classes.iter().enumerate() {
            if let Err(message) = crate::world::class(name) {
                misfits.add(Misfit::new(["classes", &index.to_string()], message));
            }
        }
        for (index, request) in self.requests.iter().enumerate() {
            if let Some(Document(template)) = &request.template {
                let found = template.misfits().below("template");
                misfits.add(found.below(index.to_string()).below("requests"));
            }
        }
        misfits
    }

    fn inputs(&self) -> Vec<InputPort> {
        let columns = [("question", ColumnType::Text), ("answer", ColumnType::Text)];
        vec![InputPort::new("questions", columns).optional()]
    }

    fn material(&self, inputs: &Inputs<'_>) -> Result<Value, StageError> {
        match inputs.tables.get("questions") {
            Some(_) => examples(inputs, "questions", &["question", "answer"]),
            None => Ok(Value::list([])),
        }
    }

    fn preparation(&self) -> Value {
        let Value::Map(map) = crate::identity_of(self) else {
            return Value::Null;
        };
        let read = ["requests", "classes", "most", "vocabulary"];
        let read = map.iter().filter(|(name, _)| read.contains(&&***name));
        let read = read.map(|(name, value)| (name.to_string(), value.clone()));
        let seed = Value::from(self.training.seed.to_string());
        Value::map(read.chain([("seed".to_owned(), seed)]))
    }

    fn prepare(
        &self,
        material: &Value,
        _: &dyn Blobs,
        _: &Device,
        outcome: &mut Outcome,
    ) -> Result<Value, StageError> {
        let mut texts = self.texts()?;
        for example in list(material)? {
            let (question, answer): (String, String) = example.read().map_err(failed)?;
            texts.push(format!("{question} {answer}"));
        }
        // What a judge answers with is to be one token each.
        let answers = std::iter::repeat_n(" yes no nan", texts.len());
        let texts = texts.iter().map(String::as_str).chain(answers);
        let tokenizer =
            ccsr_text::learn_tokenizer(texts, self.vocabulary as usize).map_err(failed)?;
        let File::Bytes(config) = File::from(&tokenizer_config(true)) else {
            return Err(StageError::failed("a configuration is no text"));
        };
        let files = Self::KEPT.iter().copied().zip([tokenizer, config]);
        Ok(Value::map(files.map(|(name, file)| {
            (name, Value::Blob(outcome.add_blob(file)))
        })))
    }

    fn learner(
        &self,
        _: &Value,
        prepared: &Value,
        blobs: &dyn Blobs,
        device: &Device,
    ) -> Result<Author, StageError> {
        let folder = LaidOut::new(prepared, blobs)?;
        let words = Words::open(folder.path(), None)?;
        let config = self.config(words.tokenizer.vocabulary_size());
        let sizes = MistralConfig::of_json(&config).map_err(StageError::Failed)?;
        let network = Mistral::new(&sizes, &Packing::default(), device);
        Ok(Author {
            trainer: LanguageTrainer::new(network, &device.clone().autodiff()),
            params: self.clone(),
            classes: self.classes(),
            requests: self.requests(),
            words,
            config,
            tokenizer: folder
                .files()
                .map(|(name, file)| (name.to_owned(), file))
                .collect(),
        })
    }
}

impl Params {
    fn classes(&self) -> Vec<String> {
        if self.classes.is_empty() {
            let all = Class::ALL.iter().map(|class| class.name().to_owned());
            return all.collect();
        }
        self.classes.clone()
    }

    fn requests(&self) -> Vec<(PromptTemplate, Style)> {
        let own = |style| (PromptTemplate::of(style), style);
        if self.requests.is_empty() {
            return vec![own(Style::Camera), own(Style::Plain)];
        }
        let request = |request: &Request| match &request.template {
            Some(Document(template)) => (template.clone(), request.style),
            None => own(request.style),
        };
        self.requests.iter().map(request).collect()
    }

    /// What the vocabulary is learnt from: every request about every class, and as many prompts of each style.
    fn texts(&self) -> Result<Vec<String>, StageError> {
        let (classes, mut texts) = (self.classes(), Vec::new());
        for (template, style) in self.requests() {
            for (index, class) in (0..).zip(&classes) {
                match template.wording(class, 1 + index % self.most)? {
                    Wording::Raw(text) => texts.push(text),
                    Wording::Chat {
                        system,
                        instruction,
                    } => texts.extend(system.into_iter().chain([instruction])),
                }
                let prompts = (0..ANSWERS).into_par_iter();
                let prompt =
                    |ordinal| WorldGrammar.write(class, style, ordinal, self.training.seed);
                let numbered = |ordinal| format!("{}. {}", ordinal % 10 + 1, prompt(ordinal));
                texts.par_extend(prompts.map(numbered));
            }
        }
        Ok(texts)
    }

    /// `config.json`
    fn config(&self, vocabulary: usize) -> Json {
        json!({
            "architectures": ["MistralForCausalLM"],
            "model_type": "mistral",
            "vocab_size": vocabulary,
            "hidden_size": self.width,
            "intermediate_size": self.intermediate,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads,
            "num_key_value_heads": self.kv_heads,
            "head_dim": self.width / self.heads,
            "hidden_act": "silu",
            "max_position_embeddings": CONTEXT,
            "rms_norm_eps": 1e-5,
            "rope_theta": 10_000.0,
            "sliding_window": null,
            "tie_word_embeddings": false,
            "dtype": "float16",
            "bos_token_id": 1,
            "eos_token_id": 2,
            "pad_token_id": 6,
        })
    }
}

/// What is trained.
pub(crate) struct Author {
    trainer: LanguageTrainer,
    params: Params,
    classes: Vec<String>,
    requests: Vec<(PromptTemplate, Style)>,
    words: Words,
    config: Json,
    /// The tokenizer's files.
    tokenizer: Vec<(String, ccsr_stage::Digest)>,
}

impl Author {
    /// A conversation.
    fn lesson(&self, chance: &mut Noise) -> Result<Lesson, StageError> {
        let (template, style) = &self.requests[below(chance, self.requests.len())];
        let class = &self.classes[below(chance, self.classes.len())];
        let count = 1 + below(chance, self.params.most as usize);
        let (mut seen, mut lines) = (HashSet::new(), Vec::with_capacity(count));
        // A class has thousands of prompts.
        while lines.len() < count {
            let ordinal = below(chance, 1 << 40) as u64;
            let prompt = WorldGrammar.write(class, *style, ordinal, self.params.training.seed);
            if seen.insert(normalised(&prompt)) {
                lines.push(format!("{}. {prompt}", lines.len() + 1));
            }
        }
        let answer = lines.join("\n");
        let asked = self
            .words
            .of_wording(&template.wording(class, count as u32)?)?;
        let answer = self.words.of_answer(&answer)?;
        let tokens = asked.len() + answer.len();
        if tokens > CONTEXT as usize {
            return Err(StageError::input(format!(
                "a conversation about {count} prompts has {tokens} tokens, more than the {CONTEXT} that the model reads; take \
                 a smaller `most`, or a larger `vocabulary`"
            )));
        }
        Ok(Lesson::answer(&asked, &answer))
    }
}

impl Learner for Author {
    type Drawn = Vec<Lesson>;

    const OUTER: &'static [&'static str] = &["embed_tokens", "lm_head"];

    fn row(&self) -> &Row {
        self.trainer.row()
    }

    fn initial(&self, seed: u64) -> Result<Vec<f32>, StageError> {
        Ok(initial(self.row(), Initial::of, |index| {
            source("initial", seed, index as u64)
        }))
    }

    fn put(&self, numbers: &mut [f32], folder: &Path, device: &Device) -> Result<(), StageError> {
        let network = ccsr_mistral::load(folder, device).map_err(failed)?;
        put_network(&network, "", self.row(), numbers)
    }

    fn draw(&self, step: &Step) -> Result<Vec<Lesson>, StageError> {
        let first = step.number * step.batch as u64;
        let lessons = (first..first + step.batch as u64).into_par_iter();
        let lessons = lessons.map(|number| self.lesson(&mut source("lesson", step.seed, number)));
        lessons.collect()
    }

    fn gradient(
        &self,
        numbers: &[f32],
        drawn: &Vec<Lesson>,
        parts: &StepParts<'_>,
    ) -> Result<Gradient, StageError> {
        parts.mean(|examples| Ok(self.trainer.gradient(numbers, &drawn[examples])))
    }

    fn files(&self, numbers: &[f32]) -> Result<Vec<(String, File)>, StageError> {
        let weights = self.row().file(numbers, str::to_owned);
        let tokenizer = self.tokenizer.iter();
        let tokenizer = tokenizer.map(|(name, file)| (name.clone(), File::Blob(*file)));
        let own = [
            ("config.json", File::from(&self.config)),
            ("generation_config.json", File::from(&generation_config())),
            ("model.safetensors", File::from(weights)),
        ];
        let own = own.into_iter().map(|(name, file)| (name.to_owned(), file));
        Ok(tokenizer.chain(own).collect())
    }
}

#[cfg(test)]
pub(crate) mod tests;
