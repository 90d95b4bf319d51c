//! Files of the user's that are missing or not what they should be.

use std::path::Path;

use crate::project::Project;
use crate::transcript::Transcript;

const TABLE: &str =
    "version: 1\nstages:\n  table:\n    uses: table.import\n    with:\n      path: ";
const FOLDER: &str =
    "version: 1\nstages:\n  images:\n    uses: image.import\n    with:\n      path: ";

/// Some image, as a PNG.
pub(crate) fn png(project: &Project) -> Vec<u8> {
    let pipeline = "\
version: 1
suite: world
stages:
  prompts: {uses: prompt.generate, with: {count: 1, classes: [zebra]}}
  images: {uses: image.generate, from: prompts, with: {candidates: 1}, outputs: drawn}
";
    project.write("draw.yaml", pipeline);
    project.run(["run", "draw.yaml"]).succeeded();
    let drawn = project.files("drawn");
    let png = drawn
        .into_iter()
        .find(|(name, _)| name.extension().is_some_and(|e| e == "png"));
    png.unwrap().1
}

#[test]
fn tables() {
    let mut transcript = Transcript::new();
    let cases = [
        ("ragged rows", "a.csv", "class,prompt\nlion,A lion\nlion\n"),
        ("a column named twice", "a.csv", "class,class\na,b\n"),
        ("no header", "a.csv", ""),
        (
            "a line that is no JSON",
            "a.jsonl",
            "{\"class\": \"lion\"}\n{\"class\": lion}\n",
        ),
        ("a line that is no object", "a.jsonl", "[1, 2]\n"),
        (
            "a name twice in a line",
            "a.jsonl",
            "{\"class\": 1, \"class\": 2}\n",
        ),
    ];
    for (about, name, content) in cases {
        let project = Project::empty();
        project
            .write(name, content)
            .write("a.yaml", format!("{TABLE}{name}\n"));
        transcript.about(about).file(name, content);
        transcript.run(&project, &["run", "a.yaml"]).ends_with(2);
    }
    let project = Project::empty();
    project.write("a.csv", "image,score\n1,high\n");
    transcript
        .about("a cell of another type")
        .file("a.csv", "image,score\n1,high\n");
    project.write(
        "a.yaml",
        format!("{TABLE}a.csv\n      columns: {{score: float}}\n"),
    );
    transcript.run(&project, &["run", "a.yaml"]).ends_with(2);
    transcript.about("a column that is not there");
    project.write(
        "a.yaml",
        format!("{TABLE}a.csv\n      columns: {{scores: float}}\n"),
    );
    transcript.run(&project, &["run", "a.yaml"]).ends_with(2);
    transcript.about("a file that is not there");
    project.write("a.yaml", format!("{TABLE}b.csv\n"));
    transcript.run(&project, &["run", "a.yaml"]).ends_with(2);
    transcript.about("a folder instead of a file");
    std::fs::create_dir(project.path("b.csv")).unwrap();
    transcript.run(&project, &["run", "a.yaml"]).ends_with(2);
    transcript.about("no text");
    project
        .write("a.csv", b"a,b\n\xff\xfe,1\n")
        .write("a.yaml", format!("{TABLE}a.csv\n"));
    transcript.run(&project, &["run", "a.yaml"]).ends_with(2);
    transcript.matches("tables");
}

#[test]
fn a_column_that_a_later_stage_needs() {
    let project = Project::empty();
    let pipeline = "\
version: 1
suite: world
stages:
  prompts:
    uses: table.import
    with: {path: prompts.csv}
  images:
    uses: image.generate
    from: prompts
";
    project
        .write("a.yaml", pipeline)
        .write("prompts.csv", "class,prmpt\nlion,A lion\n");
    let mut transcript = Transcript::new();
    transcript
        .file("a.yaml", pipeline)
        .file("prompts.csv", "class,prmpt\nlion,A lion\n");
    transcript.run(&project, &["check", "a.yaml"]).ends_with(2);
    transcript.matches("missing-column");
}

#[test]
fn folders() {
    let project = Project::empty();
    let mut transcript = Transcript::new();
    project.write("a.yaml", format!("{FOLDER}photos\n"));
    transcript.about("a folder that is not there");
    transcript.run(&project, &["check", "a.yaml"]).ends_with(2);
    transcript.about("a file instead of a folder");
    project.write("photos", "");
    transcript.run(&project, &["check", "a.yaml"]).ends_with(2);
    std::fs::remove_file(project.path("photos")).unwrap();

    let metadata = [
        (
            "metadata without `file_name`",
            "metadata.csv",
            "file,text\na.png,An image\n",
        ),
        (
            "metadata about a file that is not there",
            "metadata.jsonl",
            "{\"file_name\": \"b.png\"}\n",
        ),
        (
            "metadata about a file elsewhere",
            "metadata.jsonl",
            "{\"file_name\": \"../secret.png\"}\n",
        ),
        (
            "metadata that is no JSON",
            "metadata.jsonl",
            "{\"file_name\": \"a.png\"}\nfile_name: a.png\n",
        ),
    ];
    project.write("secret.png", png(&project));
    for (about, name, content) in metadata {
        let _ = std::fs::remove_dir_all(project.path("photos"));
        project
            .write("photos/a.png", png(&project))
            .write(&format!("photos/{name}"), content);
        transcript
            .about(about)
            .file(&format!("photos/{name}"), content);
        let outcome = transcript.run(&project, &["run", "a.yaml"]);
        assert!(matches!(outcome.code, 1 | 2), "{outcome:?}");
    }
    transcript.matches("folders");
}

#[test]
fn an_image_that_is_none_costs_only_itself() {
    let project = Project::empty();
    let good = png(&project);
    let before = crate::ledger::units(&project).count;
    project.write("photos/a.png", &good);
    project.write("photos/b.png", "This is no image.");
    project.write("photos/c.png", &good[..good.len() / 2]);
    project.write("photos/d.png", "");
    let pipeline = format!(
        "{FOLDER}photos\n    batch: 1\n  sheets: {{uses: image.grid, from: images}}\n  other: {{uses: table.import, with: {{path: words.txt}}}}\n"
    );
    project
        .write("a.yaml", &pipeline)
        .write("words.txt", "one\ntwo\n");
    let mut transcript = Transcript::new();
    transcript.file("a.yaml", &pipeline);
    transcript.about("one job at a time, the first failure ends it");
    transcript
        .run(&project, &["run", "a.yaml", "--jobs", "1"])
        .ends_with(1);
    transcript.about("all that does not depend on a failure");
    let outcome = transcript.run(&project, &["run", "a.yaml", "--jobs", "1", "--keep-going"]);
    outcome.ends_with(1);
    assert_eq!(project.table("other", ["a.yaml"]).lines().count(), 2);
    let found = |path: &Path| project.files("photos").contains_key(path);
    assert!(
        found(Path::new("photos/b.png")),
        "the user's files are left alone"
    );
    assert_eq!(
        crate::ledger::units(&project).count,
        before + 1,
        "the good one is kept, failures are not"
    );

    transcript.about("the same again: failures are not remembered");
    transcript
        .run(&project, &["run", "a.yaml", "--jobs", "1", "--keep-going"])
        .ends_with(1);
    for name in ["b", "c", "d"] {
        project.write(&format!("photos/{name}.png"), &good);
    }
    transcript.about("put right");
    let outcome = transcript.run(&project, &["run", "a.yaml", "--json"]);
    outcome.succeeded();
    // They all hold the same image now, which is known.
    assert_eq!(outcome.summary().executed(), 0);
    transcript.matches("broken-images");
}
