//! A report on a run as one HTML file, which needs nothing else: no network, no other file.
//!
//! [`recorded`] is the run, [`family`] finds which tables speak of which images, [`gallery`] and its
//! neighbours say what is to be seen, and the templates how. All that a run brings along, prompts
//! above all, is escaped by the template engine; a policy in the page's head forbids everything else.

mod boxes;
mod comparison;
mod family;
mod gallery;
mod graph;
mod measurements;
mod plot;
mod points;
pub(crate) mod recorded;
mod settings;
mod text;
mod thumbnails;
mod timeline;
mod verdict;

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ccsr_cache::Digest;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value, context};
use sha2::{Digest as _, Sha256};

use self::comparison::Comparison;
use self::family::Family;
use self::gallery::Gallery;
use self::graph::Graph;
use self::recorded::Recorded;
use self::settings::Settings;
use self::thumbnails::Thumbnails;
use crate::report::summary::outcome;
use crate::ui::{count, duration};

const STYLE: &str = include_str!("html/page.css");
const SCRIPT: &str = include_str!("html/page.js");

/// A run with more images shows the chosen ones only, so that the page stays light.
const MOST: usize = 10_000;

/// The templates by name, each of which stands for a part of the page.
const TEMPLATES: [(&str, &str); 7] = [
    ("page.html", include_str!("html/page.html")),
    ("stages.html", include_str!("html/stages.html")),
    ("plot.html", include_str!("html/plot.html")),
    ("table.html", include_str!("html/table.html")),
    ("gallery.html", include_str!("html/gallery.html")),
    ("settings.html", include_str!("html/settings.html")),
    ("comparison.html", include_str!("html/comparison.html")),
];

/// A report, and what is in it.
pub(crate) struct Report {
    /// The page.
    pub(crate) html: String,
    /// Images that are embedded.
    pub(crate) images: usize,
    /// Tables that the cache lost.
    pub(crate) lost: Vec<String>,
}

/// The report on a run, beside another if there is one.
pub(crate) fn report(run: &Recorded<'_>, other: Option<&Recorded<'_>>) -> Report {
    let families = Family::all(run);
    let other_families = other.map(Family::all).unwrap_or_default();
    let mut images: BTreeSet<Digest> = families.iter().flat_map(gallery::images).collect();
    let left_out = if images.len() > MOST { images.len() } else { 0 };
    if left_out > 0 {
        images.clear();
    }
    // Of the other run only winners are shown; of a very large one, too.
    images.extend(
        families
            .iter()
            .chain(&other_families)
            .flat_map(gallery::chosen),
    );
    let stores: Vec<_> = [Some(run), other]
        .into_iter()
        .flatten()
        .map(|run| run.store)
        .collect();
    let thumbnails = Thumbnails::of(&images, &stores);
    let galleries = |run: &Recorded<'_>, families: &[Family]| -> Vec<Gallery> {
        families
            .iter()
            .map(|family| Gallery::of(run, family, &thumbnails))
            .collect()
    };
    let seen = galleries(run, &families);
    let compared =
        other.map(|other| Comparison::of(run, other, (&seen, &galleries(other, &other_families))));
    let mut runs = vec![(run.record.run.as_str(), run)];
    runs.extend(other.map(|other| (other.record.run.as_str(), other)));
    let mut plots = measurements::losses(&runs);
    plots.extend(measurements::scales(run));
    plots.extend(measurements::wins(run));

    let pages = Pages::new();
    let parts = context! {
        stages => pages.part("stages.html", context! {
            graph => Serde(Graph::of(run)), stages => Serde(settings::stages(run)),
        }),
        timeline => timeline::timeline(run).map(|plot| pages.part("plot.html", Serde(plot))),
        galleries => seen.iter().map(|gallery| pages.part("gallery.html", Serde(gallery))).collect::<Vec<_>>(),
        plots => plots.iter().map(|plot| pages.part("plot.html", Serde(plot))).collect::<Vec<_>>(),
        tables => measurements::tables(run).iter().map(|told| pages.part("table.html", Serde(told))).collect::<Vec<_>>(),
        settings => pages.part("settings.html", Serde(Settings::of(run))),
        comparison => compared.as_ref().map(|compared| pages.part("comparison.html", Serde(compared))),
    };
    let record = run.record;
    let html = pages.render(
        "page.html",
        context! {
            run => record.run.as_str(), pipeline => record.pipeline.as_str(), outcome => outcome(record),
            ended_well => outcome(record) == "done",
            began => text::date(record.started), took => duration(record.seconds),
            executed => count(record.units_executed), reused => count(record.units_reused),
            version => record.version.as_str(),
            lost => run.lost(),
            left_out => count(left_out as u64), leaves_out => left_out > 0,
            lost_images => if left_out > 0 { 0 } else { lost_images(&seen) },
            style => Value::from_safe_string(STYLE.to_owned()),
            script => Value::from_safe_string(SCRIPT.to_owned()),
            style_hash => hash(STYLE), script_hash => hash(SCRIPT),
            thumbnails => Value::from_safe_string(island(thumbnails.urls())),
            parts,
        },
    );
    Report {
        html,
        images: thumbnails.urls().len(),
        lost: run.lost(),
    }
}

fn lost_images(galleries: &[Gallery]) -> usize {
    galleries.iter().map(|gallery| gallery.lost).sum()
}

/// The engine that fills in the templates.
struct Pages(Environment<'static>);

impl Pages {
    fn new() -> Self {
        let mut environment = Environment::new();
        environment.set_auto_escape_callback(|_| AutoEscape::Html);
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        let syntax = SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .build();
        environment.set_syntax(syntax.expect("the delimiters are the usual ones"));
        for (name, source) in TEMPLATES {
            environment
                .add_template(name, source)
                .expect("templates are tested");
        }
        Self(environment)
    }

    fn render(&self, name: &str, with: impl Into<Value>) -> String {
        let template = self.0.get_template(name).expect("it was added");
        template
            .render(with)
            .unwrap_or_else(|error| panic!("template {name}: {error:#}"))
    }

    /// A part of the page: markup that is not escaped again.
    fn part(&self, name: &str, with: impl Into<Value>) -> Value {
        Value::from_safe_string(self.render(name, with))
    }
}

/// What the page's policy knows a style sheet or a script by.
fn hash(text: &str) -> String {
    format!("sha256-{}", STANDARD.encode(Sha256::digest(text)))
}

/// Data for the script. Nothing in it can end the element that it stands in.
fn island(data: &[String]) -> String {
    serde_json::to_string(data)
        .expect("texts are JSON")
        .replace('<', "\\u003c")
}
