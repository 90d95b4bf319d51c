//! `eval.detect`: how often images show their class, and as many of it as their prompts ask for, as a detector sees
//! them.
//!
//! Pure: detections were stored from a low floor upwards, so another threshold looks at no image again.

use std::collections::{BTreeMap, HashMap};

use ccsr_stage::{
    Bound, ColumnType, InputPort, Inputs, Misfits, OutputPort, PartitionOutcomes, Roles, Row,
    RowCounts, Schema, Schemas, Stage, StageError, StageKind, Table, Value,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::named_column::named_column;
use crate::range::within;
use crate::row_id::{Key, RowId};
use crate::statistics::Share;

mod wanted;

/// Parameters of `eval.detect`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Params {
    /// The confidence from which a detection counts, `0.0..=1.0`.
    pub min_confidence: f64,
    /// The column of the images, of whole numbers, that says how many there should be. Not said: it is read in the
    /// prompt (`two elephants`, `an elephant`), and open where that leaves it so (`a herd of elephants`).
    pub wanted: Option<String>,
    /// A column of the images, such as `scale`, whose values are counted apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            min_confidence: 0.25,
            wanted: None,
            by: None,
        }
    }
}

/// The stage.
pub struct MeasureDetection {
    params: Params,
}

/// An image as the detector sees it.
struct Seen {
    /// Detections of the class that count.
    found: i64,
    /// How many there should be.
    wanted: Option<i64>,
}

impl Seen {
    const fn is_shown(&self) -> bool {
        self.found > 0
    }

    fn is_right(&self) -> Option<bool> {
        self.wanted.map(|wanted| wanted == self.found)
    }
}

/// What is counted of a class's images.
#[derive(Clone, Copy, Default)]
struct Counts {
    shown: Share,
    right: Share,
}

impl Counts {
    fn add(&mut self, seen: &Seen) {
        self.shown.count(seen.is_shown());
        if let Some(is_right) = seen.is_right() {
            self.right.count(is_right);
        }
    }

    fn row(&self, group: Option<Value>, class: Value) -> Vec<Value> {
        let number = |share: Share| Value::Int(share.of() as i64);
        let mut row: Vec<Value> = group.into_iter().collect();
        row.extend([class, number(self.shown)]);
        row.extend(self.shown.values());
        row.push(number(self.right));
        row.extend(self.right.values());
        row
    }
}

/// Images that are counted together, class by class.
struct Group<'a> {
    /// What they have in common, if images are told apart.
    value: Option<Value>,
    classes: Vec<(&'a str, Counts)>,
    all: Counts,
}

impl<'a> Group<'a> {
    fn of(value: Option<Value>) -> Self {
        Self {
            value,
            classes: Vec::new(),
            all: Counts::default(),
        }
    }

    fn add(&mut self, class: &'a str, seen: &Seen) {
        let known = self.classes.iter().position(|(known, _)| *known == class);
        let known = known.unwrap_or_else(|| {
            self.classes.push((class, Counts::default()));
            self.classes.len() - 1
        });
        self.classes[known].1.add(seen);
        self.all.add(seen);
    }
}

impl MeasureDetection {
    fn seen(&self, row: Row<'_>, found: i64) -> Result<Seen, StageError> {
        let wanted = match &self.params.wanted {
            Some(column) => row.find(column).and_then(Value::as_int),
            None => wanted::wanted(row.text("prompt")?, row.text("class")?),
        };
        Ok(Seen { found, wanted })
    }

    /// How many detections of its class count, by image.
    fn counted(&self, detections: &Table, id: &RowId) -> Result<HashMap<Key, i64>, StageError> {
        let mut counted = HashMap::new();
        for row in detections.rows() {
            let is_target = row.find("target").and_then(Value::as_bool);
            let is_target = is_target.ok_or_else(|| {
                StageError::input(
                    "the class of the images was not looked for: put `{class}` into the `vocabulary` of `image.detect`",
                )
            })?;
            if is_target && row.float("confidence")? >= self.params.min_confidence {
                *counted.entry(id.key(row)).or_insert(0) += 1;
            }
        }
        Ok(counted)
    }
}

impl Stage for MeasureDetection {
    fn identity(&self) -> Value {
        crate::identity_of(&self.params)
    }

    fn inputs(&self) -> Vec<InputPort> {
        let mut columns = vec![("class".to_owned(), ColumnType::Text)];
        columns.push(match &self.params.wanted {
            Some(column) => (column.clone(), ColumnType::Int),
            None => ("prompt".to_owned(), ColumnType::Text),
        });
        let detected = [
            ("target", ColumnType::Bool),
            ("confidence", ColumnType::Float),
        ];
        vec![
            InputPort::new("images", columns),
            InputPort::new("detections", detected),
        ]
    }

    fn outputs(&self, inputs: &Schemas) -> Result<Vec<OutputPort>, StageError> {
        let images = inputs.get("images").map(|schema| (**schema).clone());
        let images = images.unwrap_or_default();
        RowId::check_matched(&images, inputs, &["detections"])?;
        let of_image = RowId::of(&images)
            .schema()
            .with("found", ColumnType::Int)
            .with("shown", ColumnType::Bool)
            .with("wanted", ColumnType::Int)
            .with("right", ColumnType::Bool);
        let mut of_class = Schema::default();
        if let Some(by) = &self.params.by {
            let kind = named_column("images", &images, "by", by)?;
            of_class = of_class.with(by.as_str(), kind);
        }
        of_class = of_class.with("class", ColumnType::Text);
        for (count, share) in [("images", "shown"), ("counted", "right")] {
            of_class = of_class.with(count, ColumnType::Int);
            for end in ["", "_low", "_high"] {
                of_class = of_class.with(format!("{share}{end}"), ColumnType::Float);
            }
        }
        Ok(vec![
            OutputPort::new("images", of_image),
            OutputPort::new("shares", of_class),
        ])
    }

    fn bound(&self, rows: &RowCounts) -> Bound {
        let images = rows.get("images").copied().unwrap_or(0);
        Bound {
            units: 0,
            rows: RowCounts::from([("images", images), ("shares", 2 * images)]),
        }
    }

    fn collect(
        &self,
        inputs: &Inputs<'_>,
        _: &[PartitionOutcomes],
    ) -> Result<BTreeMap<&'static str, Table>, StageError> {
        let (images, detections) = (inputs.table("images")?, inputs.table("detections")?);
        let (schema, found) = (images.schema(), detections.schema());
        let shared = RowId::shared(("images", &schema), ("detections", &found))?;
        let counted = self.counted(detections, &shared)?;
        let id = RowId::of(&schema);
        let schemas = Schemas::from([("images", schema.into())]);
        let ports = self.outputs(&schemas)?;
        let [mut of_images, mut shares] =
            [0, 1].map(|port: usize| Table::builder(ports[port].schema.clone()));
        let mut groups: Vec<Group<'_>> = Vec::new();
        for row in images.rows() {
            let found = counted.get(&shared.key(row)).copied().unwrap_or(0);
            let (seen, class) = (self.seen(row, found)?, row.text("class")?);
            let by = self.params.by.as_ref();
            let value = by.map(|by| row.find(by).cloned().unwrap_or_default());
            let known = groups.iter().position(|group| group.value == value);
            let known = known.unwrap_or_else(|| {
                groups.push(Group::of(value));
                groups.len() - 1
            });
            groups[known].add(class, &seen);
            let cells = [
                Value::Int(seen.found),
                Value::Bool(seen.is_shown()),
                Value::from(seen.wanted.map(Value::Int)),
                Value::from(seen.is_right()),
            ];
            of_images.push(id.values(row).into_iter().chain(cells))?;
        }
        for group in groups {
            for (class, counts) in &group.classes {
                shares.push(counts.row(group.value.clone(), Value::from(*class)))?;
            }
            if group.classes.len() > 1 {
                shares.push(group.all.row(group.value, Value::Null))?;
            }
        }
        Ok(BTreeMap::from([
            ("images", of_images.finish()),
            ("shares", shares.finish()),
        ]))
    }
}

impl StageKind for MeasureDetection {
    const NAME: &'static str = "eval.detect";
    const SUMMARY: &'static str = "Counts how often images show what their prompts ask for.";
    const REVISION: u32 = 1;
    const TABLE_REVISION: u32 = 1;
    type Params = Params;

    fn new(params: Params, _: &Roles) -> Result<Self, Misfits> {
        within("min_confidence", params.min_confidence, &(0.0..=1.0), "").check()?;
        Ok(Self { params })
    }
}

#[cfg(test)]
mod tests;
