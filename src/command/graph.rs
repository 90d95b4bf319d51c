//! `ccsr-flow graph`.

use std::fmt::Write as _;

use ccsr_engine::Pipeline;

use crate::cli::{Cli, GraphArgs, GraphFormat};
use crate::exit::{Exit, Failure};
use crate::session::Session;
use crate::ui::Ui;

pub(super) fn graph(cli: &Cli, args: &GraphArgs, ui: &Ui) -> Result<Exit, Failure> {
    let session = Session::new(cli, &args.pipeline)?;
    ui.raw(&match args.format {
        GraphFormat::Terminal => terminal(&session.pipeline),
        GraphFormat::Dot => dot(&session.pipeline),
        GraphFormat::Mermaid => mermaid(&session.pipeline),
    })?;
    Ok(Exit::Done)
}

fn terminal(pipeline: &Pipeline) -> String {
    let width = |text: fn(&ccsr_engine::StageNode) -> &str| {
        pipeline
            .stages
            .iter()
            .map(|stage| text(stage).chars().count())
            .max()
            .unwrap_or(0)
    };
    let (names, kinds) = (width(|stage| &stage.name), width(|stage| stage.kind));
    let mut text = String::new();
    for id in pipeline.graph.order() {
        let stage = pipeline.stage(*id);
        let read = |(port, from): (&&str, &ccsr_engine::Binding)| {
            format!("{port} ← {}.{}", pipeline.stage(from.stage).name, from.port)
        };
        let reads = stage
            .bindings
            .iter()
            .map(read)
            .collect::<Vec<_>>()
            .join(", ");
        let line = format!("{:names$}  {:kinds$}  {reads}", stage.name, stage.kind);
        writeln!(text, "{}", line.trim_end()).expect("memory takes all");
    }
    text
}

fn dot(pipeline: &Pipeline) -> String {
    let mut text = format!(
        "digraph {:?} {{\n  rankdir=LR;\n  node [shape=box];\n",
        pipeline.name
    );
    for stage in &pipeline.stages {
        writeln!(
            text,
            "  {:?} [label=\"{}\\n{}\"];",
            stage.name, stage.name, stage.kind
        )
        .expect("memory takes all");
    }
    for (from, to, port) in edges(pipeline) {
        writeln!(text, "  {from:?} -> {to:?} [label={port:?}];").expect("memory takes all");
    }
    text + "}\n"
}

fn mermaid(pipeline: &Pipeline) -> String {
    let mut text = "flowchart LR\n".to_owned();
    let number = |name: &str| pipeline.find(name).map_or(0, |id| id.0);
    for (index, stage) in pipeline.stages.iter().enumerate() {
        writeln!(text, "  s{index}[\"{}<br/>{}\"]", stage.name, stage.kind)
            .expect("memory takes all");
    }
    for (from, to, port) in edges(pipeline) {
        writeln!(text, "  s{} -->|{port}| s{}", number(from), number(to))
            .expect("memory takes all");
    }
    text
}

/// Who is read, who reads, on which port.
fn edges(pipeline: &Pipeline) -> impl Iterator<Item = (&str, &str, &'static str)> {
    pipeline.stages.iter().flat_map(|stage| {
        stage.bindings.iter().map(|(port, from)| {
            (
                pipeline.stage(from.stage).name.as_str(),
                stage.name.as_str(),
                *port,
            )
        })
    })
}
