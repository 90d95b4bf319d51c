//! The pipelines of the repository, run stage by stage in memory.
//!
//! The engine has its own tests for how pipelines are read; here a few lines stand in for it.

pub(crate) mod yaml;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ccsr_stage::params::{Documents, Node, Problem, ResolvedPath, Span};
use ccsr_stage::testing::{Lab, Ran, bind, messages, node};
use ccsr_stage::{Roles, Stage, Table};
use serde_json::{Value as Json, json};

use crate::registry;
use crate::samples::column;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../pipelines")
}

fn read(name: &str) -> Json {
    yaml::read(&std::fs::read_to_string(folder().join(name)).unwrap())
}

/// The files of the pipelines' folder.
struct Files;

impl Documents for Files {
    fn resolve(&self, path: &str, _: Span) -> Result<ResolvedPath, Problem> {
        Ok(ResolvedPath {
            path: folder().join(path),
            display: path.to_owned(),
        })
    }

    fn load(&self, path: &ResolvedPath, _: Span) -> Result<Node, Vec<Problem>> {
        Ok(node(&read(&path.display)))
    }
}

/// A pipeline, its stages run one after the other.
struct Pipeline {
    json: Json,
    roles: Vec<(String, String, Json)>,
    lab: Lab,
    ran: BTreeMap<String, Ran>,
}

impl Pipeline {
    fn open(name: &str) -> Self {
        let mut json = read(name);
        let mut roles = Vec::new();
        if let Some(suite) = json["suite"].as_str() {
            let suite = read(&format!("suites/{suite}.yaml"));
            for (role, bound) in suite["roles"].as_object().unwrap() {
                let with = bound.get("with").cloned().unwrap_or_else(|| json!({}));
                roles.push((
                    role.clone(),
                    bound["use"].as_str().unwrap().to_owned(),
                    with,
                ));
            }
            let vars = json["vars"].as_object_mut().unwrap();
            vars.extend(suite["vars"].as_object().unwrap().clone());
        }
        let lab = Lab::new(json["seed"].as_u64().unwrap());
        let ran = BTreeMap::new();
        Self {
            json,
            roles,
            lab,
            ran,
        }
    }

    fn roles(&self, needed: &[&str]) -> Roles {
        let bound = self
            .roles
            .iter()
            .filter(|(role, ..)| needed.contains(&role.as_str()));
        let bound: Vec<_> = bound
            .map(|(role, name, with)| (role.as_str(), name.as_str(), with.clone()))
            .collect();
        bind(&registry(), &bound).unwrap()
    }

    fn build(&self, name: &str) -> Box<dyn Stage> {
        let spec = &self.json["stages"][name];
        let registry = registry();
        let kind = registry.kind(spec["uses"].as_str().unwrap()).unwrap();
        let mut with = spec.get("with").cloned().unwrap_or_else(|| json!({}));
        for value in with.as_object_mut().unwrap().values_mut() {
            let var = value
                .as_str()
                .and_then(|text| text.strip_prefix("${vars.")?.strip_suffix('}'));
            if let Some(var) = var {
                *value = self.json["vars"][var].clone();
            }
        }
        (kind.build)(Some(&node(&with)), &Files, &self.roles(kind.roles))
            .unwrap_or_else(|problems| panic!("{name}: {}", messages(problems)))
    }

    /// The table that `reference` (`stage` or `stage.port`) names.
    fn table(&self, reference: &str) -> &Arc<Table> {
        let (stage, port) = reference.split_once('.').unwrap_or((reference, ""));
        let ports = self.build(stage).outputs(&self.schemas(stage)).unwrap();
        let port = if port.is_empty() { ports[0].name } else { port };
        self.ran[stage].table(port)
    }

    fn bindings(&self, name: &str) -> Vec<(&'static str, &Arc<Table>)> {
        let ports = self.build(name).inputs();
        match &self.json["stages"][name]["from"] {
            Json::String(from) => vec![(ports[0].name, self.table(from))],
            Json::Object(from) => {
                let bound = ports
                    .iter()
                    .filter_map(|port| Some((port.name, from.get(port.name)?)));
                bound
                    .map(|(port, from)| (port, self.table(from.as_str().unwrap())))
                    .collect()
            }
            _ => Vec::new(),
        }
    }

    fn schemas(&self, name: &str) -> ccsr_stage::Schemas {
        let tables = self.bindings(name).into_iter();
        tables
            .map(|(port, table)| (port, Arc::new(table.schema())))
            .collect()
    }

    /// Runs these stages, in this order; answers how many units were executed.
    fn run(&mut self, names: &[&str]) -> usize {
        let mut executed = 0;
        for name in names {
            let ran = self
                .lab
                .run(self.build(name).as_ref(), &self.bindings(name));
            let ran = ran.unwrap_or_else(|error| panic!("{name}: {error}"));
            executed += ran.executed.len();
            self.ran.insert((*name).to_owned(), ran);
        }
        executed
    }
}

const SELECTION: [&str; 9] = [
    "prompts",
    "images",
    "answers",
    "scores",
    "detections",
    "pairs",
    "sheets",
    "dataset",
    "truth",
];

/// The elephant pipeline, with fewer prompts.
fn elephant() -> Pipeline {
    let mut pipeline = Pipeline::open("selection.yaml");
    pipeline.json["stages"]["prompts"]["with"]["count"] = json!(5);
    pipeline
}

#[test]
fn table_1_is_recounted() {
    let mut table1 = Pipeline::open("table1.yaml");
    table1.run(&[
        "answers",
        "srt2i",
        "eq1",
        "eq1_ungated",
        "srt2i_shortlist",
        "eq1_shortlist",
    ]);
    let scores = |name| column(table1.table(name), "score");
    assert_eq!(scores("srt2i"), json!([7, 7, 7, 5, 8, 7, 8, 8, 7, 8]));
    assert_eq!(scores("eq1"), json!([8, 8, 8, 5, 10, 8, 10, 10, 8, 10]));
    assert_eq!(
        scores("eq1_ungated"),
        json!([8, 8, 8, 7, 10, 8, 10, 10, 8, 10])
    );
    for name in ["srt2i_shortlist", "eq1_shortlist"] {
        let first = table1.table(name).row(0);
        assert_eq!(
            (
                first.int("image").unwrap(),
                first.int("shortlisted").unwrap()
            ),
            (5, 4)
        );
        let rest = table1.table(&format!("{name}.rejected"));
        let rest = rest
            .rows()
            .filter(|row| row.value("shortlisted").unwrap().as_bool().unwrap());
        assert_eq!(
            rest.map(|row| row.int("image").unwrap())
                .collect::<Vec<_>>(),
            [7, 8, 10]
        );
    }
}

/// Each cell of the paper's Table 1, by the weights of the published code.
#[test]
fn every_cell_of_table_1_is_recounted() {
    let mut table1 = Pipeline::open("table1.yaml");
    table1.run(&["answers", "srt2i"]);
    let common = [1, -1, 1, 1, 1, 0, 1, 1, 1, 1];
    let fourth = [1, 0, 0, 0, 0, 0, 1, 1, 1, 1];
    let best = [1, 0, 1, 1, 1, 0, 1, 1, 1, 1];
    let printed = [
        common, common, common, fourth, best, common, best, best, common, best,
    ];
    for (row, cells) in table1.table("srt2i").rows().zip(printed) {
        let points = row.value("points").unwrap();
        let counted = (1..=10).map(|n| points.get(&format!("q{n}")).unwrap().as_int().unwrap());
        assert!(counted.eq(cells), "image {}", row.int("image").unwrap());
    }
}

/// `tests/oracle/winrate.py` holds these numbers against SciPy and statsmodels.
#[test]
#[expect(
    clippy::unreadable_literal,
    reason = "to be compared with what the script prints"
)]
fn win_rates_are_those_that_scipy_counts() {
    let mut winrate = Pipeline::open("winrate.yaml");
    assert_eq!(winrate.run(&["scores", "winrate"]), 6);
    // Variant, baseline, wins, losses; mean difference, its interval, the sign test.
    let expected = [
        (
            "lora-0.2",
            "base",
            [11, 1],
            [0.0062, 0.002140625, 0.00996875, 0.00634765625],
        ),
        (
            "lora-0.4",
            "base",
            [21, 4],
            [0.01511875, 0.0026875, 0.0266375, 0.000910520553588867],
        ),
        (
            "lora-0.7",
            "base",
            [18, 3],
            [0.011315625, 0.0025375, 0.019937578125, 0.00148963928222656],
        ),
        (
            "lora-0.2",
            "sdxs",
            [21, 6],
            [0.019165625, 0.00176875, 0.0383375, 0.00592461228370667],
        ),
        (
            "lora-0.4",
            "sdxs",
            [23, 4],
            [
                0.028084375,
                0.00368515625,
                0.05082234375,
                0.000310748815536499,
            ],
        ),
        (
            "lora-0.7",
            "sdxs",
            [23, 7],
            [0.02428125, 0.0035125, 0.04483578125, 0.00522287935018539],
        ),
    ];
    let rows = winrate.table("winrate").rows();
    assert_eq!(rows.len(), expected.len());
    for (row, (variant, baseline, counts, numbers)) in rows.zip(expected) {
        let named = ["variant", "baseline"].map(|name| row.text(name).unwrap());
        assert_eq!(named, [variant, baseline]);
        assert_eq!(["win", "loss"].map(|name| row.int(name).unwrap()), counts);
        let found =
            ["mean_difference", "low", "high", "sign_p"].map(|name| row.float(name).unwrap());
        for (found, expected) in found.into_iter().zip(numbers) {
            assert!(
                (found - expected).abs() < 1e-12,
                "{variant}: {found} is not {expected}"
            );
        }
    }
}

#[test]
fn the_elephant_pipeline_runs_and_choosing_pays() {
    let mut pipeline = elephant();
    let units = pipeline.run(&SELECTION);
    assert_eq!(units, 100 + 1000 + 100);
    assert_eq!(pipeline.table("images").len(), 100);
    assert_eq!(pipeline.table("answers").len(), 1000);
    assert_eq!(pipeline.table("sheets").len(), 10);
    let pairs = pipeline.table("pairs").len();
    assert!((1..=10).contains(&pairs));
    assert_eq!(pipeline.table("dataset").len(), pairs);
    let truth: BTreeMap<String, f64> = pipeline
        .table("truth")
        .rows()
        .map(|row| {
            (
                row.text("selector").unwrap().to_owned(),
                row.float("both").unwrap(),
            )
        })
        .collect();
    assert!(
        truth["selected pairs"] > truth["all candidates"],
        "{truth:?}"
    );
    assert!(truth["best possible"] >= truth["shortlist"], "{truth:?}");
    assert_eq!(pipeline.run(&SELECTION), 0);
}

#[test]
fn what_a_change_computes_again() {
    let mut pipeline = elephant();
    pipeline.run(&SELECTION);
    let with = |pipeline: &mut Pipeline, stage: &str, name: &str, value: Json| {
        pipeline.json["stages"][stage]["with"][name] = value;
        pipeline.run(&SELECTION)
    };
    assert_eq!(
        with(&mut pipeline, "pairs", "min_confidence", json!(0.3)),
        0
    );
    assert_eq!(with(&mut pipeline, "scores", "profile", json!("srt2i")), 0);
    assert_eq!(with(&mut pipeline, "answers", "ask", json!("gated")), 0);
    pipeline.json["stages"]["answers"]["with"]["ask"] = json!("all");
    // Three questions in other words, about a hundred images.
    let variant = json!("questions/variant.yaml");
    assert_eq!(with(&mut pipeline, "answers", "questions", variant), 300);
    let extra = json!([{"class": "giraffe", "prompt": "Photo of a giraffe, snow"}]);
    assert_eq!(
        with(&mut pipeline, "prompts", "extra", extra),
        10 + 100 + 10
    );
    assert_eq!(
        with(&mut pipeline, "images", "candidates", json!(12)),
        22 + 220 + 22
    );
}

#[test]
fn every_stage_and_question_set_of_the_pipelines_is_right() {
    let pipeline = Pipeline::open("selection.yaml");
    for name in SELECTION {
        pipeline.build(name);
    }
    let stages = pipeline.json["stages"].as_object().unwrap();
    assert_eq!(stages.len(), SELECTION.len());
    for (file, profile) in [("paper", "srt2i"), ("variant", "body-and-prompt")] {
        let questions = read(&format!("questions/{file}.yaml"));
        assert_eq!(questions["questions"].as_array().unwrap().len(), 10);
        crate::samples::build(
            "score.answers",
            &json!({"questions": questions, "profile": profile}),
        )
        .unwrap();
        crate::samples::build("image.judge", &json!({"questions": questions})).unwrap();
    }
}
