use ccsr_stage::testing::{Lab, check_kind, messages, node};
use image::{Rgb, RgbImage};
use serde_json::{Value as Json, json};

use super::*;
use crate::fakes;
use crate::png;
use crate::samples::{files, rows, table};

/// A grey elephant, the same with an extra leg, and nothing; the witness sees what is given.
fn scenes(lab: &Lab, seen: &[[u8; 4]; 3]) -> Arc<Table> {
    let animal = |defects: Json| {
        json!([{"class": "elephant", "colour": "grey", "pose": "standing", "x": 0.5, "y": 0.8,
                "scale": 0.6, "facing": "left", "defects": defects}])
    };
    let scenes = [animal(json!([])), animal(json!(["extra-leg"])), json!([])];
    let row = |(animals, [class, count, colour, sound]): (Json, &[u8; 4])| {
        let scene = json!({"animals": animals, "place": "savanna", "background": "hills",
                           "time": "noon", "weather": "clear", "detail": 1});
        let mut picture = RgbImage::new(8, 8);
        picture.put_pixel(0, 0, Rgb([*class, *count, *colour]));
        picture.put_pixel(1, 0, Rgb([*sound, 0, 0]));
        let image = lab.add_blob(png::encode(&picture));
        json!({"scene": scene.to_string(), "image": {"$blob": image.to_string()}})
    };
    let rows: Vec<Json> = scenes.into_iter().zip(seen).map(row).collect();
    let columns = [("image", ColumnType::Image), ("scene", ColumnType::Text)];
    table(&columns, &rows)
}

#[test]
fn what_is_said_is_held_against_the_scenes() {
    let lab = Lab::new(1);
    // A giraffe too many classes, a defect overlooked, something where nothing is.
    let scenes = scenes(&lab, &[[1, 1, 0, 1], [0, 1, 0, 1], [11, 1, 13, 1]]);
    let (files, witness) = (files(), fakes::witness(""));
    let tables = [("scenes", &scenes)];
    let ran = check_kind::<MeasureWitness>(&json!({}), &files, &witness, &lab, &tables);
    let facts = rows(ran.table("facts"));
    let of_fact: Vec<_> = facts
        .iter()
        .map(|row| {
            (
                row["fact"].as_str().unwrap(),
                row["right"].as_i64().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        of_fact,
        [("class", 2), ("count", 2), ("colour", 3), ("sound", 2)]
    );
    assert!(facts.iter().all(|row| row["count"] == 3));
    let values = rows(ran.table("values"));
    let of = |fact: &str, value: &str| {
        let mut rows = values.iter();
        let row = rows.find(|row| row["fact"] == fact && row["value"] == value);
        let row = row.unwrap_or_else(|| panic!("no {fact} {value}"));
        (
            row["count"].as_i64().unwrap(),
            row["right"].as_i64().unwrap(),
        )
    };
    assert_eq!(of("class", "elephant"), (2, 1));
    assert_eq!(of("class", "none"), (1, 1));
    assert_eq!(of("count", "0"), (1, 0));
    assert_eq!(of("sound", "no"), (1, 0));
    assert_eq!(of("sound", "yes"), (2, 2));
    assert_eq!(of("defect", "extra-leg"), (1, 0));
    assert_eq!(values.len(), 9);
}

#[test]
fn scenes_that_are_none_are_an_error() {
    let lab = Lab::new(1);
    let scenes = scenes(&lab, &[[0; 4]; 3]);
    let mut broken = rows(&scenes);
    broken[1]["scene"] = json!("{}");
    let columns = [("image", ColumnType::Image), ("scene", ColumnType::Text)];
    let broken = table(&columns, &broken);
    let kind = crate::registry().kind("eval.witness").unwrap().build;
    let stage = kind(Some(&node(&json!({}))), &files(), &fakes::witness(""));
    let stage = stage.map_err(messages).unwrap();
    let error = lab.run(stage.as_ref(), &[("scenes", &broken)]).unwrap_err();
    assert!(error.to_string().contains("not a scene"), "{error}");
}
