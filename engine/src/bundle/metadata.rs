//! What a bundle is, for machines and people who know nothing of this program: an RO-Crate 1.2
//! (<https://w3id.org/ro/crate/1.2>) that follows the profiles Process Run Crate and Workflow Run
//! Crate 0.5 (<https://w3id.org/ro/wfrun>), and a page to read.

use std::collections::BTreeMap;
use std::time::{Duration, UNIX_EPOCH};

use ccsr_cache::RunId;
use serde_json::{Value as Json, json};

use super::{OBJECTS, PROJECT, Part, README, RECORD, RESOLVED};
use crate::record::{RunOutcome, RunRecord};

pub(super) const FILE: &str = "ro-crate-metadata.json";

const PROFILES: [(&str, &str, &str); 3] = [
    (
        "https://w3id.org/ro/wfrun/process/0.5",
        "Process Run Crate",
        "0.5",
    ),
    (
        "https://w3id.org/ro/wfrun/workflow/0.5",
        "Workflow Run Crate",
        "0.5",
    ),
    (
        "https://w3id.org/workflowhub/workflow-ro-crate/1.0",
        "Workflow RO-Crate",
        "1.0",
    ),
];
const LANGUAGE: &str = "#yaml";
const LICENSE: &str = "#license";
const RUN: &str = "#run";

/// The metadata of a bundle.
pub(super) fn of(
    record: &RunRecord,
    parts: &BTreeMap<String, Part>,
    license: Option<&str>,
) -> Json {
    let pipeline = format!("{PROJECT}{}", record.file);
    // Blobs are named by their digests and say nothing by themselves: they are one part.
    let listed = |name: &&String| !name.starts_with(OBJECTS);
    let files: Vec<&String> = parts.keys().filter(listed).collect();
    let has_objects = parts.keys().any(|name| name.starts_with(OBJECTS));
    let ids = |names: &mut dyn Iterator<Item = &str>| -> Json {
        names.map(|name| json!({"@id": encoded(name)})).collect()
    };
    let below = |folder: &'static str| {
        files
            .iter()
            .map(|name| name.as_str())
            .filter(move |name| name.starts_with(folder))
    };
    let inputs = below(PROJECT).filter(|name| *name != pipeline);
    let objects = has_objects.then_some(OBJECTS);
    let (began, ended) = (
        time(record.started),
        time(record.started + record.seconds.ceil() as u64),
    );
    let license = license.unwrap_or(LICENSE);
    let mut graph = vec![
        json!({
            "@id": FILE,
            "@type": "CreativeWork",
            "about": {"@id": "./"},
            "conformsTo": {"@id": "https://w3id.org/ro/crate/1.2"},
        }),
        json!({
            "@id": "./",
            "@type": "Dataset",
            "name": format!("Run {} of {}", record.run, record.pipeline),
            "description": format!(
                "The pipeline `{}`, the files that it read, the record of a run of it and tables that came \
                 out, made by ccsr-flow.", record.pipeline),
            "datePublished": ended,
            "license": {"@id": license},
            "conformsTo": PROFILES.map(|(id, _, _)| json!({"@id": id})),
            "mainEntity": {"@id": encoded(&pipeline)},
            "hasPart": ids(&mut files.iter().map(|name| name.as_str()).chain(objects)),
            "mentions": {"@id": RUN},
        }),
        json!({
            "@id": RUN,
            "@type": "CreateAction",
            "name": format!("Run {} of {}", record.run, record.pipeline),
            "description": description(record),
            "instrument": {"@id": encoded(&pipeline)},
            "object": ids(&mut inputs.into_iter()),
            "result": ids(&mut below("tables/").chain([RECORD])),
            "startTime": began,
            "endTime": ended,
            "actionStatus": status(record),
        }),
        json!({
            "@id": LANGUAGE,
            "@type": "ComputerLanguage",
            "name": "YAML",
            "url": "https://yaml.org/",
            "version": "1.2",
        }),
    ];
    graph.extend(PROFILES.map(|(id, name, version)| {
        json!({"@id": id, "@type": ["CreativeWork", "Profile"], "name": name, "version": version})
    }));
    if license == LICENSE {
        graph.push(json!({
            "@id": LICENSE,
            "@type": "CreativeWork",
            "name": "No licence is stated",
            "description": "Whoever made this bundle has not said what others may do with it: ask.",
        }));
    } else {
        graph.push(json!({"@id": license, "@type": "CreativeWork", "name": license}));
    }
    graph.extend(
        files
            .iter()
            .map(|name| file(name, parts[*name].size, **name == pipeline, record)),
    );
    if has_objects {
        graph.push(json!({
            "@id": OBJECTS,
            "@type": "Dataset",
            "name": "Blobs by the BLAKE3 digest of their bytes",
            "description": "The tables as ccsr-flow's cache has them, and images that they name.",
        }));
    }
    json!({"@context": "https://w3id.org/ro/crate/1.2/context", "@graph": graph})
}

fn file(name: &str, size: u64, is_pipeline: bool, record: &RunRecord) -> Json {
    let mut file = json!({
        "@id": encoded(name),
        "@type": "File",
        "name": name.rsplit('/').next().unwrap_or(name),
        "description": what(name),
        "contentSize": size.to_string(),
        "encodingFormat": media_type(name),
    });
    if name == README {
        file["about"] = json!({"@id": "./"});
    }
    if is_pipeline {
        file["@type"] = json!(["File", "SoftwareSourceCode", "ComputationalWorkflow"]);
        file["name"] = json!(record.pipeline);
        file["programmingLanguage"] = json!({"@id": LANGUAGE});
        file["runtimePlatform"] = json!(format!("ccsr-flow {}", record.version));
    }
    file
}

/// What a part of the bundle is.
fn what(name: &str) -> &'static str {
    match name {
        README => "How to run it again",
        RECORD => "The record of the run",
        RESOLVED => "What the stages were told, in full",
        _ if name.starts_with(PROJECT) => "A file that the run read",
        _ => "A table that came out",
    }
}

/// What else there is to say of a run: how it was started and where.
fn description(record: &RunRecord) -> String {
    let mut parts = vec![format!("Started as `{}`.", command(record))];
    let host = &record.host;
    if !host.os.is_empty() {
        parts.push(format!(
            "On {} ({} threads), {}.",
            host.cpu, host.cores, host.os
        ));
    }
    parts.join(" ")
}

/// The command that runs the pipeline as it was run.
fn command(record: &RunRecord) -> String {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "'\\''"));
    let mut words = vec![
        "ccsr-flow".to_owned(),
        "run".to_owned(),
        quoted(&record.file),
    ];
    if let Some(suite) = &record.suite_named {
        words.extend(["--suite".to_owned(), quoted(suite)]);
    }
    for set in &record.set {
        words.extend(["--set".to_owned(), quoted(set)]);
    }
    words.join(" ")
}

/// A page for whoever finds a bundle.
pub(super) fn readme(record: &RunRecord) -> String {
    let (run, command) = (&record.run, command(record));
    format!(
        "# Run {run} of {}\n\n\
         Made by ccsr-flow {}. To run it again and compare every table with those of the record:\n\n\
         ```sh\n\
         ccsr-flow runs unbundle FILE again\n\
         cd again\n\
         ccsr-flow runs reproduce {run}\n\
         ```\n\n\
         Or unpack it with any program for zip archives and run the pipeline in `project/`:\n\n\
         ```sh\n\
         mkdir -p project/.ccsr && cd project\n\
         {command}\n\
         ```\n\n\
         `run.json` is the record, `pipeline.json` what the stages were told in full, `tables/` what came out.\n",
        record.pipeline, record.version
    )
}

const fn status(record: &RunRecord) -> &'static str {
    match record.outcome {
        RunOutcome::Done => "http://schema.org/CompletedActionStatus",
        _ => "http://schema.org/FailedActionStatus",
    }
}

/// Seconds since 1970 as `2026-11-23T08:15:12+00:00`.
fn time(seconds: u64) -> String {
    // An id of a run begins with its date.
    let id = RunId::new(UNIX_EPOCH + Duration::from_secs(seconds), 0);
    let id = id.as_str();
    let (date, time) = (&id[..8], &id[9..15]);
    format!(
        "{}-{}-{}T{}:{}:{}+00:00",
        &date[..4],
        &date[4..6],
        &date[6..],
        &time[..2],
        &time[2..4],
        &time[4..]
    )
}

/// A path as a relative reference: what is not plain is written in percent.
fn encoded(name: &str) -> String {
    use std::fmt::Write as _;
    let mut encoded = String::new();
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' | b'~' => {
                encoded.push(char::from(byte));
            }
            _ => write!(encoded, "%{byte:02X}").expect("memory takes all"),
        }
    }
    encoded
}

fn media_type(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("csv") => "text/csv",
        Some("json") => "application/json",
        Some("jsonl") => "application/jsonl",
        Some("md") => "text/markdown",
        Some("png") => "image/png",
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("webp") => "image/webp",
        Some("yaml" | "yml") => "application/yaml",
        Some("txt" | "py" | "sh") => "text/plain",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_names_are_written_as_they_should() {
        assert_eq!(time(1_795_421_712), "2026-11-23T08:15:12+00:00");
        assert_eq!(encoded("project/a b/ü#.csv"), "project/a%20b/%C3%BC%23.csv");
    }
}
