//! `prompt.generate`: prompts about classes, from the suite's writer.
//!
//! A prompt is taken if it mentions its class, is short enough for the text encoder and is not one
//! of the others; the writer is asked for more until there are as many as were wanted. A writer that
//! is a grammar answers at once. One that is a language model is asked in chunks: a unit is a
//! completion, raw, and what of it becomes prompts is worked out from it (`lines`, `sift`).

mod completions;
mod grammar;
mod lines;
mod measure;
mod params;
mod sift;
mod wording;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use ccsr_stage::params::Document;
use ccsr_stage::{
    Batch, Bound, ColumnType, Environment, InputPort, Inputs, Misfit, Misfits, Outcome, OutputPort,
    Partition, PartitionOutcomes, Resolved, Resource, Roles, RowCounts, Schema, Schemas, Source,
    Stage, StageError, StageKind, Table, Unit, Value,
};

use self::completions::Completions;
use self::measure::Length;
pub(crate) use self::params::classes;
pub use self::params::{Extra, OnShortfall, Params};
use self::sift::{Draft, Rules};
pub use self::wording::PromptTemplate;
use crate::prompt_rules::normalised;
use crate::roles::{Completion, Grammar, Role, WriteRequest, Writer};

/// The stage.
pub struct GeneratePrompts {
    params: Params,
    template: PromptTemplate,
    length: Length,
    writer: Role<dyn Writer>,
}

/// What a completion is drawn with: of the pipeline's seed, the class, the chunk and the attempt at it.
fn seed_of(seed: u64, class: &str, draft: Draft) -> u64 {
    let parts = [
        Value::from("seed of a completion"),
        Value::Int(seed as i64),
        Value::from(class),
        Value::Int(i64::from(draft.chunk)),
        Value::Int(i64::from(draft.attempt)),
    ];
    let digest = Value::list(parts).digest();
    digest
        .as_bytes()
        .iter()
        .take(8)
        .fold(0, |seed, byte| seed << 8 | u64::from(*byte))
}

impl GeneratePrompts {
    fn grammar(&self) -> Option<&dyn Grammar> {
        self.writer.object.grammar()
    }

    /// What is asked of the prompts.
    fn rules(&self, inputs: &Inputs<'_>) -> Result<Rules<'_>, StageError> {
        Ok(Rules {
            classes: &self.params.classes,
            count: self.params.count,
            chunk: self.params.chunk,
            retries: self.params.retries,
            length: &self.length,
            excluded: excluded(inputs)?,
        })
    }

    fn unit(&self, inputs: &Inputs<'_>, model: &Value, draft: Draft) -> Result<Unit, StageError> {
        let class = &self.params.classes[draft.class];
        let request = WriteRequest {
            wording: &self.template.wording(class, self.params.chunk)?,
            sampling: &self.params.sampling(),
            seed: seed_of(inputs.seed, class, draft),
            model,
        };
        let reads = self.writer.object.input(&request)?;
        let unit = self.writer.unit("writer", reads);
        Ok(unit
            .with_group(draft.class as u64)
            .with_hint(draft.to_hint()))
    }

    /// That a class has all its prompts, if that matters.
    fn check_count(&self, class: &str, found: usize, told: &str) -> Result<(), StageError> {
        let wanted = self.params.count;
        if found == wanted as usize || self.params.on_shortfall == OnShortfall::Accept {
            return Ok(());
        }
        Err(StageError::failed(format!(
            "the writer has {found} prompts about {class} that are new and have at most {} tokens, \
             fewer than `count: {wanted}`{told}; ask for fewer, or set `on_shortfall: accept`",
            self.params.max_tokens
        )))
    }

    /// The prompts of each class by a grammar.
    fn by_grammar(
        &self,
        grammar: &dyn Grammar,
        inputs: &Inputs<'_>,
    ) -> Result<Vec<Vec<String>>, StageError> {
        let mut seen = excluded(inputs)?;
        let mut about = |class: &String| {
            let (params, length, seed) = (&self.params, &self.length, inputs.seed);
            let prompts = grammar::prompts(grammar, params, length, class, seed, &mut seen)?;
            self.check_count(class, prompts.len(), "")?;
            Ok(prompts)
        };
        self.params.classes.iter().map(&mut about).collect()
    }

    /// The prompts of each class by a language model, and the table of its completions.
    fn by_model(
        &self,
        inputs: &Inputs<'_>,
        resolved: &[Resolved],
    ) -> Result<(Vec<Vec<String>>, Table), StageError> {
        let completions = Completions::of(resolved)?;
        let sifted = self.rules(inputs)?.sift(&completions)?;
        for (index, class) in self.params.classes.iter().enumerate() {
            let told = completions.told(index, &self.params, &sifted);
            self.check_count(class, sifted.prompts[index].len(), &told)?;
        }
        let table = completions.table(&self.params.classes, &sifted)?;
        Ok((sifted.prompts, table))
    }
}

/// The prompts that must not be written, as they are compared.
fn excluded(inputs: &Inputs<'_>) -> Result<HashSet<String>, StageError> {
    let rows = inputs
        .tables
        .get("exclude")
        .into_iter()
        .flat_map(|table| table.rows());
    let excluded = rows.map(|row| Ok(normalised(row.text("prompt")?)));
    excluded.collect()
}

/// The columns of prompts.
fn prompts() -> Schema {
    Schema::new([("class", ColumnType::Text), ("prompt", ColumnType::Text)])
}

impl Stage for GeneratePrompts {
    /// Of what is for language models, nothing if the writer is a grammar. The tokenizer's files are a
    /// source.
    fn identity(&self) -> Value {
        let params = &self.params;
        let of_all = [
            ("classes", crate::identity_of(&params.classes)),
            ("count", crate::identity_of(&params.count)),
            ("style", crate::identity_of(&params.style)),
            ("extra", crate::identity_of(&params.extra)),
            ("max_tokens", crate::identity_of(&params.max_tokens)),
            ("on_shortfall", crate::identity_of(&params.on_shortfall)),
        ];
        if self.grammar().is_some() {
            return Value::map(of_all);
        }
        let of_models = [
            ("template", crate::identity_of(&self.template)),
            ("chunk", crate::identity_of(&params.chunk)),
            ("retries", crate::identity_of(&params.retries)),
            ("sampling", crate::identity_of(&params.sampling())),
        ];
        // What the style means to a language model stands in the template.
        let of_all = of_all.into_iter().filter(|(name, _)| *name != "style");
        Value::map(of_all.chain(of_models))
    }

    fn seeded(&self) -> bool {
        true
    }

    fn inputs(&self) -> Vec<InputPort> {
        vec![InputPort::new("exclude", [("prompt", ColumnType::Text)]).optional()]
    }

    fn outputs(&self, _: &Schemas) -> Result<Vec<OutputPort>, StageError> {
        let mut ports = vec![OutputPort::new("prompts", prompts())];
        if self.grammar().is_none() {
            ports.push(OutputPort::new("completions", completions::schema()));
        }
        Ok(ports)
    }

    fn sources(&self) -> Vec<Source> {
        let mut sources = self.writer.object.sources();
        sources.extend(self.length.sources());
        sources
    }

    fn bound(&self, _: &RowCounts) -> Bound {
        let (params, classes) = (&self.params, self.params.classes.len() as u64);
        let written = u64::from(params.count) * classes;
        let prompts = written + params.extra.len() as u64;
        if self.grammar().is_some() {
            return Bound::new(0, "prompts", prompts);
        }
        let chunks = u64::from(params.count.div_ceil(params.chunk)) * classes;
        let completions = chunks * (1 + u64::from(params.retries));
        let mut bound = Bound::new(completions, "prompts", prompts);
        bound.rows.insert("completions", completions);
        bound
    }

    fn units(
        &self,
        inputs: &Inputs<'_>,
        _: &Partition,
        so_far: &[Resolved],
    ) -> Result<Vec<Unit>, StageError> {
        if self.grammar().is_some() {
            return Ok(Vec::new());
        }
        let known = Completions::of(so_far)?;
        let wanted = self.rules(inputs)?.sift(&known)?.wanted;
        let model = self.writer.object.model(inputs)?;
        let units = wanted
            .into_iter()
            .map(|draft| self.unit(inputs, &model, draft));
        units.collect()
    }

    fn batch(&self) -> usize {
        self.writer.object.batch()
    }

    fn resource_identity(&self, _: &str) -> Value {
        self.writer.object.resource_identity()
    }

    fn load(&self, _: &str, environment: &Environment) -> Result<Arc<dyn Resource>, StageError> {
        self.writer.object.load(environment)
    }

    fn execute(&self, batch: &Batch<'_>) -> Vec<Result<Outcome, StageError>> {
        let outcome = |written: Completion| Outcome::of(crate::identity_of(&written));
        let written = self.writer.object.write(batch).into_iter();
        written.map(|written| written.map(outcome)).collect()
    }

    fn collect(
        &self,
        inputs: &Inputs<'_>,
        outcomes: &[PartitionOutcomes],
    ) -> Result<BTreeMap<&'static str, Table>, StageError> {
        let mut tables = BTreeMap::new();
        let written = if let Some(grammar) = self.grammar() {
            self.by_grammar(grammar, inputs)?
        } else {
            let resolved = outcomes.first().map(|part| part.resolved.as_slice());
            let (written, completions) = self.by_model(inputs, resolved.unwrap_or_default())?;
            tables.insert("completions", completions);
            written
        };
        let mut seen = excluded(inputs)?;
        let mut table = Table::builder(prompts());
        for (class, written) in self.params.classes.iter().zip(written) {
            for prompt in written {
                seen.insert(normalised(&prompt));
                table.push([Value::from(class.as_str()), Value::from(prompt)])?;
            }
        }
        for extra in &self.params.extra {
            if !seen.insert(normalised(&extra.prompt)) {
                return Err(StageError::input(format!(
                    "the extra prompt \"{}\" is there already: among the written ones, the \
                     excluded ones or the other extra ones",
                    extra.prompt
                )));
            }
            table.push([
                Value::from(extra.class.as_str()),
                Value::from(extra.prompt.as_str()),
            ])?;
        }
        tables.insert("prompts", table.finish());
        Ok(tables)
    }

    fn describe(&self, unit: &Unit) -> Option<String> {
        let Draft {
            class,
            chunk,
            attempt,
        } = Draft::of_hint(&unit.hint)?;
        let class = self.params.classes.get(class)?;
        Some(format!(
            "chunk {chunk} of prompts about {class}, attempt {attempt}"
        ))
    }
}

impl StageKind for GeneratePrompts {
    const NAME: &'static str = "prompt.generate";
    const SUMMARY: &'static str = "Writes prompts about classes.";
    const REVISION: u32 = 1;
    const TABLE_REVISION: u32 = 1;
    const ROLES: &'static [&'static str] = &["writer"];
    type Params = Params;

    fn new(params: Params, roles: &Roles) -> Result<Self, Misfits> {
        let writer = Role::<dyn Writer>::get(roles, "writer")?;
        let mut misfits = params.out_of_range();
        for (index, class) in params.classes.iter().enumerate() {
            let mut refuse = |message| {
                misfits.add(Misfit::new(["classes", &index.to_string()], message));
            };
            if params.classes[..index].contains(class) {
                refuse(format!("`classes` names {class} twice"));
            } else if let Err(message) = writer.object.check(class) {
                refuse(message);
            }
        }
        let given = params
            .template
            .as_ref()
            .map(|Document(template)| template.clone());
        let template = given.unwrap_or_else(|| PromptTemplate::of(params.style));
        misfits.add(template.misfits().below("template"));
        let length = Length::new(params.max_tokens, params.tokenizer.clone());
        misfits.add(match &length {
            Ok(length) => params.unfit_extras(length),
            Err(unread) => unread.clone(),
        });
        misfits.check()?;
        Ok(Self {
            length: length?,
            params,
            template,
            writer,
        })
    }
}

#[cfg(test)]
mod tests;
