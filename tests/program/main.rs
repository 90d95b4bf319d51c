//! The program as its users meet it: every test runs the built binary in a folder of its own and
//! looks at what it says, how it ends and what it leaves behind.
//!
//! [`project`] is such a folder, [`warm`] one in which the paper's pipeline has run already,
//! [`transcript`] compares what was said with `transcripts/*.snap` (`INSTA_UPDATE=always` rewrites
//! them; read the difference before you believe it), and [`ledger`] looks behind the scenes.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot go on says where it stopped, and one that leaves something out says so"
)]

mod ledger;
mod page;
mod project;
mod small_models;
mod transcript;
mod warm;

mod bundles;
mod cache_care;
mod cache_trouble;
mod command_models;
mod command_stages;
mod commands;
mod conversion;
mod crashes;
mod diffusion;
mod doctor;
mod documents;
mod events;
mod full_disk;
mod healing;
mod imports;
mod init;
mod kills;
mod logs;
mod mini_suite;
mod promises;
mod questions;
mod references;
mod report;
mod reproduction;
mod run_diff;
mod schema;
mod self_reward;
mod shells;
mod signals;
mod story;
mod sweep_tables;
mod sweeps;
mod syntax;
mod table1;
mod templates;
mod together;
mod trace;
mod training;
mod whole_loop;
mod why;
