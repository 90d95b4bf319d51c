//! `ccsr-flow models pull`.

use std::time::{Duration, Instant};

use bytesize::ByteSize;
use ccsr_hub::{Hub, Progress, PullOptions, Selection};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::short;
use crate::cli::PullArgs;
use crate::exit::{Exit, Failure};
use crate::ui::{Ui, counted, duration};

/// Between two plain lines about a download.
const EVERY: Duration = Duration::from_secs(5);

pub(super) fn pull(hub: &Hub, args: &PullArgs, ui: &Ui) -> Result<Exit, Failure> {
    let options = PullOptions {
        selection: Selection {
            include: args.include.clone(),
            exclude: args.exclude.clone(),
            variant: args.variant.clone(),
        },
        verify: args.verify,
    };
    let began = Instant::now();
    let mut telling = Telling::new(ui);
    let pulled = hub.pull(&args.id, &options, &mut |event| telling.tell(event));
    telling.bar.finish_and_clear();
    let pulled = pulled?;
    if pulled.downloaded == 0 {
        ui.say(format_args!("{} is here, all of it", args.id));
    } else {
        let (bytes, seconds) = (ByteSize(pulled.downloaded), began.elapsed().as_secs_f64());
        ui.say(format_args!("downloaded {bytes} in {}", duration(seconds)));
    }
    if args.json {
        ui.data(serde_json::json!({
            "id": args.id.repository(),
            "commit": pulled.commit,
            "path": pulled.path,
            "files": pulled.files,
            "bytes": pulled.bytes,
            "downloaded": pulled.downloaded,
        }))?;
    } else {
        ui.data(pulled.path.display())?;
    }
    Ok(Exit::Done)
}

/// A bar over all files on a terminal, plain lines elsewhere.
struct Telling<'a> {
    ui: &'a Ui,
    bar: ProgressBar,
    told: Instant,
}

impl<'a> Telling<'a> {
    fn new(ui: &'a Ui) -> Self {
        let target = if ui.live {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let style = ProgressStyle::with_template(
            "{bar:24} {bytes}/{total_bytes}  {bytes_per_sec}  {eta} left  {msg}",
        );
        let style = style.expect("the template is a constant");
        Self {
            ui,
            bar: ProgressBar::with_draw_target(None, target).with_style(style),
            told: Instant::now(),
        }
    }

    fn tell(&mut self, event: Progress<'_>) {
        match event {
            Progress::Chosen {
                commit,
                files,
                bytes,
                here,
            } => {
                self.bar.set_length(bytes);
                self.bar.set_position(here);
                self.bar.reset_eta();
                let here = match here {
                    0 => String::new(),
                    here => format!(", {} of them here already", ByteSize(here)),
                };
                let (commit, files) = (short(commit), counted(files, "file"));
                self.line(format!(
                    "commit {commit}: {files}, {}{here}",
                    ByteSize(bytes)
                ));
            }
            Progress::Began { file, .. } => self.bar.set_message(file.to_owned()),
            Progress::Waiting { file } => {
                self.line(format!(
                    "{file}: another program is downloading it; waiting"
                ));
            }
            Progress::Advanced { bytes } => {
                self.bar.inc(bytes);
                if !self.ui.live && self.told.elapsed() >= EVERY {
                    let done = ByteSize(self.bar.position());
                    let all = ByteSize(self.bar.length().unwrap_or_default());
                    self.line(format!("{done} of {all}"));
                }
            }
            Progress::Discarded { bytes } => self.bar.dec(bytes),
            Progress::Retrying { file, error, wait } => {
                let wait = duration(wait.as_secs_f64());
                self.line(format!("{file}: {}; next try in {wait}", error.briefly()));
            }
            Progress::Finished { file } => {
                if !self.ui.live {
                    self.line(format!("{}  {file}", self.ui.green("done")));
                }
            }
        }
    }

    fn line(&mut self, text: String) {
        self.told = Instant::now();
        self.bar.suspend(|| self.ui.say(text));
    }
}
