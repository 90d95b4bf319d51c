//! `schema`: what editors are told about the files agrees with what `check` says of them.

use std::fs;
use std::path::{Path, PathBuf};

use ccsr_engine::{CompileOptions, Project as Place, Sources, compile, yaml};
use ccsr_stage::params::{Node, NodeKind};
use jsonschema::Validator;
use serde_json::{Value as Json, json};

use crate::project::{PIPELINES, Project, walk};

/// The validator that an editor would use.
fn validator(project: &Project, of: &str) -> Validator {
    let outcome = project.run(["schema", of]);
    let schema: Json = serde_json::from_str(&outcome.succeeded().stdout).unwrap();
    assert_eq!(
        schema["$schema"],
        "https://json-schema.org/draft/2020-12/schema"
    );
    jsonschema::draft202012::meta::validate(&schema).unwrap();
    jsonschema::draft202012::new(&schema).unwrap()
}

/// A YAML file as JSON.
fn json_of(text: &str) -> Json {
    fn of(node: &Node) -> Json {
        match &node.kind {
            NodeKind::Null => Json::Null,
            NodeKind::Bool(truth) => json!(truth),
            NodeKind::Int(number) => json!(number),
            NodeKind::Float(number) => json!(number),
            NodeKind::Text(text) => json!(&**text),
            NodeKind::List(elements) => elements.iter().map(of).collect(),
            NodeKind::Map(entries) => entries
                .iter()
                .map(|entry| (entry.key.to_string(), of(&entry.value)))
                .collect(),
        }
    }
    let source = Sources::new().add("a.yaml", "/a.yaml", text);
    of(&yaml::parse(text, source).unwrap())
}

fn problems(validator: &Validator, file: &Json) -> Vec<String> {
    let told =
        |error: jsonschema::ValidationError<'_>| format!("{}: {error}", error.instance_path());
    validator.iter_errors(file).map(told).collect()
}

/// Compiles a pipeline as `check` does.
fn accepts(project: &Project, file: &str) -> Result<(), Vec<String>> {
    let world = fs::read_to_string(Path::new(PIPELINES).join("suites/world.yaml")).unwrap();
    let options = CompileOptions {
        suites: &[("world", &world)],
        devices: &["cpu"],
        ..CompileOptions::default()
    };
    let root = project.root().canonicalize().unwrap();
    let compiled = compile(
        &root.join(file),
        &Place::at(root.clone()),
        &ccsr_stages::registry(),
        &options,
    );
    let messages = |error: ccsr_engine::CompileError| {
        let all = error.diagnostics.iter();
        all.map(|problem| problem.message.clone()).collect()
    };
    compiled.map(drop).map_err(messages)
}

#[test]
fn every_file_of_the_repository_is_valid() {
    let project = Project::new();
    let validators = ["pipeline", "suite", "questions"].map(|of| validator(&project, of));
    let mut found = [0; 3];
    let mut files: Vec<PathBuf> = Vec::new();
    walk(Path::new(PIPELINES), &mut |path| {
        files.push(path.to_owned());
    });
    for path in files
        .iter()
        .filter(|path| path.extension().is_some_and(|e| e == "yaml"))
    {
        let text = fs::read_to_string(path).unwrap();
        let file = json_of(&text);
        let of = [&file["stages"], &file["roles"], &file["questions"]];
        let Some(of) = of.iter().position(|section| !section.is_null()) else {
            continue;
        };
        found[of] += 1;
        let problems = problems(&validators[of], &file);
        assert!(problems.is_empty(), "{}: {problems:#?}", path.display());
    }
    assert!(found.iter().all(|found| *found > 0), "{found:?}");
}

#[test]
fn what_check_refuses_in_a_pipeline_the_schema_refuses() {
    let project = Project::new();
    let validator = validator(&project, "pipeline");
    let text = fs::read_to_string(project.path("pipelines/selection.yaml")).unwrap();
    let good = json_of(&text);
    let wrong = |pointer: &str, value: Json| {
        let mut file = good.clone();
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        match file.pointer_mut(parent).unwrap() {
            Json::Array(list) => list[key.parse::<usize>().unwrap()] = value,
            map => map[key] = value,
        }
        project.write("pipelines/wrong.yaml", file.to_string());
        assert!(
            accepts(&project, "pipelines/wrong.yaml").is_err(),
            "check accepts {pointer}"
        );
        assert!(!validator.is_valid(&file), "the schema accepts {pointer}");
    };
    wrong("/stagez", json!({}));
    wrong("/version", json!(2));
    wrong("/version", json!("1"));
    wrong("/name", json!("  "));
    wrong("/seed", json!(-1));
    wrong("/seed", json!("seven"));
    wrong("/stages", json!(["prompts"]));
    wrong("/stages/a b", json!({"uses": "image.judge"}));
    wrong("/stages/prompts", json!("prompt.generate"));
    wrong("/stages/prompts/uses", json!("prompt.generat"));
    wrong("/stages/prompts/use", json!("prompt.generate"));
    wrong("/stages/prompts/with/cuont", json!(5));
    wrong("/stages/prompts/with/count", json!("five"));
    wrong("/stages/prompts/with/count", json!(-5));
    wrong("/stages/prompts/with/classes", json!("zebra"));
    wrong("/stages/prompts/with/classes/0", json!(7));
    wrong("/stages/answers/with", json!(null));
    wrong("/stages/prompts/batch", json!(0));
    wrong("/stages/prompts/when", json!("yes"));
    wrong("/stages/prompts/retry", json!({"time": 2}));
    wrong("/stages/prompts/timeout", json!("soon"));
    wrong("/stages/prompts/slots", json!({"gpu": 1}));
    wrong("/stages/prompts/device", json!("cudda"));
    wrong("/stages/images/from", json!(["prompts"]));
    wrong("/stages/pairs/with/shortlist", json!("all_maxx"));
    wrong("/stages/pairs/with/shortlist", json!({"top_k": "three"}));
    wrong(
        "/stages/pairs/with/shortlist",
        json!({"top_k": 3, "threshold": 0.5}),
    );
    wrong("/stages/pairs/with/min_confidence", json!("high"));
    wrong("/stages/pairs/outputs", json!(7));
    wrong("/sweeps", json!({"a": {"matrix": {"seed": []}}}));
    wrong("/sweeps", json!({"a": {"matrix": {"seed": 1}}}));
    wrong(
        "/sweeps",
        json!({"a": {"list": [{"seed": 1}], "matrix": {"seed": [1]}}}),
    );
    wrong(
        "/sweeps",
        json!({"a": {"random": {"seed": {"int": [1, 5]}}}}),
    );
    wrong(
        "/sweeps",
        json!({"a": {"random": {"seed": {"normal": [1, 5]}}, "trials": 3}}),
    );
    wrong(
        "/sweeps",
        json!({"a": {"trials": 3, "matrix": {"seed": [1]}}}),
    );
}

/// Puts something else in every place of a pipeline: what the schema refuses, `check` refuses.
#[test]
fn the_schema_refuses_nothing_that_check_accepts() {
    let project = Project::new();
    let validator = validator(&project, "pipeline");
    let text = fs::read_to_string(project.path("pipelines/selection.yaml")).unwrap();
    let mut file = json_of(&text);
    file["sweeps"] = json!({
        "m": {"matrix": {"stages.pairs.with.min_confidence": [0.4, 0.6], "seed": [1, 2]}},
        "l": {"list": [{"seed": 1}, {"seed": 2}], "set": {"vars.size": 32}, "metrics": ["truth.*"]},
        "r": {"random": {"seed": {"int": [1, 9]}}, "trials": 3, "seed": 5},
    });
    file["vars"]["any"] = json!(1);
    file["vars"]["wanted"] = json!(true);
    let stage = &mut file["stages"]["prompts"];
    stage["retry"] = json!({"times": 2, "wait": "10s"});
    stage["timeout"] = json!("1h 30m");
    stage["slots"] = json!({"cpu": 1, "memory": "2GB"});
    stage["batch"] = json!(4);
    stage["when"] = json!("${vars.wanted}");
    project.write("pipelines/other.yaml", file.to_string());
    accepts(&project, "pipelines/other.yaml").unwrap();
    assert!(
        validator.is_valid(&file),
        "{:#?}",
        problems(&validator, &file)
    );

    let mut places = Vec::new();
    pointers(&file, String::new(), &mut places);
    let others = [
        json!(null),
        json!(true),
        json!(0),
        json!(3),
        json!(0.25),
        json!("x"),
        json!("${vars.any}"),
        json!([]),
        json!({}),
    ];
    let (mut valid, mut refused) = (0, 0);
    for place in &places {
        for other in &others {
            let mut changed = file.clone();
            *changed.pointer_mut(place).unwrap() = other.clone();
            if validator.is_valid(&changed) {
                valid += 1;
                continue;
            }
            refused += 1;
            project.write("pipelines/other.yaml", changed.to_string());
            assert!(
                accepts(&project, "pipelines/other.yaml").is_err(),
                "{place} = {other}: {:#?}",
                problems(&validator, &changed)
            );
        }
    }
    assert!(
        valid > 100 && refused > 100,
        "{valid} are valid, {refused} are not"
    );
}

fn pointers(value: &Json, at: String, found: &mut Vec<String>) {
    let escaped = |key: &str| key.replace('~', "~0").replace('/', "~1");
    match value {
        Json::Object(map) => {
            for (key, value) in map {
                pointers(value, format!("{at}/{}", escaped(key)), found);
            }
        }
        Json::Array(list) => {
            for (index, value) in list.iter().enumerate() {
                pointers(value, format!("{at}/{index}"), found);
            }
        }
        _ => {}
    }
    if !at.is_empty() {
        found.push(at);
    }
}

#[test]
fn wrong_suites_and_question_sets_are_refused() {
    let project = Project::new();
    let suites = validator(&project, "suite");
    let suite = |roles: Json| json!({"version": 1, "roles": roles});
    assert!(suites.is_valid(&suite(
        json!({"writer": {"use": "world.grammar", "with": null}})
    )));
    assert!(suites.is_valid(&suite(
        json!({"drawer": {"use": "world.drawer", "with": {"defect_rate": "${vars.rate}"}}})
    )));
    for wrong in [
        json!({"painter": {"use": "world.drawer"}}),
        json!({"drawer": {"use": "world.judge"}}),
        json!({"drawer": "world.drawer"}),
        json!({"drawer": {"with": {}}}),
        json!({"drawer": {"use": "world.drawer", "with": {"defect_rat": 0.1}}}),
        json!({"drawer": {"use": "world.drawer", "with": {"defect_rate": "often"}}}),
    ] {
        assert!(!suites.is_valid(&suite(wrong.clone())), "{wrong}");
    }
    assert!(!suites.is_valid(&json!({"roles": {}})), "no version");

    let questions = validator(&project, "questions");
    let set = |question: Json| json!({"questions": [question]});
    assert!(questions.is_valid(&set(json!({"id": "q1", "text": "Is it?"}))));
    assert!(!questions.is_valid(&set(json!({"id": "q1", "txt": "Is it?"}))));
    assert!(!questions.is_valid(&set(json!({"id": "q1", "text": "?", "polarity": "up"}))));
}

#[test]
fn included_files_have_a_schema_of_their_own() {
    let project = Project::new();
    let included = validator(&project, "include");
    let stages = json!({"a": {"uses": "table.import", "with": {"path": "a.csv"}}});
    assert!(included.is_valid(&json!({"vars": {"size": 3}, "stages": stages})));
    assert!(!included.is_valid(&json!({"version": 1, "stages": stages})));
    let pipelines = validator(&project, "pipeline");
    assert!(pipelines.is_valid(&json!({"version": 1, "include": ["a.yaml"]})));
    assert!(!pipelines.is_valid(&json!({"version": 1})));
}
