use std::collections::HashSet;

use ccsr_stage::Blobs;
use ccsr_stage::testing::Lab;
use ccsr_world::{About, Answer, Scene, Wish, truth};
use serde_json::{Value as Json, json};

use super::*;
use crate::samples::{self, check, column, misfits, rows};

fn small(count: u32) -> Json {
    json!({"split": "train", "count": count, "size": 16, "questions": 3})
}

#[test]
fn pictures_come_with_captions_boxes_and_questions_that_are_true() {
    let lab = Lab::new(1);
    let with = json!({"split": "train", "count": 40, "size": 32, "questions": 4, "defects": 0.4, "wrong": 0.4});
    check::<RenderWorld>(&with, &lab, &[]);
    let ran = samples::run(&lab, "world.render", &with, &[]).unwrap();
    let scenes = ran.table("scenes");
    assert_eq!(scenes.len(), 40);
    let mut seen = 0;
    for row in scenes.rows() {
        let scene = Scene::from_text(row.text("scene").unwrap()).unwrap();
        let class = Class::from_name(row.text("class").unwrap()).unwrap();
        let wish = Wish::parse(row.text("prompt").unwrap());
        let respected = truth(&scene, &wish, class, About::PromptRespected) == Answer::Yes;
        let is = |name: &str| row.value(name).unwrap() == &Value::Bool(true);
        assert_eq!(is("is_sound"), scene.is_sound());
        assert_eq!(is("is_true"), respected);
        assert_eq!(row.value("wrong").unwrap().as_text().is_none(), respected);
        let image = png::decode(&lab.read(&row.blob("image").unwrap()).unwrap()).unwrap();
        assert_eq!(image.dimensions(), (32, 32));
        assert_eq!(image.into_raw(), scene.render(32).pixels);
        seen += scene.boxes(32).iter().filter(|b| b.is_seen(32)).count();
    }
    let boxes = ran.table("boxes");
    assert_eq!(boxes.len(), seen);
    for row in boxes.rows() {
        let side = |name| row.float(name).unwrap();
        assert!(0.0 <= side("x0") && side("x0") < side("x1") && side("x1") <= 32.0);
        assert!(0.0 <= side("y0") && side("y0") < side("y1") && side("y1") <= 32.0);
    }
    let questions = ran.table("questions");
    assert_eq!(questions.len(), 160);
    let answers: HashSet<&str> = questions
        .rows()
        .map(|row| row.text("answer").unwrap())
        .collect();
    assert!(answers.contains("yes") && answers.contains("no"));
}

#[test]
fn questions_of_sets_are_asked_in_their_own_words() {
    let lab = Lab::new(1);
    let question =
        |id: &str, about: &str, text: &str| json!({"id": id, "about": about, "text": text});
    let set = json!({"questions": [
        question("q1", "class-visible", "Is there a {class}?"),
        question("q2", "prompt-respected", "Is it \"{prompt}\"?"),
    ]});
    let with = json!({"split": "test", "count": 20, "size": 16, "wrong": 0.5, "sets": [set]});
    check::<RenderWorld>(&with, &lab, &[]);
    let ran = samples::run(&lab, "world.render", &with, &[]).unwrap();
    let (scenes, questions) = (rows(ran.table("scenes")), rows(ran.table("questions")));
    assert_eq!(questions.len(), 40);
    for (scene, asked) in scenes.iter().zip(questions.chunks(2)) {
        let prompt = scene["prompt"].as_str().unwrap();
        let class = scene["class"].as_str().unwrap();
        assert_eq!(asked[0]["question"], format!("Is there a {class}?"));
        assert_eq!(asked[1]["question"], format!("Is it \"{prompt}\"?"));
        assert_eq!(asked[1]["about"], "prompt-respected");
        let respected = if scene["is_true"] == true {
            "yes"
        } else {
            "no"
        };
        assert_eq!(asked[1]["answer"], respected);
    }
    let unknown = json!({"questions": [question("q1", "taste", "Is it {nice}?")]});
    let found = misfits::<RenderWorld>(&json!({"split": "test", "count": 1, "sets": [unknown]}));
    assert!(
        found[0].starts_with("sets.0.questions.0.about: "),
        "{found:?}"
    );
    assert!(
        found[1].starts_with("sets.0.questions.0.text: "),
        "{found:?}"
    );
}

/// What cannot be seen is nowhere: not in the scene, not in an answer.
#[test]
fn defects_that_cannot_be_seen_are_taken_away() {
    let lab = Lab::new(1);
    let mut with =
        json!({"split": "train", "count": 60, "size": 32, "questions": 6, "defects": 1.0});
    let all = samples::run(&lab, "world.render", &with, &[]).unwrap();
    with["visible"] = json!(12);
    check::<RenderWorld>(&with, &lab, &[]);
    let some = samples::run(&lab, "world.render", &with, &[]).unwrap();
    let scene = |row: &Json| Scene::from_text(row["scene"].as_str().unwrap()).unwrap();
    let (all, questions) = (rows(all.table("scenes")), rows(some.table("questions")));
    let (some, mut lost) = (some.table("scenes"), 0);
    for (row, before) in some.rows().zip(&all) {
        let image = png::decode(&lab.read(&row.blob("image").unwrap()).unwrap()).unwrap();
        let (scene, before) = (
            Scene::from_text(row.text("scene").unwrap()).unwrap(),
            scene(before),
        );
        assert_eq!(image.into_raw(), scene.render(32).pixels);
        assert_eq!(
            row.value("is_sound").unwrap(),
            &Value::Bool(scene.is_sound())
        );
        let mut areas = scene.defect_traces(32).into_iter();
        assert!(areas.all(|(_, trace)| trace.area() >= 12));
        assert!(scene.animals.len() == before.animals.len());
        lost += before.defects().len() - scene.defects().len();
    }
    assert!((5..60).contains(&lost), "{lost}");
    let sound: HashSet<Json> = rows(some)
        .into_iter()
        .filter(|row| row["is_sound"] == true)
        .map(|row| row["image"].clone())
        .collect();
    let mut asked = questions
        .iter()
        .filter(|asked| asked["about"] == "abnormalities" && sound.contains(&asked["image"]));
    assert!(!sound.is_empty() && asked.all(|asked| asked["answer"] == "no"));
}

#[test]
fn animals_look_to_one_side_if_told() {
    let lab = Lab::new(1);
    let mut with = small(30);
    with["facing"] = json!("right");
    check::<RenderWorld>(&with, &lab, &[]);
    let ran = samples::run(&lab, "world.render", &with, &[]).unwrap();
    let scenes = ran.table("scenes").rows();
    let scenes = scenes.map(|row| Scene::from_text(row.text("scene").unwrap()).unwrap());
    let animals: Vec<_> = scenes.flat_map(|scene| scene.animals).collect();
    assert!(animals.len() > 30);
    assert!(
        animals
            .iter()
            .all(|it| it.facing == ccsr_world::Facing::Right)
    );
}

#[test]
fn more_scenes_keep_the_earlier_ones() {
    let lab = Lab::new(1);
    let few = samples::run(&lab, "world.render", &small(6), &[]).unwrap();
    let many = samples::run(&lab, "world.render", &small(10), &[]).unwrap();
    assert_eq!(many.executed.len(), 4);
    for port in ["scenes", "boxes", "questions"] {
        let (few, many) = (rows(few.table(port)), rows(many.table(port)));
        assert!(few.len() < many.len());
        assert_eq!(few[..], many[..few.len()], "{port}");
    }
}

#[test]
fn other_captions_and_questions_render_nothing() {
    let lab = Lab::new(1);
    samples::run(&lab, "world.render", &small(6), &[]).unwrap();
    let mut with = small(6);
    with["questions"] = json!(9);
    with["wrong"] = json!(1.0);
    let ran = samples::run(&lab, "world.render", &with, &[]).unwrap();
    assert!(ran.executed.is_empty());
    assert_eq!(ran.table("questions").len(), 54);
    assert_eq!(
        column(ran.table("scenes"), "is_true"),
        json!(vec![false; 6])
    );
}

#[test]
fn classes_take_turns() {
    let lab = Lab::new(1);
    let with =
        json!({"split": "test", "count": 8, "size": 16, "classes": ["cats", "Dog"], "wrong": 0.0});
    let ran = samples::run(&lab, "world.render", &with, &[]).unwrap();
    let expected: Vec<&str> = ["cat", "dog"].into_iter().cycle().take(8).collect();
    assert_eq!(column(ran.table("scenes"), "class"), json!(expected));
}

#[test]
fn what_cannot_be_rendered_is_named() {
    let with = json!({"split": "train", "count": 0, "size": 8, "defects": 1.5, "wrong": -0.1,
                      "questions": 65, "classes": ["cat", "unicorn", "cats"]});
    let found = misfits::<RenderWorld>(&with);
    let expected = [
        "count: `count: 0` is not from 1 to 1000000",
        "size: `size: 8` is not from 16 to 4096 pixels",
        "defects: `defects: 1.5` is not from 0 to 1",
        "wrong: `wrong: -0.1` is not from 0 to 1",
        "questions: `questions: 65` is not from 0 to 64",
    ];
    assert_eq!(found[..5], expected);
    assert!(
        found[5].starts_with("classes.1: the world knows no class `unicorn`"),
        "{found:?}"
    );
    assert_eq!(found[6], "classes.2: `classes` names cat twice");
    let unknown = samples::build("world.render", &json!({"split": "all", "count": 1}));
    let message = unknown.err().unwrap();
    assert!(
        message.contains("one of `train`, `validation`, `test`"),
        "{message}"
    );
}
