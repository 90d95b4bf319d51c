use ccsr_stage::testing::{Lab, Ran, check_kind, messages, misfits, node};
use serde_json::{Value as Json, json};

use super::*;
use crate::fakes;
use crate::samples::{self, column, files, table};

fn run(lab: &Lab, with: &Json, images: &Arc<Table>) -> Ran {
    let kind = crate::registry().kind("image.caption").unwrap().build;
    let stage = kind(Some(&node(with)), &files(), &fakes::judge("")).map_err(messages);
    lab.run(stage.unwrap().as_ref(), &[("images", images)])
        .unwrap()
}

#[test]
fn each_image_is_described() {
    let lab = Lab::new(1);
    let images = samples::images(&lab);
    let tables = [("images", &images)];
    // The fake repeats what it is told.
    let with = json!({"prompt": "Describe the {class} ({prompt})."});
    let ran = check_kind::<DescribeImages>(&with, &files(), &fakes::judge(""), &lab, &tables);
    let captions = ran.table("captions");
    let expected = "Describe the elephant (Photo of an elephant standing, savanna).";
    assert_eq!(
        column(captions, "caption"),
        json!([expected, expected, expected])
    );
    assert_eq!(column(captions, "candidate"), column(&images, "candidate"));
    let names: Vec<String> = captions
        .schema()
        .columns()
        .map(|(name, _)| name.to_owned())
        .collect();
    assert_eq!(
        names,
        ["class", "prompt", "candidate", "image", "scene", "caption"]
    );
    let input = ran.executed[0].input.to_json();
    let names: Vec<&String> = input.as_object().unwrap().keys().collect();
    assert_eq!(names, ["image", "judge", "max_tokens", "model", "text"]);
}

#[test]
fn other_words_are_another_description() {
    let lab = Lab::new(1);
    let images = samples::images(&lab);
    assert_eq!(run(&lab, &json!({}), &images).executed.len(), 3);
    assert_eq!(run(&lab, &json!({}), &images).executed.len(), 0);
    assert_eq!(
        run(&lab, &json!({"max_tokens": 20}), &images)
            .executed
            .len(),
        3
    );
    assert_eq!(
        run(&lab, &json!({"prompt": "What is it?"}), &images)
            .executed
            .len(),
        3
    );
    // Images alone are enough when the words name nothing of the row.
    let only = [("image", ColumnType::Image)];
    let rows = [json!({"image": samples::rows(&images)[0]["image"]})];
    let ran = run(&lab, &json!({}), &table(&only, &rows));
    assert_eq!((ran.executed.len(), ran.table("captions").len()), (0, 1));
}

#[test]
fn what_does_not_fit_is_said() {
    let found = |with: Json| misfits::<DescribeImages>(&with, &files(), &fakes::judge(""));
    assert_eq!(
        found(json!({"prompt": "{clas}", "max_tokens": 0})),
        [
            "max_tokens: `max_tokens: 0` is not from 1 to 65536",
            "prompt: `{clas}` stands for nothing; there are `{prompt}`, `{class}`; did you mean `{class}`?",
        ]
    );
    assert_eq!(
        samples::misfits::<DescribeImages>(&json!({})),
        [": the suite's judge reads no words and writes none; `llava` does"]
    );
}
