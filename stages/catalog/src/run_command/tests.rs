use std::sync::Arc;

use ccsr_stage::Table;
use ccsr_stage::testing::Lab;
use serde_json::{Value as Json, json};

use super::*;
use crate::samples::{check, column, images, misfits, rows, run, table};

const KIND: &str = "command";

/// Three classes, one of them twice.
fn classes() -> Arc<Table> {
    let columns = [("class", ColumnType::Text), ("n", ColumnType::Int)];
    let row = |class: &str, n: i64| json!({"class": class, "n": n});
    table(
        &columns,
        &[row("zebra", 1), row("lion", 2), row("élan d'été", 3)],
    )
}

#[test]
fn every_row_becomes_arguments_of_a_process_and_its_answer_a_row() {
    let lab = Lab::new(0);
    let script = r#"printf '{{"said": "%s-%s", "half": %s}}\n' "$1" "$2" 0.5"#;
    let with = json!({"argv": ["sh", "-c", script, "sh", "{class}", "n={n}"],
                      "columns": {"said": "text", "half": "float"}});
    let ran = check::<RunCommand>(&with, &lab, &[("rows", &classes())]);
    assert_eq!(
        rows(ran.table("rows"))[2],
        json!({"class": "élan d'été", "n": 3, "said": "élan d'été-n=3", "half": 0.5})
    );
    assert_eq!(ran.executed.len(), 3);
}
