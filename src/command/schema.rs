//! `ccsr-flow schema`.

use ccsr_engine::schema::{document, included, pipeline, suite};
use ccsr_stages::questions::QuestionSet;

use crate::cli::{SchemaArgs, SchemaFile};
use crate::exit::{Exit, Failure};
use crate::session::DEVICES;
use crate::ui::Ui;

pub(super) fn schema(args: &SchemaArgs, ui: &Ui) -> Result<Exit, Failure> {
    let registry = ccsr_stages::registry();
    let schema = match args.file {
        SchemaFile::Pipeline => pipeline(&registry, DEVICES),
        SchemaFile::Include => included(&registry, DEVICES),
        SchemaFile::Suite => suite(&registry),
        SchemaFile::Questions => {
            let questions = schemars::schema_for!(QuestionSet);
            document("A question set of ccsr-flow", questions.to_value())
        }
    };
    ui.data(format_args!("{schema:#}"))?;
    Ok(Exit::Done)
}
