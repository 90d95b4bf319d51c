//! Table 1 of the paper: its answers, scored as its published code scores and as its equation 1
//! says.

use serde_json::Value as Json;

use crate::project::{Project, TABLE1};

fn scores(project: &Project, stage: &str) -> Vec<(i64, f64)> {
    let table = project.table(stage, [TABLE1]);
    let row = |line: &str| {
        let row: Json = serde_json::from_str(line).unwrap();
        (
            row["image"].as_i64().unwrap(),
            row["score"].as_f64().unwrap(),
        )
    };
    table.lines().map(row).collect()
}

fn expected(scores: [i32; 10]) -> Vec<(i64, f64)> {
    (1..).zip(scores.map(f64::from)).collect()
}

#[test]
fn the_ten_images_have_the_papers_scores() {
    let project = Project::new();
    project.run(["run", TABLE1]).succeeded();
    assert_eq!(
        scores(&project, "srt2i"),
        expected([7, 7, 7, 5, 8, 7, 8, 8, 7, 8])
    );
    assert_eq!(
        scores(&project, "eq1"),
        expected([8, 8, 8, 5, 10, 8, 10, 10, 8, 10])
    );
    assert_eq!(
        scores(&project, "eq1_ungated"),
        expected([8, 8, 8, 7, 10, 8, 10, 10, 8, 10])
    );
}

#[test]
fn the_same_four_are_shortlisted_either_way() {
    let project = Project::new();
    project.run(["run", TABLE1]).succeeded();
    for profile in ["srt2i", "eq1"] {
        let stage = format!("{profile}_shortlist");
        let mut shortlisted = Vec::new();
        for (port, always) in [("pairs", true), ("rejected", false)] {
            for line in project.table(&format!("{stage}.{port}"), [TABLE1]).lines() {
                let row: Json = serde_json::from_str(line).unwrap();
                if always || row["shortlisted"] == true {
                    shortlisted.push(row["image"].as_i64().unwrap());
                }
            }
        }
        shortlisted.sort_unstable();
        assert_eq!(shortlisted, [5, 7, 8, 10], "{profile}");
    }
}

#[test]
fn exports_are_tables_by_image() {
    let project = Project::new();
    project.run(["run", TABLE1]).succeeded();
    let exported = project.read("pipelines/out/table1/srt2i.csv");
    let mut reader = csv::Reader::from_reader(exported.as_bytes());
    let column = |name: &str, reader: &mut csv::Reader<&[u8]>| {
        reader
            .headers()
            .unwrap()
            .iter()
            .position(|header| header == name)
            .unwrap()
    };
    let (image, score) = (column("image", &mut reader), column("score", &mut reader));
    let rows: Vec<_> = reader
        .records()
        .map(|row| {
            let row = row.unwrap();
            (
                row[image].parse::<i64>().unwrap(),
                row[score].parse::<f64>().unwrap(),
            )
        })
        .collect();
    assert_eq!(rows, scores(&project, "srt2i"));
    let shown = project.run(["show", TABLE1, "srt2i", "--format", "csv"]);
    assert_eq!(shown.succeeded().stdout, exported);
}
