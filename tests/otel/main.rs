//! Traces as a collector gets them: the program, built with the feature `otel`, sends them to a
//! server of this test's.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says where it stopped"
)]

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::{Command, Output};
use std::sync::mpsc::{self, Receiver};

use serde_json::Value as Json;
use tempfile::TempDir;

const PIPELINE: &str = "version: 1
name: traced
suite: world
stages:
  prompts: {uses: prompt.generate, with: {classes: [zebra], count: 2}}
  images: {uses: image.generate, from: prompts, with: {candidates: 2, size: 32}, batch: 2}
";

/// A collector: the bodies of what it is sent.
fn collector() -> (String, Receiver<Json>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (sender, bodies) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            while let Some(body) = request(&mut reader) {
                let answer = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
                stream.write_all(answer.as_bytes()).unwrap();
                sender.send(serde_json::from_slice(&body).unwrap()).unwrap();
            }
        }
    });
    (address, bodies)
}

/// The body of the next request, if there is one.
fn request(reader: &mut impl BufRead) -> Option<Vec<u8>> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        match line.trim_end().split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.trim().parse().unwrap();
            }
            None if line.trim().is_empty() => break,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(body)
}

fn run(project: &TempDir, endpoint: &str) -> Output {
    fs::create_dir_all(project.path().join(".git")).unwrap();
    fs::write(project.path().join("p.yaml"), PIPELINE).unwrap();
    Command::new(env!("CARGO_BIN_EXE_ccsr-flow"))
        .args(["run", "p.yaml"])
        .current_dir(project.path())
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
        .env("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json")
        .output()
        .unwrap()
}

/// All that stands under `name`, however deep.
fn every<'a>(json: &'a Json, name: &str, found: &mut Vec<&'a Json>) {
    match json {
        Json::Object(entries) => {
            found.extend(entries.get(name));
            entries.values().for_each(|value| every(value, name, found));
        }
        Json::Array(values) => values.iter().for_each(|value| every(value, name, found)),
        _ => {}
    }
}

fn attributes(span: &Json) -> BTreeMap<&str, String> {
    let attributes = span["attributes"].as_array().unwrap().iter();
    let attribute = |attribute: &'_ Json| {
        let value = attribute["value"].as_object().unwrap();
        let value = value.values().next().unwrap();
        value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned)
    };
    attributes
        .map(|one| (one["key"].as_str().unwrap(), attribute(one)))
        .collect()
}

#[test]
fn a_run_is_a_trace_of_stages_and_batches() {
    let (endpoint, bodies) = collector();
    let project = TempDir::new().unwrap();
    let output = run(&project, &endpoint);
    assert!(output.status.success(), "{output:?}");
    let bodies: Vec<Json> = bodies.try_iter().collect();
    let mut found = Vec::new();
    for body in &bodies {
        every(body, "spans", &mut found);
    }
    let spans: Vec<&Json> = found
        .iter()
        .flat_map(|spans| spans.as_array().unwrap())
        .collect();
    let named = |name: &str| -> Vec<&Json> {
        spans
            .iter()
            .copied()
            .filter(|span| span["name"] == name)
            .collect()
    };
    let ([run], [images], batches) = (&named("traced")[..], &named("images")[..], named("batch"))
    else {
        panic!("{spans:#?}");
    };
    assert_eq!(batches.len(), 2);
    assert_eq!(images["parentSpanId"], run["spanId"]);
    assert!(
        batches
            .iter()
            .all(|batch| batch["parentSpanId"] == images["spanId"])
    );
    assert!(spans.iter().all(|span| span["traceId"] == run["traceId"]));
    let time = |span: &Json, which: &str| -> u64 { span[which].as_str().unwrap().parse().unwrap() };
    for (inner, outer) in batches
        .iter()
        .map(|batch| (*batch, *images))
        .chain([(*images, *run)])
    {
        assert!(time(inner, "startTimeUnixNano") >= time(outer, "startTimeUnixNano"));
        assert!(time(inner, "endTimeUnixNano") <= time(outer, "endTimeUnixNano"));
    }
    assert_eq!(attributes(images)["kind"], "image.generate");
    assert_eq!(attributes(batches[0])["units"], "2");
    let events: Vec<_> = images["events"].as_array().unwrap().iter().collect();
    assert!(
        events
            .iter()
            .any(|event| attributes(event)["event"] == "stage_finished")
    );
    let resource = attributes(&bodies[0]["resourceSpans"][0]["resource"]);
    assert_eq!(resource["service.name"], "ccsr-flow");
    assert_eq!(resource["service.version"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn a_collector_that_cannot_be_reached_fails_no_run() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", nobody.local_addr().unwrap());
    drop(nobody);
    let project = TempDir::new().unwrap();
    let output = run(&project, &endpoint);
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("done: 4 units computed"), "{said}");
    assert!(
        said.contains("traces did not reach the collector"),
        "{said}"
    );
}

#[test]
fn an_endpoint_that_is_none_is_an_error() {
    let project = TempDir::new().unwrap();
    let output = run(&project, "no endpoint at all");
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("OTEL_EXPORTER_OTLP_ENDPOINT"), "{said}");
}
