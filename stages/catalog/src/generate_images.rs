//! `image.generate`: candidates for each prompt, from the suite's drawer.

mod variants;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use ccsr_stage::params::FolderPath;
use ccsr_stage::{
    Batch, Blobs, Bound, ColumnType, Digest, Environment, ExportFile, InputPort, Inputs, Misfit,
    Misfits, Outcome, OutputPort, Partition, PartitionOutcomes, Resolved, Resource, Roles, Row,
    RowCounts, Schema, Schemas, Source, Stage, StageError, StageKind, Table, Unit, Value,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::variants::{ADAPTERS, check_adapters, misfits_of_scales, variants};
use crate::file_name;
use crate::named_column::taken_column;
use crate::number_label::number_label;
use crate::png;
use crate::range::within;
use crate::roles::{DrawRequest, Drawer, Drawing, Role, SamplerName, Sampling};
use crate::row_id::{RowId, shortened};

/// Bump it when the same table would become other files.
const EXPORT_REVISION: u32 = 2;
/// The keyword under which web UIs look for how an image was made.
const METADATA: &str = "parameters";
/// The most candidates a prompt.
const MOST: u32 = 10_000;

/// Parameters of `image.generate`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Params {
    /// Candidates a prompt, at most 10,000, numbered from 0. A larger number keeps the candidates of
    /// a smaller one.
    pub candidates: u32,
    /// Width and height of the images, in pixels.
    pub size: u32,
    /// Draws these candidates and no others: their numbers, which are what their noise is drawn
    /// with. Left out, they are `0`, `1`, … as far as `candidates` says.
    pub seeds: Option<Vec<u32>>,
    /// What to do with a prompt that is listed again: `error`, or `drop` the repetition.
    pub on_duplicate: OnDuplicate,
    // What follows came later: it is left out of keys while it says what was done before.
    /// How a diffusion model gets from noise to an image; the sampler that its checkpoint was published
    /// with if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sampler: Option<SamplerName>,
    /// Steps of the sampler, from 1 to 1,000; 50 as in the paper.
    #[serde(skip_serializing_if = "is_paper_steps")]
    pub steps: u32,
    /// How much more the prompt counts than its absence, from 0 to 100; up to 1, it alone is looked at.
    #[serde(skip_serializing_if = "is_paper_guidance")]
    pub guidance: f64,
    /// What not to draw, in words.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub negative_prompt: String,
    /// The folder of a LoRA adapter, added to the suite's model: as diffusers writes it
    /// (`pytorch_lora_weights.safetensors`), as PEFT does (`adapter_config.json`), or one file of kohya's scripts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adapter: Option<FolderPath>,
    /// How much of the adapter is added; none at 0, which is the model as it was.
    #[serde(skip_serializing_if = "is_whole")]
    pub adapter_scale: f64,
    /// How much is added of each of the `adapters` that the stage is given, such as `[0, 0.4, 0.7]`: every candidate is
    /// drawn with each, from the same noise. `[1]` if left out; 0 is the model as it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scales: Option<Vec<f64>>,
}

/// Steps of the paper.
const STEPS: u32 = 50;
/// Guidance of the paper.
const GUIDANCE: f64 = 7.5;

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
const fn is_paper_steps(steps: &u32) -> bool {
    *steps == STEPS
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_paper_guidance(guidance: &f64) -> bool {
    guidance.to_bits() == GUIDANCE.to_bits()
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_whole(scale: &f64) -> bool {
    scale.to_bits() == 1.0_f64.to_bits()
}

impl Default for Params {
    fn default() -> Self {
        Self {
            candidates: 10,
            size: 512,
            seeds: None,
            on_duplicate: OnDuplicate::Error,
            sampler: None,
            steps: STEPS,
            guidance: GUIDANCE,
            negative_prompt: String::new(),
            adapter: None,
            adapter_scale: 1.0,
            scales: None,
        }
    }
}

impl Params {
    fn sampling(&self) -> Sampling {
        Sampling {
            sampler: self.sampler,
            steps: self.steps,
            guidance: self.guidance,
            negative_prompt: self.negative_prompt.clone(),
        }
    }
}

/// What to do with a prompt that is listed again for the same class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnDuplicate {
    /// Fail, and name it.
    Error,
    /// Draw it once.
    Drop,
}

/// The stage. With `BASELINE`, the suite's `baseline` draws in place of its `drawer`, from the same noise.
pub struct GenerateImages<const BASELINE: bool = false> {
    params: Params,
    drawer: Role<dyn Drawer>,
}

/// The noise of a candidate: of the pipeline's seed, the prompt's text and the candidate's number,
/// and of nothing else, so that whatever draws it starts from the same.
pub fn noise(seed: u64, prompt: &str, candidate: u32) -> Digest {
    let parts = [
        Value::from("noise of a candidate"),
        Value::Int(seed as i64),
        Value::from(prompt),
        Value::Int(i64::from(candidate)),
    ];
    Value::list(parts).digest()
}

impl<const BASELINE: bool> GenerateImages<BASELINE> {
    fn candidates(&self) -> Vec<u32> {
        let counted = || (0..self.params.candidates).collect();
        self.params.seeds.clone().unwrap_or_else(counted)
    }

    /// How a candidate was drawn, as the common web UIs write it (AUTOMATIC1111's `infotext`).
    fn metadata(&self, prompt: &str, candidate: i64, variant: &[(&'static str, String)]) -> String {
        let sampling = self.params.sampling();
        let mut settings = self.drawer.object.settings(&sampling);
        let size = self.params.size;
        settings.extend_from_slice(variant);
        settings.push(("Seed", candidate.to_string()));
        settings.push(("Size", format!("{size}x{size}")));
        let version = concat!("ccsr-flow ", env!("CARGO_PKG_VERSION"));
        settings.push(("Version", version.to_owned()));
        let settings: Vec<_> = settings
            .iter()
            .map(|(name, value)| format!("{name}: {value}"))
            .collect();
        let negative = match sampling.negative_prompt.as_str() {
            "" => String::new(),
            negative => format!("Negative prompt: {negative}\n"),
        };
        format!("{prompt}\n{negative}{}", settings.join(", "))
    }

    /// The prompts to draw.
    fn prompts<'a>(&self, inputs: &'a Inputs<'_>) -> Result<Vec<Row<'a>>, StageError> {
        let table = inputs.table("prompts")?;
        let id = RowId::group_of(&table.schema());
        let mut seen = HashMap::new();
        let mut prompts = Vec::with_capacity(table.len());
        for row in table.rows() {
            let prompt = row.text("prompt")?;
            match seen.insert(id.key(row), row.index()) {
                None => prompts.push(row),
                Some(earlier) if self.params.on_duplicate == OnDuplicate::Error => {
                    return Err(StageError::input(format!(
                        "the prompts in rows {} and {} are the same: \"{}\"; take one out, or set \
                         `on_duplicate: drop`",
                        earlier + 1,
                        row.index() + 1,
                        shortened(prompt)
                    )));
                }
                Some(_) => {}
            }
        }
        Ok(prompts)
    }
}

impl<const BASELINE: bool> Stage for GenerateImages<BASELINE> {
    /// Without the adapter's path: its files are among the sources.
    fn identity(&self) -> Value {
        let adapter = None;
        let params = Params {
            adapter,
            ..self.params.clone()
        };
        crate::identity_of(&params)
    }

    fn seeded(&self) -> bool {
        true
    }

    fn inputs(&self) -> Vec<InputPort> {
        vec![
            InputPort::new("prompts", [("prompt", ColumnType::Text)]),
            InputPort::new(ADAPTERS, [("adapter", ColumnType::Blob)]).optional(),
        ]
    }

    fn outputs(&self, inputs: &Schemas) -> Result<Vec<OutputPort>, StageError> {
        let prompts = inputs
            .get("prompts")
            .map(|schema| (**schema).clone())
            .unwrap_or_default();
        let id = Schema::new(
            prompts
                .columns()
                .filter(|(name, _)| matches!(*name, "class" | "prompt")),
        );
        let mut schema = id.with("candidate", ColumnType::Int);
        if let Some(adapters) = inputs.get(ADAPTERS) {
            check_adapters(&self.params, self.drawer.object.as_ref())?;
            if adapters.get("epoch") == Some(ColumnType::Int) {
                schema = schema.with("epoch", ColumnType::Int);
            }
            schema = schema.with("scale", ColumnType::Float);
        } else if self.params.scales.is_some() {
            return Err(StageError::input(
                "`scales` says how much of adapters is added, and there are none: bind the port `adapters`, as in \
                 `from: {prompts: prompts, adapters: lora.adapter}`",
            ));
        }
        schema = schema.with("image", ColumnType::Image);
        if self.drawer.object.knows_scene() {
            schema = schema.with("scene", ColumnType::Text);
        }
        for (name, kind) in prompts.columns() {
            if schema.get(name).is_none() {
                schema = schema.with(name, kind);
            } else if !matches!(name, "class" | "prompt") {
                return Err(taken_column("prompts", name));
            }
        }
        Ok(vec![OutputPort::new("images", schema)])
    }

    fn sources(&self) -> Vec<Source> {
        self.drawer.object.sources()
    }

    fn bound(&self, rows: &RowCounts) -> Bound {
        let prompts = rows.get("prompts").copied().unwrap_or(0);
        let adapters = rows.get(ADAPTERS).copied().unwrap_or(1);
        let scales = self.params.scales.as_ref().map_or(1, Vec::len) as u64;
        let candidates = (self.candidates().len() as u64).saturating_mul(scales);
        let images = prompts.saturating_mul(candidates).saturating_mul(adapters);
        Bound::new(images, "images", images)
    }

    fn units(
        &self,
        inputs: &Inputs<'_>,
        _: &Partition,
        so_far: &[Resolved],
    ) -> Result<Vec<Unit>, StageError> {
        if !so_far.is_empty() {
            return Ok(Vec::new());
        }
        let (candidates, sampling) = (self.candidates(), self.params.sampling());
        let model = self.drawer.object.model(inputs)?;
        let (prompts, variants) = (
            self.prompts(inputs)?,
            variants(self.params.scales.as_deref(), inputs)?,
        );
        let drawn = prompts
            .iter()
            .flat_map(|row| variants.iter().map(move |variant| (row, variant)));
        let mut units = Vec::new();
        for (group, (row, variant)) in drawn.enumerate() {
            let prompt = row.text("prompt")?;
            for candidate in &candidates {
                let request = DrawRequest {
                    prompt,
                    noise: noise(inputs.seed, prompt, *candidate),
                    size: self.params.size,
                    sampling: &sampling,
                    model: &model,
                    adapter: variant.adapter,
                };
                let reads = self.drawer.object.input(&request)?;
                let hint = Value::map([("candidate", Value::Int(i64::from(*candidate)))]);
                let unit = self.drawer.unit("drawer", reads);
                units.push(unit.with_group(group as u64).with_hint(hint));
            }
        }
        Ok(units)
    }

    fn batch(&self) -> usize {
        self.drawer.object.batch()
    }

    fn resource_identity(&self, _: &str) -> Value {
        self.drawer.object.resource_identity()
    }

    fn load(&self, _: &str, environment: &Environment) -> Result<Arc<dyn Resource>, StageError> {
        self.drawer.object.load(environment)
    }

    fn execute(&self, batch: &Batch<'_>) -> Vec<Result<Outcome, StageError>> {
        let outcome = |drawing: Drawing| {
            let mut outcome = Outcome::default();
            let image = outcome.add_blob(png::encode(&drawing.image));
            let value = Value::map([
                ("image", Value::Blob(image)),
                ("scene", Value::from(drawing.scene)),
            ]);
            outcome.with_value(value).with_note(drawing.note)
        };
        let drawings = self.drawer.object.draw(batch);
        drawings
            .into_iter()
            .map(|drawing| drawing.map(outcome))
            .collect()
    }

    fn collect(
        &self,
        inputs: &Inputs<'_>,
        outcomes: &[PartitionOutcomes],
    ) -> Result<BTreeMap<&'static str, Table>, StageError> {
        let prompts = inputs.table("prompts")?;
        let mut schemas = Schemas::from([("prompts", prompts.schema().into())]);
        if let Some(adapters) = inputs.tables.get(ADAPTERS) {
            schemas.insert(ADAPTERS, adapters.schema().into());
        }
        let schema = self.outputs(&schemas)?.remove(0).schema;
        let variants = variants(self.params.scales.as_deref(), inputs)?;
        let adapted = inputs.tables.contains_key(ADAPTERS);
        let mut table = Table::builder(schema.clone());
        let mut outcomes = outcomes.iter().flat_map(|partition| &partition.resolved);
        let prompts = self.prompts(inputs)?;
        let rows = prompts
            .iter()
            .flat_map(|row| variants.iter().map(move |variant| (row, variant)));
        for (row, variant) in rows {
            for candidate in self.candidates() {
                let drawn = outcomes
                    .next()
                    .ok_or_else(|| StageError::failed("a candidate is missing"))?;
                table.push(schema.columns().map(|(name, _)| match name {
                    "candidate" => Value::Int(i64::from(candidate)),
                    "epoch" if adapted => variant.epoch.clone(),
                    "scale" if adapted => Value::Float(variant.scale),
                    "image" | "scene" => drawn.outcome.get(name).cloned().unwrap_or_default(),
                    other => row.find(other).cloned().unwrap_or_default(),
                }))?;
            }
        }
        Ok(BTreeMap::from([("images", table.finish())]))
    }

    fn export(&self, _: &str, table: &Table) -> Result<Option<Vec<ExportFile>>, StageError> {
        let group = RowId::group_of(&table.schema());
        let mut numbers = HashMap::new();
        let file = |row: Row<'_>| {
            let next = numbers.len() as i64 + 1;
            let line = *numbers.entry(group.key(row)).or_insert(next);
            let class = row.find("class").and_then(Value::as_text);
            let (candidate, image) = (row.int("candidate")?, row.blob("image")?);
            let mut variant = Vec::new();
            for (column, what) in [("epoch", "Adapter epoch"), ("scale", "Adapter scale")] {
                if let Some(number) = row.find(column).and_then(Value::as_float) {
                    variant.push((what, number_label(number)));
                }
            }
            let text = self.metadata(row.text("prompt")?, candidate, &variant);
            let parts = [
                Value::Int(i64::from(EXPORT_REVISION)),
                Value::Blob(image),
                Value::from(text.as_str()),
            ];
            let render = move |blobs: &dyn Blobs| {
                let image = png::decode(&blobs.read(&image)?)
                    .map_err(|error| StageError::failed(error.to_string()))?;
                Ok(png::encode_with(&image, Some((METADATA, &text))))
            };
            let mut name = file_name::of_candidate(line, class, candidate);
            for (column, what) in [("epoch", "-epoch"), ("scale", "-scale")] {
                if let Some(number) = row.find(column).and_then(Value::as_float) {
                    name =
                        file_name::with_suffix(&name, &format!("{what}{}", number_label(number)));
                }
            }
            Ok(ExportFile::rendered(name, &Value::list(parts), render))
        };
        let files: Result<_, StageError> = table.rows().map(file).collect();
        Ok(Some(files?))
    }

    fn export_revision(&self) -> u32 {
        EXPORT_REVISION
    }

    fn describe(&self, unit: &Unit) -> Option<String> {
        let candidate = unit.hint.get("candidate")?.as_int()?;
        let prompt = unit.input.get("prompt")?.as_text()?;
        Some(format!(
            "candidate {candidate} of \"{}\"",
            shortened(prompt)
        ))
    }
}

impl<const BASELINE: bool> StageKind for GenerateImages<BASELINE> {
    const NAME: &'static str = if BASELINE {
        "image.generate-baseline"
    } else {
        "image.generate"
    };
    const SUMMARY: &'static str = if BASELINE {
        "Draws candidates for each prompt by the suite's baseline, to compare with."
    } else {
        "Draws candidates for each prompt."
    };
    const REVISION: u32 = 1;
    const TABLE_REVISION: u32 = 1;
    const ROLES: &'static [&'static str] = if BASELINE { &["baseline"] } else { &["drawer"] };
    type Params = Params;

    fn new(params: Params, roles: &Roles) -> Result<Self, Misfits> {
        let mut misfits = within("size", params.size, &(16..=4096), " pixels");
        misfits.add(within("candidates", params.candidates, &(1..=MOST), ""));
        if let Some(seeds) = &params.seeds {
            if !(1..=MOST as usize).contains(&seeds.len()) {
                let message = format!(
                    "`seeds` names {} candidates; expected from 1 to {MOST}",
                    seeds.len()
                );
                misfits.add(Misfit::new(["seeds"], message));
            }
            let mut seen = HashSet::new();
            for (index, seed) in seeds.iter().enumerate() {
                if !seen.insert(seed) {
                    let message = format!("`seeds` names {seed} twice");
                    misfits.add(Misfit::new(["seeds", &index.to_string()], message));
                    // Of a million alike, one says it all.
                    break;
                }
            }
        }
        misfits.add(within("steps", params.steps, &(1..=1000), ""));
        misfits.add(within("guidance", params.guidance, &(0.0..=100.0), ""));
        misfits.add(within(
            "adapter_scale",
            params.adapter_scale,
            &(-100.0..=100.0),
            "",
        ));
        misfits.add(misfits_of_scales(params.scales.as_deref()));
        misfits.check()?;
        let mut drawer: Role<dyn Drawer> = Role::get(roles, Self::ROLES[0])?;
        if let Some(adapter) = &params.adapter {
            drawer.object = drawer.object.with_adapter(adapter, params.adapter_scale)?;
        }
        drawer.object.check(params.size, &params.sampling())?;
        Ok(Self { params, drawer })
    }
}

#[cfg(test)]
mod tests;
