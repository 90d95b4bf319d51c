//! Examples that the tests of several stages share.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ccsr_stage::testing::{self, Folder, Lab, Ran, messages, node};
use ccsr_stage::{ColumnType, Roles, Schema, Stage, StageKind, Table, Value};
use ccsr_world::Scene;
use image::{Rgb, RgbImage};
use serde_json::{Value as Json, json};

use crate::pretraining::LaidOut;
use crate::{png, registry};

/// The roles of the suite `world`, the small CLIP of the examples as scorer, and a small witness.
pub(crate) fn world() -> Roles {
    let roles = ["writer", "drawer", "baseline", "judge", "detector"];
    let names = [
        "world.grammar",
        "world.drawer",
        "world.drawer",
        "world.judge",
        "world.detector",
    ];
    let mut bindings: Vec<_> = roles
        .into_iter()
        .zip(names)
        .map(|(role, name)| (role, name, json!({})))
        .collect();
    let weights = json!({"weights": crate::clip_scorer::tests::checkpoint()});
    bindings.push(("scorer", "clip", weights));
    let weights = json!({"weights": crate::trained_witness::tests::checkpoint()});
    bindings.push(("witness", "witness", weights));
    testing::bind(&registry(), &bindings).unwrap()
}

/// Does something on so many cores.
pub(crate) fn on_cores<R: Send>(cores: usize, work: impl FnOnce() -> R + Send) -> R {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(cores);
    pool.build().unwrap().install(work)
}

/// Documents are given in place, paths are as they are.
pub(crate) fn files() -> Folder {
    Folder(PathBuf::new())
}

/// A stage, or what is wrong with its parameters.
pub(crate) fn build(kind: &str, with: &Json) -> Result<Box<dyn Stage>, String> {
    let registry = registry();
    let found = registry
        .kind(kind)
        .unwrap_or_else(|| panic!("{kind} is not registered"));
    (found.build)(Some(&node(with)), &files(), &world()).map_err(messages)
}

/// What a kind finds wrong with its parameters, each as `path: message`.
pub(crate) fn misfits<K: StageKind>(with: &Json) -> Vec<String> {
    testing::misfits::<K>(with, &files(), &world())
}

/// Runs a stage on tables.
pub(crate) fn run(
    lab: &Lab,
    kind: &str,
    with: &Json,
    tables: &[(&'static str, &Arc<Table>)],
) -> Result<Ran, String> {
    lab.run(build(kind, with)?.as_ref(), tables)
        .map_err(|error| error.to_string())
}

/// What training goes on from is what `with` left: with a learning rate of 0, it ends where that ended.
#[track_caller]
pub(crate) fn check_goes_on(
    kind: &str,
    with: &Json,
    lab: &Lab,
    tables: &[(&'static str, &Arc<Table>)],
) {
    let weights = |ran: &Ran| {
        let files = ran.table("model").rows();
        let weights = files.filter(|row| row.text("file").unwrap().ends_with(".safetensors"));
        weights
            .map(|row| row.blob("content").unwrap())
            .collect::<Vec<_>>()
    };
    let first = run(lab, kind, with, tables).unwrap();
    let mut still = with.clone();
    still["training"] =
        json!({"steps": 1, "batch": 1, "learning_rate": 0.0, "warmup": 0, "seed": 7});
    let mut on = tables.to_vec();
    on.push(("initial", first.table("model")));
    let on = run(lab, kind, &still, &on).unwrap();
    assert_eq!(weights(&on), weights(&first));
    let from_nothing = run(lab, kind, &still, tables).unwrap();
    assert_ne!(weights(&from_nothing), weights(&first));
}

/// The checks of every stage kind.
pub(crate) fn check<K: StageKind>(
    with: &Json,
    lab: &Lab,
    tables: &[(&'static str, &Arc<Table>)],
) -> Ran {
    testing::check_kind::<K>(with, &files(), &world(), lab, tables)
}

/// The small Stable Diffusion of the examples.
pub(crate) fn stable_diffusion() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples/stable_diffusion/checkpoint")
}

/// The folder of an adapter of it: of linear layers of its UNet.
pub(crate) fn adapter_folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden/adapter")
}

/// The same adapter as a table, as training writes it.
pub(crate) fn adapter(lab: &Lab) -> Arc<Table> {
    let file = adapter_folder().join("pytorch_lora_weights.safetensors");
    let blob = Value::Blob(lab.add_blob(std::fs::read(file).unwrap()));
    let columns = [("adapter", ColumnType::Blob), ("epoch", ColumnType::Int)];
    table(&columns, &[json!({"adapter": blob.to_json(), "epoch": 3})])
}

/// A model's folder as a table, as training writes it.
pub(crate) fn model(lab: &Lab, folder: &Path) -> Arc<Table> {
    let files = walkdir::WalkDir::new(folder).sort_by_file_name();
    let files = files.into_iter().map(Result::unwrap);
    let row = |file: walkdir::DirEntry| {
        let name = file.path().strip_prefix(folder).unwrap().to_str().unwrap();
        let content = Value::Blob(lab.add_blob(std::fs::read(file.path()).unwrap()));
        json!({"file": name, "content": content.to_json()})
    };
    let files = files.filter(|file| file.file_type().is_file());
    let columns = [("file", ColumnType::Text), ("content", ColumnType::Blob)];
    table(&columns, &files.map(row).collect::<Vec<_>>())
}

/// The folder of a trained model.
pub(crate) fn laid_out(lab: &Lab, model: &Table) -> LaidOut {
    let files = model.rows().map(|row| {
        let content = Value::Blob(row.blob("content").unwrap());
        (row.text("file").unwrap().to_owned(), content)
    });
    LaidOut::new(&Value::map(files), lab).unwrap()
}

/// Captioned pictures of 16 x 16 pixels, of one colour each, which the captions name.
pub(crate) fn colours(lab: &Lab) -> Arc<Table> {
    let row = |(name, colour): &(&str, [u8; 3])| {
        let picture = RgbImage::from_pixel(16, 16, Rgb(*colour));
        let image = lab.add_blob(png::encode(&picture));
        json!({"prompt": format!("a {name} thing"), "image": {"$blob": image.to_string()}})
    };
    let columns = [("prompt", ColumnType::Text), ("image", ColumnType::Image)];
    table(&columns, &COLOURS.iter().map(row).collect::<Vec<_>>())
}

/// The captions alone.
pub(crate) fn captions() -> Arc<Table> {
    let row = |(name, _): &(&str, _)| json!({"prompt": format!("a {name} thing")});
    table(
        &[("prompt", ColumnType::Text)],
        &COLOURS.iter().map(row).collect::<Vec<_>>(),
    )
}

/// What [`colours`] are of.
pub(crate) const COLOURS: [(&str, [u8; 3]); 4] = [
    ("red", [200, 30, 30]),
    ("green", [30, 200, 30]),
    ("blue", [30, 30, 200]),
    ("grey", [120, 120, 120]),
];

/// A table of JSON rows.
pub(crate) fn table(columns: &[(&str, ColumnType)], rows: &[Json]) -> Arc<Table> {
    let mut table = Table::builder(Schema::new(columns.iter().copied()));
    for row in rows {
        let cell = |(name, _): &(&str, _)| Value::from_json(row[*name].clone()).unwrap();
        table.push(columns.iter().map(cell)).unwrap();
    }
    Arc::new(table.finish())
}

/// The rows of a table as JSON objects.
pub(crate) fn rows(table: &Table) -> Vec<Json> {
    let names: Vec<String> = table
        .columns()
        .iter()
        .map(|column| column.name().to_owned())
        .collect();
    let object = |row: ccsr_stage::Row<'_>| {
        let cells = names.iter().cloned().zip(row.values().map(Value::to_json));
        Json::Object(cells.collect())
    };
    table.rows().map(object).collect()
}

/// One column of a table as JSON.
pub(crate) fn column(table: &Table, name: &str) -> Json {
    table
        .column(name)
        .unwrap()
        .cells()
        .iter()
        .map(Value::to_json)
        .collect()
}

/// Two prompts, one a class.
pub(crate) fn prompts() -> Arc<Table> {
    let columns = [("class", ColumnType::Text), ("prompt", ColumnType::Text)];
    table(
        &columns,
        &[
            json!({"class": "elephant", "prompt": "Wide shot of two grey elephants walking, savanna"}),
            json!({"class": "giraffe", "prompt": "Photo of a giraffe eating, forest, sunset"}),
        ],
    )
}

/// Images of one colour whose scenes say what should be on them: a sound elephant, one with a leg
/// too many, and an empty savanna, all for the same prompt.
pub(crate) fn images(lab: &Lab) -> Arc<Table> {
    let animal = |defects: Json| {
        json!({"class": "elephant", "colour": "grey", "pose": "standing", "x": 0.5, "y": 0.8,
               "scale": 0.6, "facing": "left", "defects": defects})
    };
    let scene = |animals: Json| {
        let scene = json!({"animals": animals, "place": "savanna", "background": "hills",
                           "time": "noon", "weather": "clear", "detail": 1});
        Scene::from_text(&scene.to_string()).unwrap().to_text()
    };
    let scenes = [
        scene(json!([animal(json!([]))])),
        scene(json!([animal(json!(["extra-leg"]))])),
        scene(json!([])),
    ];
    let columns = [
        ("class", ColumnType::Text),
        ("prompt", ColumnType::Text),
        ("candidate", ColumnType::Int),
        ("image", ColumnType::Image),
        ("scene", ColumnType::Text),
    ];
    let rows: Vec<Json> = (0_u8..)
        .zip(scenes)
        .map(|(index, scene)| {
            let picture = RgbImage::from_pixel(64, 64, Rgb([index * 60, 100, 50]));
            let image = lab.add_blob(png::encode(&picture));
            json!({"class": "elephant", "prompt": "Photo of an elephant standing, savanna",
                   "candidate": index, "image": {"$blob": image.to_string()}, "scene": scene})
        })
        .collect();
    table(&columns, &rows)
}

/// Three questions; the second is worth an answer only if the first was answered yes.
pub(crate) fn questions() -> Json {
    json!({"questions": [
        {"id": "seen", "about": "class-visible", "text": "Is a {class} to be seen?"},
        {"id": "anatomy", "about": "anatomy", "requires": {"seen": "yes"}, "text": "Is its body right?"},
        {"id": "odd", "about": "abnormalities", "polarity": "negative", "text": "Is anything odd?"},
    ]})
}

/// Scores of two prompts, drawn with two seeds by `base` and `lora`.
pub(crate) fn wins() -> Arc<Table> {
    let columns = [
        ("prompt", ColumnType::Text),
        ("seed", ColumnType::Int),
        ("variant", ColumnType::Text),
        ("score", ColumnType::Float),
    ];
    let cells = [
        ("a lion", 1, 0.31, 0.35),
        ("a lion", 2, 0.31, 0.32),
        ("two lions", 1, 0.3, 0.25),
        ("two lions", 2, 0.25, 0.25),
    ];
    let row = |variant: &str, (prompt, seed, base, lora): (&str, i64, f64, f64)| {
        let score = if variant == "base" { base } else { lora };
        json!({"prompt": prompt, "seed": seed, "variant": variant, "score": score})
    };
    let rows = ["base", "lora"].map(|variant| cells.map(|cell| row(variant, cell)));
    table(&columns, rows.as_flattened())
}
