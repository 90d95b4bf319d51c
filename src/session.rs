//! From what was typed to a compiled pipeline and an open cache.

use std::path::{Path, PathBuf};

use ccsr_cache::{Access, Store, StoreError};
use ccsr_engine::graph::StageId;
use ccsr_engine::{CompileOptions, Pipeline, Project, Sources, compile};
use ccsr_stage::params;

use crate::cli::{Cli, PipelineArgs};
use crate::exit::Failure;
use crate::hub;

/// The suites that the program brings along.
const SUITES: &[(&str, &str)] = &[("world", include_str!("../pipelines/suites/world.yaml"))];

/// The devices of this build.
pub(crate) use ccsr_stages::DEVICES;

/// A compiled pipeline and the texts its errors point into.
pub(crate) struct Session {
    pub(crate) pipeline: Pipeline,
    pub(crate) sources: Sources,
    cache: PathBuf,
}

impl Session {
    /// Compiles the pipeline that was named.
    pub(crate) fn new(cli: &Cli, args: &PipelineArgs) -> Result<Self, Failure> {
        let (file, project) = located(cli, args)?;
        let options = options(args);
        let registry = ccsr_stages::registry();
        let (pipeline, sources) = compile(&file, &project, &registry, &options)
            .map_err(|error| Failure::Pipeline(Box::new(error)))?;
        Ok(Self {
            pipeline,
            sources,
            cache: project.cache().to_owned(),
        })
    }

    /// The stages of these names.
    pub(crate) fn stages(&self, names: &[String]) -> Result<Vec<StageId>, Failure> {
        names.iter().map(|name| self.stage(name)).collect()
    }

    /// The stage of this name.
    pub(crate) fn stage(&self, name: &str) -> Result<StageId, Failure> {
        let known = || self.pipeline.stages.iter().map(|stage| stage.name.as_str());
        if self.pipeline.left_out.iter().any(|left| left == name) {
            return Err(Failure::Usage(format!(
                "the stage `{name}` is left out: its `when` is false; `--set stages.{name}.when=true` has it in"
            )));
        }
        self.pipeline
            .find(name)
            .ok_or_else(|| unknown("stage", name, &known().collect::<Vec<_>>()))
    }

    /// A table by the name of its stage, for the first one, or as `stage.port`.
    pub(crate) fn table(&self, text: &str) -> Result<(StageId, &'static str), Failure> {
        let (name, port) = match text.split_once('.') {
            Some((name, port)) => (name, Some(port)),
            None => (text, None),
        };
        let id = self.stage(name)?;
        let mut ports = self.pipeline.stage(id).outputs.iter().map(|port| port.name);
        let known: Vec<_> = ports.clone().collect();
        let found = match port {
            None => ports.next(),
            Some(wanted) => ports.find(|port| *port == wanted),
        };
        Ok((id, found.ok_or_else(|| unknown("table", text, &known))?))
    }

    /// The same session with nothing but these stages and what they depend on; all, if there are none.
    pub(crate) fn up_to(mut self, names: &[String]) -> Result<Self, Failure> {
        if !names.is_empty() {
            let targets = self.stages(names)?;
            self.pipeline = self.pipeline.up_to(&targets);
        }
        Ok(self)
    }

    /// Opens the cache.
    pub(crate) fn store(&self, access: Access) -> Result<Store, Failure> {
        Ok(Store::open(&self.cache, access)?)
    }

    /// Opens the cache to look at what is in it.
    pub(crate) fn store_to_look_at(&self) -> Result<Store, Failure> {
        Ok(store_to_look_at(&self.cache)?)
    }
}

/// Opens a cache to look at what is in it. One that can be written notices, when it reads something
/// damaged, that it has lost it; one that cannot, or is not there, is read as it is.
pub(crate) fn store_to_look_at(cache: &Path) -> Result<Store, StoreError> {
    if cache.is_dir() {
        match Store::open(cache, Access::ReadWrite) {
            Err(StoreError::NotWritable { .. }) => {}
            opened => return opened,
        }
    }
    Store::open(cache, Access::ReadOnly)
}

/// The pipeline file that was named, and its project.
pub(crate) fn located(cli: &Cli, args: &PipelineArgs) -> Result<(PathBuf, Project), Failure> {
    let working = working_folder()?;
    let file = working.join(&args.file);
    let file = file.canonicalize().map_err(|error| {
        Failure::Usage(format!(
            "cannot read the pipeline `{}`: {error}",
            args.file.display()
        ))
    })?;
    let project = match &cli.project {
        Some(folder) => Project::at(existing(folder)?),
        None => Project::of(&file, &working).map_err(|error| {
            Failure::Usage(format!("cannot look at `{}`: {error}", args.file.display()))
        })?,
    };
    let project = hub::surrounded(match &cli.cache {
        Some(cache) => project.with_cache(working.join(cache)),
        None => project,
    });
    if !file.starts_with(project.root()) {
        return Err(Failure::Usage(format!(
            "the pipeline `{}` lies outside the project `{}`",
            args.file.display(),
            project.root().display()
        )));
    }
    Ok((file, project))
}

/// What was typed about a pipeline besides its file.
pub(crate) fn options(args: &PipelineArgs) -> CompileOptions<'static> {
    CompileOptions {
        set: args.set.clone(),
        suite: args.suite.clone(),
        suites: SUITES,
        devices: DEVICES,
        ..CompileOptions::default()
    }
}

/// The cache of the project that the working folder belongs to.
pub(crate) fn cache_here(cli: &Cli) -> Result<PathBuf, Failure> {
    let working = working_folder()?;
    if let Some(cache) = &cli.cache {
        return Ok(working.join(cache));
    }
    if let Some(project) = &cli.project {
        return Ok(Project::at(existing(project)?).cache().to_owned());
    }
    let found = working
        .ancestors()
        .map(|folder| folder.join(ccsr_engine::CACHE));
    found.into_iter().find(|cache| cache.is_dir()).ok_or_else(|| {
        Failure::Missing(
            "there is no `.ccsr` here or above; run a pipeline first, or name it with `--cache`".to_owned(),
        )
    })
}

/// The project that the working folder belongs to: where files of recorded runs are looked for.
pub(crate) fn project_here(cli: &Cli) -> Result<PathBuf, Failure> {
    if let Some(project) = &cli.project {
        return existing(project);
    }
    let working = working_folder()?;
    let marked =
        |folder: &&Path| folder.join(ccsr_engine::CACHE).is_dir() || folder.join(".git").exists();
    let found = working.ancestors().find(marked).map(Path::to_owned);
    Ok(found.unwrap_or(working))
}

/// A name that names nothing, and what may have been meant.
pub(crate) fn unknown(what: &str, name: &str, known: &[&str]) -> Failure {
    let hint = match params::nearest(name, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("there are {}", known.join(", ")),
    };
    Failure::Usage(format!("there is no {what} `{name}`; {hint}"))
}

fn existing(folder: &Path) -> Result<PathBuf, Failure> {
    folder.canonicalize().map_err(|error| {
        Failure::Usage(format!(
            "cannot use the project `{}`: {error}",
            folder.display()
        ))
    })
}

fn working_folder() -> Result<PathBuf, Failure> {
    std::env::current_dir()
        .map_err(|error| Failure::Usage(format!("cannot tell the working folder: {error}")))
}
