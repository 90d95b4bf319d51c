//! `prompt.template`: prompts from a sentence with slots.

use std::collections::{BTreeMap, HashSet};

use ccsr_stage::{
    Bound, ColumnType, InputPort, Inputs, Misfit, Misfits, OutputPort, PartitionOutcomes, Roles,
    RowCounts, Schema, Schemas, Stage, StageError, StageKind, Table, Value,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::template::{self, Piece};

/// The most combinations that are listed one by one.
const MOST: u64 = 1_000_000;

/// Parameters of `prompt.template`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Params {
    /// The prompt, with `{class}` and a `{slot}` wherever a choice goes.
    pub template: String,
    /// What may stand in each slot: `{place: [desert, forest]}`.
    #[serde(default)]
    pub slots: BTreeMap<String, Vec<String>>,
    /// What the prompts are about.
    #[serde(default = "crate::generate_prompts::classes")]
    pub classes: Vec<String>,
    /// Prompts a class, chosen by the pipeline's seed; all combinations if left out. A larger count
    /// keeps the prompts of a smaller one.
    #[serde(default)]
    pub count: Option<u32>,
}

/// The stage.
pub struct TemplatePrompts {
    params: Params,
    /// The slots in the template, in order of first appearance.
    used: Vec<String>,
}

impl TemplatePrompts {
    /// Combinations of the slots' choices.
    fn combinations(&self) -> u64 {
        let choices = self
            .used
            .iter()
            .map(|slot| self.params.slots[slot].len() as u64);
        choices.fold(1, u64::saturating_mul)
    }

    /// The combination number `index` about a class.
    fn prompt(&self, class: &str, mut index: u64) -> Result<String, StageError> {
        let mut chosen = BTreeMap::from([("class", class)]);
        for slot in self.used.iter().rev() {
            let choices = &self.params.slots[slot];
            let length = choices.len() as u64;
            chosen.insert(slot.as_str(), &choices[(index % length) as usize]);
            index /= length;
        }
        template::render(&self.params.template, |name| {
            let unknown = || StageError::input(format!("`{{{name}}}` stands for nothing"));
            chosen.get(name).copied().ok_or_else(unknown)
        })
    }

    /// The order in which combinations are taken: that of their hashes, so that a larger count
    /// begins with the prompts of a smaller one.
    fn order(&self, class: &str, seed: u64) -> Vec<u64> {
        let mut order: Vec<u64> = (0..self.combinations()).collect();
        if self.params.count.is_some() {
            order.sort_by_cached_key(|index| {
                let parts = [
                    Value::Int(seed as i64),
                    class.into(),
                    Value::Int(*index as i64),
                ];
                *Value::list(parts).digest().as_bytes()
            });
        }
        order
    }
}

impl Stage for TemplatePrompts {
    fn identity(&self) -> Value {
        let texts = |texts: &[String]| Value::list(texts.iter().map(|t| Value::from(t.as_str())));
        let slots = self.params.slots.iter();
        Value::map([
            ("template", Value::from(self.params.template.as_str())),
            (
                "slots",
                Value::map(slots.map(|(name, choices)| (name.as_str(), texts(choices)))),
            ),
            ("classes", texts(&self.params.classes)),
            ("count", Value::from(self.params.count.map(i64::from))),
        ])
    }

    fn seeded(&self) -> bool {
        self.params.count.is_some()
    }

    fn inputs(&self) -> Vec<InputPort> {
        Vec::new()
    }

    fn outputs(&self, _: &Schemas) -> Result<Vec<OutputPort>, StageError> {
        let schema = Schema::new([("class", ColumnType::Text), ("prompt", ColumnType::Text)]);
        Ok(vec![OutputPort::new("prompts", schema)])
    }

    fn bound(&self, _: &RowCounts) -> Bound {
        let each = self.params.count.map_or(self.combinations(), u64::from);
        Bound::new(
            0,
            "prompts",
            each.saturating_mul(self.params.classes.len() as u64),
        )
    }

    fn collect(
        &self,
        inputs: &Inputs<'_>,
        _: &[PartitionOutcomes],
    ) -> Result<BTreeMap<&'static str, Table>, StageError> {
        let ports = self.outputs(&Schemas::new())?;
        let mut table = Table::builder(ports[0].schema.clone());
        let mut seen = HashSet::new();
        for class in &self.params.classes {
            let seed = if self.seeded() { inputs.seed } else { 0 };
            let wanted = self.params.count.map_or(usize::MAX, |count| count as usize);
            let mut written = 0;
            for index in self.order(class, seed) {
                if written == wanted {
                    break;
                }
                let prompt = self.prompt(class, index)?;
                if seen.insert(prompt.clone()) {
                    table.push([Value::from(class.as_str()), Value::from(prompt)])?;
                    written += 1;
                }
            }
            if let Some(count) = self.params.count
                && written < wanted
            {
                return Err(StageError::input(format!(
                    "the template gives {written} different prompts about {class}, fewer than \
                     `count: {count}`: some choices read the same"
                )));
            }
        }
        Ok(BTreeMap::from([("prompts", table.finish())]))
    }
}

impl StageKind for TemplatePrompts {
    const NAME: &'static str = "prompt.template";
    const SUMMARY: &'static str = "Fills the slots of a sentence to make prompts.";
    const REVISION: u32 = 1;
    const TABLE_REVISION: u32 = 1;
    type Params = Params;

    fn new(params: Params, _: &Roles) -> Result<Self, Misfits> {
        let known: Vec<&str> = ["class"]
            .into_iter()
            .chain(params.slots.keys().map(String::as_str))
            .collect();
        template::check(&params.template, &known)
            .map_err(|message| Misfit::new(["template"], message))?;
        let mut used: Vec<String> = Vec::new();
        for piece in template::pieces(&params.template)? {
            if let Piece::Slot(name) = piece
                && name != "class"
                && !used.iter().any(|slot| slot == name)
            {
                used.push(name.to_owned());
            }
        }
        let mut misfits = Misfits::new();
        for (name, choices) in &params.slots {
            let path = ["slots", name];
            if name == "class" {
                let message = "`class` is no slot: `{class}` stands for each of `classes`";
                misfits.add(Misfit::of_name(path, message));
            } else if !used.contains(name) {
                let message = format!(
                    "the template does not use the slot `{name}`: write `{{{name}}}` in it"
                );
                misfits.add(Misfit::of_name(path, message));
            }
            if choices.is_empty() {
                let message = format!("the slot `{name}` has no choices");
                misfits.add(Misfit::new(path, message));
            }
        }
        if params.classes.is_empty() {
            let message = "`classes` is empty; expected at least one class";
            misfits.add(Misfit::new(["classes"], message));
        }
        let stage = Self { params, used };
        let combinations = stage.combinations();
        match stage.params.count {
            _ if combinations > MOST => misfits.add(Misfit::new(
                ["slots"],
                format!("the slots have more than {MOST} combinations; leave some choices out"),
            )),
            // Slots without choices were named already.
            Some(count) if u64::from(count) > combinations && combinations > 0 => {
                misfits.add(Misfit::new(
                    ["count"],
                    format!(
                        "`count: {count}` is more than the {combinations} combinations of the slots"
                    ),
                ));
            }
            _ => {}
        }
        misfits.check()?;
        Ok(stage)
    }
}

#[cfg(test)]
mod tests;
