use ccsr_stage::testing::{Lab, check_kind, messages, node};
use serde_json::{Value as Json, json};

use super::*;
use crate::fakes;
use crate::png;
use crate::samples::{self, column, files, rows, table};

const COLUMNS: [(&str, ColumnType); 4] = [
    ("image", ColumnType::Image),
    ("question", ColumnType::Text),
    ("about", ColumnType::Text),
    ("answer", ColumnType::Text),
];

fn questions(lab: &Lab, asked: &[(&str, &str, &str)]) -> Arc<Table> {
    let image = lab.add_blob(png::encode(&image::RgbImage::new(8, 8)));
    let row = |(question, about, answer): &(&str, &str, &str)| json!({"image": {"$blob": image.to_string()}, "question": question, "about": about, "answer": answer});
    table(&COLUMNS, &asked.iter().map(row).collect::<Vec<Json>>())
}

#[test]
fn the_judge_is_right_topic_by_topic() {
    let lab = Lab::new(1);
    // The fake says yes to whatever has more than two letters.
    let asked = [
        ("Is it night?", "time", "yes"),
        ("Is it day?", "time", "no"),
        ("Is it noon?", "time", "yes"),
        ("A?", "legs", "no"),
        ("Is a leg missing?", "legs", "nan"),
        ("Has it a tail?", "tail", "nan"),
    ];
    let questions = questions(&lab, &asked);
    let (files, judge) = (files(), fakes::judge(""));
    let tables = [("questions", &questions)];
    let ran = check_kind::<MeasureJudge>(&json!({}), &files, &judge, &lab, &tables);
    assert_eq!(ran.asked, 4, "what does not apply is not asked");
    let topics = rows(ran.table("topics"));
    let of: Vec<_> = topics
        .iter()
        .map(|row| {
            let number = |name: &str| row[name].as_i64().unwrap();
            (
                row["about"].as_str().unwrap(),
                number("count"),
                number("right"),
            )
        })
        .collect();
    assert_eq!(of, [("all", 4, 3), ("legs", 1, 1), ("time", 3, 2)]);
    assert_eq!(topics[0]["accuracy"], json!(0.75));
    let by_answer = |row: usize| (&topics[row]["of_yes"], &topics[row]["of_no"]);
    assert_eq!(by_answer(0), (&json!(1.0), &json!(0.5)));
    assert_eq!(by_answer(1), (&Json::Null, &json!(1.0)));
    // As statsmodels' `proportion_confint(3, 4, method="wilson")` has it.
    assert_eq!(
        (&topics[0]["low"], &topics[0]["high"]),
        (&json!(0.300_642), &json!(0.954_413))
    );
    assert_eq!(
        column(ran.table("answers"), "said"),
        json!(["yes", "yes", "yes", "no"])
    );
    assert_eq!(
        column(ran.table("answers"), "is_right"),
        json!([true, false, true, true])
    );
    let asked = ran.executed[1]
        .input
        .get("question")
        .and_then(Value::as_text);
    assert_eq!(asked, Some("Is it day?"));
}

#[test]
fn what_is_no_answer_and_who_reads_no_words_are_refused() {
    let lab = Lab::new(1);
    let questions = questions(&lab, &[("Is it night?", "time", "perhaps")]);
    let kind = crate::registry().kind("eval.judge").unwrap().build;
    let stage = kind(Some(&node(&json!({}))), &files(), &fakes::judge(""));
    let stage = stage.map_err(messages).unwrap();
    let error = lab
        .run(stage.as_ref(), &[("questions", &questions)])
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("the true answer `perhaps` is none; expected `yes`, `no` or `nan`"),
        "{error}"
    );
    assert_eq!(
        samples::misfits::<MeasureJudge>(&json!({})),
        [": the suite's judge reads no words and writes none; `llava` does"]
    );
}
