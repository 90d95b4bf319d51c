//! A run as one file that another machine can run again.

use std::collections::BTreeMap;
use std::io::Read;

use serde_json::Value as Json;

use crate::project::{Project, SELECTION, SMALL, SMALL_UNITS};
use crate::warm;

/// The files of a bundle.
fn contents(project: &Project, name: &str) -> BTreeMap<String, Vec<u8>> {
    let file = std::fs::File::open(project.path(name)).unwrap();
    let mut archive = zip::ZipArchive::new(file).unwrap();
    (0..archive.len())
        .map(|index| {
            let mut entry = archive.by_index(index).unwrap();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            (entry.name().unwrap().into_owned(), bytes)
        })
        .collect()
}

#[test]
fn a_bundle_runs_elsewhere_and_agrees() {
    let project = warm::small();
    project
        .run(["runs", "bundle", "latest", "-o", "run.zip"])
        .succeeded();
    let elsewhere = Project::empty();
    std::fs::copy(project.path("run.zip"), elsewhere.path("run.zip")).unwrap();
    elsewhere
        .run(["runs", "unbundle", "run.zip", "again"])
        .succeeded();
    assert!(
        elsewhere
            .path("again/pipelines/questions/paper.yaml")
            .exists()
    );
    let inside = |args: &[&str]| {
        let output = elsewhere
            .command(args.iter().copied())
            .current_dir(elsewhere.path("again"))
            .output();
        crate::project::Outcome::of(&output.unwrap())
    };
    let told = inside(&["runs", "reproduce", "latest", "--json"]);
    let told: Json = serde_json::from_str(&told.succeeded().stdout).unwrap();
    assert_eq!(
        (&told["tables"], &told["units_executed"]),
        (&11.into(), &SMALL_UNITS.into())
    );
    // And the pipeline runs there as it is.
    let args = ["run", SELECTION, "--json"].into_iter().chain(SMALL);
    let again = inside(&args.collect::<Vec<_>>());
    assert_eq!(again.succeeded().summary().executed(), 0);
    // Nothing is overwritten.
    elsewhere
        .run(["runs", "unbundle", "run.zip", "again"])
        .ends_with(2)
        .says("is not empty");
}

#[test]
fn equal_runs_make_equal_bundles_with_what_was_chosen() {
    let project = warm::small();
    for name in ["a.zip", "b.zip"] {
        project
            .run(["runs", "bundle", "latest", "-o", name])
            .succeeded();
    }
    assert!(
        std::fs::read(project.path("a.zip")).unwrap()
            == std::fs::read(project.path("b.zip")).unwrap()
    );
    let found = contents(&project, "a.zip");
    let tables: Vec<_> = found
        .keys()
        .filter(|name| name.starts_with("tables/"))
        .collect();
    assert_eq!(
        tables,
        [
            "tables/dataset.dataset.csv",
            "tables/pairs.rejected.csv",
            "tables/sheets.sheets.csv",
            "tables/truth.images.csv",
            "tables/truth.truth.csv"
        ]
    );

    project
        .run([
            "runs",
            "bundle",
            "latest",
            "-o",
            "c.zip",
            "--with",
            "images",
            "--with",
            "pairs.pairs",
            "--with-blobs",
        ])
        .succeeded();
    let found = contents(&project, "c.zip");
    let tables: Vec<_> = found
        .keys()
        .filter(|name| name.starts_with("tables/"))
        .collect();
    assert_eq!(
        tables,
        ["tables/images.images.csv", "tables/pairs.pairs.csv"]
    );
    let images = found.values().filter(|bytes| bytes.starts_with(b"\x89PNG"));
    assert_eq!(images.count(), 80);
    let csv = String::from_utf8(found["tables/images.images.csv"].clone()).unwrap();
    assert_eq!(csv.lines().count(), 81);

    let unknown = project.run(["runs", "bundle", "latest", "-o", "d.zip", "--with", "imges"]);
    unknown
        .ends_with(2)
        .says("wrote no table `imges`")
        .says("images.images");
    assert!(!project.path("d.zip").exists());
}

#[test]
fn the_metadata_is_an_ro_crate() {
    let project = warm::small();
    project
        .run([
            "runs",
            "bundle",
            "latest",
            "-o",
            "a.zip",
            "--license",
            "https://spdx.org/licenses/MIT.html",
        ])
        .succeeded();
    let found = contents(&project, "a.zip");
    let crate_: Json = serde_json::from_slice(&found["ro-crate-metadata.json"]).unwrap();
    assert_eq!(crate_["@context"], "https://w3id.org/ro/crate/1.2/context");
    let graph = crate_["@graph"].as_array().unwrap();
    let entity = |id: &str| {
        let entity = graph.iter().find(|entity| entity["@id"] == id);
        entity.unwrap_or_else(|| panic!("no {id}"))
    };
    assert_eq!(entity("ro-crate-metadata.json")["about"]["@id"], "./");
    let root = entity("./");
    assert_eq!(root["license"]["@id"], "https://spdx.org/licenses/MIT.html");
    assert_eq!(
        root["mainEntity"]["@id"],
        "project/pipelines/selection.yaml"
    );
    let run = entity("#run");
    assert_eq!(run["@type"], "CreateAction");
    assert_eq!(run["instrument"]["@id"], "project/pipelines/selection.yaml");
    assert!(
        run["description"]
            .as_str()
            .unwrap()
            .contains("--set 'stages.prompts.with.count=10'")
    );
    // Every part is described once, and every reference within leads somewhere.
    for part in root["hasPart"].as_array().unwrap() {
        let id = part["@id"].as_str().unwrap();
        entity(id);
        assert!(id.ends_with('/') || found.contains_key(id), "{id}");
    }
    let ids: std::collections::BTreeSet<_> = graph
        .iter()
        .map(|entity| entity["@id"].as_str().unwrap())
        .collect();
    assert_eq!(ids.len(), graph.len());
    for entity in graph {
        for (key, value) in entity.as_object().unwrap() {
            let values = value
                .as_array()
                .map_or_else(|| vec![value], |list| list.iter().collect());
            for id in values.iter().filter_map(|value| value.get("@id")?.as_str()) {
                let known = ids.contains(id)
                    || (key == "conformsTo" && id.starts_with("https://w3id.org/ro/crate/"));
                assert!(known, "{key} of {} leads nowhere: {id}", entity["@id"]);
            }
        }
        assert!(!entity["@type"].is_null());
    }
}

#[test]
fn what_is_no_bundle_is_refused() {
    let project = Project::empty();
    project.write("text.zip", "no archive");
    project
        .run(["runs", "unbundle", "text.zip", "x"])
        .ends_with(1)
        .says("text.zip");
    let write = |name: &str, entries: &[(&str, &str)]| {
        let mut archive = zip::ZipWriter::new(std::fs::File::create(project.path(name)).unwrap());
        for (name, text) in entries {
            archive
                .start_file(
                    *name,
                    zip::write::SimpleFileOptions::default()
                        .compression_method(zip::CompressionMethod::Stored),
                )
                .unwrap();
            std::io::Write::write_all(&mut archive, text.as_bytes()).unwrap();
        }
        archive.finish().unwrap();
    };
    write("empty.zip", &[("a", "b")]);
    project
        .run(["runs", "unbundle", "empty.zip", "y"])
        .ends_with(2)
        .says("there is no `run.json` in it");

    let warm = warm::small();
    let shown = warm.run(["runs", "show", "latest", "--json"]);
    let record = shown.succeeded().stdout.clone();
    write("escape.zip", &[("../escaped", "x"), ("run.json", &record)]);
    project
        .run(["runs", "unbundle", "escape.zip", "z"])
        .ends_with(2)
        .says("would leave the folder");
    assert!(!project.path("escaped").exists());
    let digest = "ab".repeat(32);
    write(
        "wrong.zip",
        &[(&format!("objects/{digest}"), "x"), ("run.json", &record)],
    );
    project
        .run(["runs", "unbundle", "wrong.zip", "w"])
        .ends_with(2)
        .says("holds other bytes than its name says");
}

#[test]
fn a_program_of_the_project_can_still_be_executed() {
    let project = Project::empty();
    project.write("a.yaml", "version: 1\nstages:\n  rows: {uses: table.import, with: {path: rows.csv}}\n  lengths:\n    uses: command\n    from: rows\n    with: {argv: [./length.sh], per: row, columns: {length: int}}\n");
    project.write("rows.csv", "name\na\nbb\n");
    project.write(
        "length.sh",
        "#!/bin/sh\nread line\nprintf '{\"length\": %d}\\n' \"${#line}\"\n",
    );
    let script = project.path("length.sh");
    std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    project.run(["run", "a.yaml"]).succeeded();
    std::fs::remove_file(script).unwrap();
    project
        .run(["runs", "reproduce", "latest", "--from-scratch"])
        .succeeded();
    project
        .run(["runs", "bundle", "latest", "-o", "a.zip"])
        .succeeded();
    project
        .run(["runs", "unbundle", "a.zip", "again"])
        .succeeded();
    let output = project
        .command(["runs", "reproduce", "latest"])
        .current_dir(project.path("again"))
        .output();
    crate::project::Outcome::of(&output.unwrap()).succeeded();
}
