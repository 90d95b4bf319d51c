//! The front end: from texts to a pipeline, or a sweep of them, or to diagnostics that can be drawn.

use std::path::Path;
use std::sync::LazyLock;

use ccsr_engine::sweep::Sweep;
use ccsr_engine::{CompileError, CompileOptions, Pipeline, Project, Sources, compile};
use ccsr_stage::Registry;

use crate::diagnostics;

/// A folder that is not there: whatever is not among the texts is missing.
const PROJECT: &str = "/nowhere/project";
/// The suite that the program brings along.
const SUITES: &[(&str, &str)] = &[("world", include_str!("../../pipelines/suites/world.yaml"))];
/// Begins the line that names what the following lines are.
const MARK: &str = "\n%%% ";
/// Trials that are looked at twice.
const MOST_TRIALS: usize = 10;
/// Overrides that are looked at.
const MOST_OVERRIDES: usize = 8;

static REGISTRY: LazyLock<Registry> = LazyLock::new(ccsr_stages::registry);

/// What a pipeline is compiled from.
struct Texts<'a> {
    sources: Sources,
    set: Vec<String>,
    suite: Option<&'a str>,
}

/// Compiles a pipeline.
///
/// The input is the pipeline's text, followed by parts that begin with a line `%%% NAME`: `set` for
/// an override, `suite` for the name of another suite, else a file of that name.
pub fn front_end(input: &[u8]) {
    with_options(input, |file, project, options| {
        let (pipeline, sources) = compile(file, project, &REGISTRY, options)?;
        checked(&pipeline, &sources);
        Ok(())
    });
}

/// Compiles every trial of a pipeline's first sweep, or of what its overrides say.
pub fn sweeps(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let named = text.split("\nsweeps:").nth(1);
    let name = named.and_then(|rest| rest.split([':', '{']).find(|part| !part.trim().is_empty()));
    with_options(input, |file, project, options| {
        let name = name.map(str::trim);
        let mut sweep = Sweep::compile(file, project, &REGISTRY, options, name)?;
        for trial in 0..sweep.trials().len().min(MOST_TRIALS) {
            let _ = sweep.set_of(&sweep.trials()[trial]);
            let pipeline = sweep.pipeline(trial).expect("every trial was compiled");
            checked(&pipeline, &sweep.sources());
        }
        Ok(())
    });
}

/// Reads the input, and draws whatever is wrong with it.
fn with_options(
    input: &[u8],
    compile: impl FnOnce(&Path, &Project, &CompileOptions<'_>) -> Result<(), CompileError>,
) {
    let text = String::from_utf8_lossy(input);
    let texts = Texts::of(&text);
    let options = CompileOptions {
        set: texts.set,
        suite: texts.suite.map(str::to_owned),
        suites: SUITES,
        texts: texts.sources,
        ..CompileOptions::default()
    };
    let file = Path::new(PROJECT).join("pipeline.yaml");
    if let Err(error) = compile(&file, &Project::at(PROJECT), &options) {
        assert!(!error.diagnostics.is_empty(), "refused without a reason");
        let drawn = diagnostics::render(&error.sources, &error.diagnostics, false);
        assert!(drawn.contains("error"), "{drawn}");
    }
}

fn checked(pipeline: &Pipeline, sources: &Sources) {
    for stage in &pipeline.stages {
        assert!(!stage.stage.identity().canonical().is_empty());
        assert!(!sources.place(stage.span).is_empty());
    }
}

impl<'a> Texts<'a> {
    fn of(text: &'a str) -> Self {
        let mut sources = Sources::new();
        let mut texts = Vec::new();
        let (mut set, mut suite) = (Vec::new(), None);
        let mut parts = text.split(MARK);
        texts.push(("pipeline.yaml", parts.next().unwrap_or_default()));
        for part in parts {
            let (name, content) = part.split_once('\n').unwrap_or((part, ""));
            match name {
                "set" if set.len() < MOST_OVERRIDES => set.push(content.to_owned()),
                "suite" => suite = Some(content),
                file => texts.push((file, content)),
            }
        }
        for (name, content) in texts {
            let path = Path::new(PROJECT).join(name);
            if sources.find(&path).is_none() {
                sources.add(name, path, content);
            }
        }
        Self {
            sources,
            set,
            suite,
        }
    }
}
