//! `ccsr-flow man`.

use clap::CommandFactory;
use clap_mangen::Man;

use crate::cli::{Cli, ManArgs};
use crate::exit::{Exit, Failure};
use crate::ui::Ui;

pub(super) fn man(args: &ManArgs, ui: &Ui) -> Result<Exit, Failure> {
    let command = Cli::command();
    let Some(folder) = &args.out else {
        let mut page = Vec::new();
        Man::new(command).render(&mut page)?;
        ui.raw(&String::from_utf8_lossy(&page))?;
        return Ok(Exit::Done);
    };
    let written =
        std::fs::create_dir_all(folder).and_then(|()| clap_mangen::generate_to(command, folder));
    written.map_err(|error| {
        let folder = folder.display();
        Failure::Usage(format!("cannot write manual pages to `{folder}`: {error}"))
    })?;
    ui.say(format_args!("wrote manual pages to {}", folder.display()));
    Ok(Exit::Done)
}
