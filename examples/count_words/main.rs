//! A program of one's own around the engine: the catalog, one stage kind more, one pipeline.
//!
//! `cargo run --example count_words -- PIPELINE.yaml`

#[expect(unreachable_pub, reason = "in the catalog it is a public module")]
mod count_words;

use std::error::Error;
use std::path::Path;

use ccsr_cache::{Access, Store};
use ccsr_engine::{CompileOptions, Project, RunOptions, compile, run};

fn main() -> Result<(), Box<dyn Error>> {
    let file = std::env::args().nth(1).ok_or("name a pipeline file")?;
    let file = Path::new(&file).canonicalize()?;
    let project = Project::of(&file, &std::env::current_dir()?)?;
    let registry = ccsr_stages::registry().with::<count_words::CountWords>();
    let (pipeline, _) = compile(&file, &project, &registry, &CompileOptions::default())
        .map_err(|error| error.diagnostics[0].to_string())?;
    let store = Store::open(project.cache(), Access::ReadWrite)?;
    let options = RunOptions {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..RunOptions::default()
    };
    let record = run(&pipeline, &store, &options, &mut |_| {})?;
    std::io::Write::write_all(
        &mut std::io::stdout(),
        format!("{} units computed\n", record.units_executed).as_bytes(),
    )?;
    Ok(())
}
