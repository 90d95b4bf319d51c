//! Prompts and their candidates: pictures, scores, answers, boxes, which one won, and why.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use ccsr_cache::{Digest, Value};
use ccsr_stage::{Row, Table};
use serde::Serialize;

use super::boxes::{Box, detections};
use super::family::{Family, Lookup, Scoring};
use super::points::{Points, Question, points, questions};
use super::recorded::Recorded;
use super::text::number;
use super::thumbnails::Thumbnails;
use super::verdict::{self, Rule};

/// The images of one stage, by prompt.
#[derive(Debug, Serialize)]
pub(crate) struct Gallery {
    /// The stage.
    pub(crate) stage: String,
    /// How many images there are, and how many of them cannot be shown.
    pub(crate) images: usize,
    pub(crate) lost: usize,
    /// Whether pairs were chosen, and of how many prompts.
    pub(crate) chooses: bool,
    pub(crate) chosen: usize,
    /// The scales of an adapter that prompts were drawn with, if there are several.
    pub(crate) scales: Vec<String>,
    pub(crate) questions: Vec<Question>,
    pub(crate) prompts: Vec<Prompt>,
}

/// A prompt and its candidates.
#[derive(Debug, Serialize)]
pub(crate) struct Prompt {
    /// Its place, from 1.
    pub(crate) number: usize,
    pub(crate) class: String,
    pub(crate) text: String,
    /// `pair`, `dropped`, or nothing if nothing was chosen.
    pub(crate) state: &'static str,
    /// What came of it, in words.
    pub(crate) result: String,
    /// Position of the winner among the candidates.
    pub(crate) winner: Option<usize>,
    pub(crate) candidates: Vec<Candidate>,
    /// With several scales: a strip a candidate, as positions by scale.
    pub(crate) strips: Vec<Strip>,
    pub(crate) points: Vec<Points>,
}

/// One candidate as every scale draws it.
#[derive(Debug, Serialize)]
pub(crate) struct Strip {
    pub(crate) name: String,
    pub(crate) candidates: Vec<Option<usize>>,
}

/// A candidate.
#[derive(Debug, Serialize)]
pub(crate) struct Candidate {
    pub(crate) name: String,
    /// The picture among those that are embedded.
    pub(crate) thumbnail: Option<usize>,
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) score: Option<String>,
    pub(crate) won: bool,
    pub(crate) why: String,
    /// What was detected, in words.
    pub(crate) seen: String,
    pub(crate) boxes: Vec<Box>,
    /// Other scores.
    pub(crate) measures: Vec<String>,
    #[serde(skip)]
    pub(crate) image: Option<Digest>,
    #[serde(skip)]
    scale: Option<String>,
    #[serde(skip)]
    number: Option<i64>,
}

/// The images of a family whose small pictures are wanted.
pub(crate) fn images(family: &Family) -> BTreeSet<Digest> {
    if !family.has_images() {
        return BTreeSet::new();
    }
    let column = family
        .images
        .find("image")
        .map_or(&[][..], |column| column.cells());
    column.iter().filter_map(Value::as_blob).collect()
}

/// Those that were chosen.
pub(crate) fn chosen(family: &Family) -> BTreeSet<Digest> {
    let choices = family
        .scorings
        .iter()
        .filter_map(|scoring| scoring.choice.as_ref());
    let images = choices.filter_map(|choice| choice.pairs.find("image"));
    images
        .flat_map(|column| column.cells().iter().filter_map(Value::as_blob))
        .collect()
}

/// What is known of the candidates besides their own rows.
struct Known<'a> {
    answers: Vec<Lookup<'a>>,
    /// By the ways of counting.
    scores: Vec<(&'a Scoring, Lookup<'a>)>,
    detections: Vec<Lookup<'a>>,
    measures: Vec<(&'a str, Lookup<'a>)>,
    pairs: Option<Lookup<'a>>,
    rejected: Option<Lookup<'a>>,
    rule: Rule,
    main: Option<usize>,
}

impl<'a> Known<'a> {
    fn of(run: &'a Recorded<'_>, family: &'a Family) -> Self {
        let lookup = |table: &'a Table| Lookup::new(&family.images, table);
        let main = family.main_scoring();
        let choice = main.and_then(|scoring| scoring.choice.as_ref());
        let with = choice.and_then(|choice| run.record.stages[choice.stage].value.get("with"));
        let least = with
            .and_then(|with| with.get("min_confidence"))
            .and_then(Value::as_float);
        let detects = choice.is_some_and(|choice| choice.pairs.find("confidence").is_some());
        Self {
            answers: family
                .answers
                .iter()
                .map(|(_, table)| lookup(table))
                .collect(),
            scores: family
                .scorings
                .iter()
                .map(|scoring| (scoring, lookup(&scoring.scores)))
                .collect(),
            detections: family
                .detections
                .iter()
                .map(|(_, table)| lookup(table))
                .collect(),
            measures: family
                .measures
                .iter()
                .map(|(stage, table)| (run.record.stages[*stage].name.as_str(), lookup(table)))
                .collect(),
            pairs: choice.map(|choice| lookup(&choice.pairs)),
            rejected: choice
                .and_then(|choice| choice.rejected.as_deref())
                .map(lookup),
            rule: Rule {
                least: least.filter(|_| detects),
                by: with
                    .and_then(|with| with.get("by"))
                    .and_then(Value::as_text)
                    .map(str::to_owned),
            },
            main: main.and_then(|main| {
                family
                    .scorings
                    .iter()
                    .position(|scoring| scoring.stage == main.stage)
            }),
        }
    }
}

impl Gallery {
    /// What there is to see of a family.
    pub(crate) fn of(run: &Recorded<'_>, family: &Family, thumbnails: &Thumbnails) -> Self {
        let known = Known::of(run, family);
        let mut groups: Vec<((String, String), Vec<usize>)> = Vec::new();
        let mut places: HashMap<(String, String), usize> = HashMap::new();
        for index in &family.rows {
            let row = family.images.row(*index);
            let group = (text(row, "class"), text(row, "prompt"));
            let place = *places.entry(group.clone()).or_insert_with(|| {
                groups.push((group, Vec::new()));
                groups.len() - 1
            });
            groups[place].1.push(*index);
        }
        let questions = questions(run, family);
        let prompts: Vec<_> = (1..)
            .zip(groups)
            .map(|(number, ((class, text), rows))| {
                let rows: Vec<_> = rows
                    .into_iter()
                    .map(|index| family.images.row(index))
                    .collect();
                prompt(
                    run, &known, &questions, thumbnails, number, class, text, &rows,
                )
            })
            .collect();
        let candidates = || prompts.iter().flat_map(|prompt| &prompt.candidates);
        let scales = scales(candidates());
        Self {
            stage: run.record.stages[family.stage].name.clone(),
            images: candidates().count(),
            lost: candidates()
                .filter(|c| family.has_images() && c.thumbnail.is_none())
                .count(),
            chosen: prompts
                .iter()
                .filter(|prompt| prompt.winner.is_some())
                .count(),
            chooses: known.pairs.is_some(),
            scales,
            questions,
            prompts,
        }
    }
}

#[expect(
    clippy::too_many_arguments,
    reason = "a prompt is where all of it comes together"
)]
fn prompt(
    run: &Recorded<'_>,
    known: &Known<'_>,
    questions: &[Question],
    thumbnails: &Thumbnails,
    number: usize,
    class: String,
    text: String,
    rows: &[Row<'_>],
) -> Prompt {
    let winner = rows
        .iter()
        .find_map(|row| known.pairs.as_ref()?.first(*row));
    let score = |row: &Row<'_>| {
        known
            .main
            .and_then(|main| known.scores[main].1.first(*row)?.float("score").ok())
    };
    let best = rows
        .iter()
        .filter_map(score)
        .fold(f64::NEG_INFINITY, f64::max);
    let mut candidates: Vec<_> = (1..)
        .zip(rows)
        .map(|(place, row)| candidate(known, thumbnails, place, *row, winner, best))
        .collect();
    number_alike(&mut candidates);
    let position = candidates.iter().position(|candidate| candidate.won);
    let (state, result) = match (known.pairs.is_some(), position) {
        (false, _) => ("", String::new()),
        (true, Some(position)) => {
            let winner = &candidates[position];
            (
                "pair",
                format!("candidate {} won: {}", winner.name, winner.why),
            )
        }
        (true, None) => (
            "dropped",
            format!("no pair: {}", verdict::dropped(&known.rule)),
        ),
    };
    let answers = known.answers.first();
    let mut counted: Vec<_> = known
        .scores
        .iter()
        .map(|(scoring, scores)| {
            let stage = &run.record.stages[scoring.stage].name;
            points(stage, (Some(scores), answers), questions, rows, &candidates)
        })
        .collect();
    if counted.is_empty() && answers.is_some() {
        counted.push(points(
            "answers",
            (None, answers),
            questions,
            rows,
            &candidates,
        ));
    }
    Prompt {
        number,
        class,
        text,
        state,
        result,
        winner: position,
        points: counted,
        strips: strips(&candidates),
        candidates,
    }
}

fn candidate(
    known: &Known<'_>,
    thumbnails: &Thumbnails,
    place: usize,
    row: Row<'_>,
    winner: Option<Row<'_>>,
    best: f64,
) -> Candidate {
    let scored = known.main.and_then(|main| known.scores[main].1.first(row));
    let score = scored.and_then(|row| row.float("score").ok());
    let won = known.pairs.as_ref().and_then(|pairs| pairs.first(row));
    let rejected = known
        .rejected
        .as_ref()
        .and_then(|rejected| rejected.first(row));
    let why = match (won, rejected) {
        (Some(pair), _) => verdict::won(pair, &known.rule),
        (None, Some(rejected)) => verdict::lost(rejected, winner, best, &known.rule),
        (None, None) => String::new(),
    };
    let image = row.find("image").and_then(Value::as_blob);
    let thumbnail = image.and_then(|image| thumbnails.get(&image));
    let (width, height) = thumbnail.map_or((1, 1), |thumbnail| thumbnail.size);
    let detected = known.detections.first();
    let (seen, boxes) = detected
        .map(|found| detections(found, row))
        .unwrap_or_default();
    let measures = known.measures.iter().filter_map(|(stage, measured)| {
        Some(format!(
            "{stage} {}",
            verdict::measured(measured.first(row)?)?
        ))
    });
    let candidate = row.find("candidate").and_then(Value::as_int);
    let scale = scale_of(row);
    let name = match (candidate, row.find("image")) {
        (Some(candidate), _) => candidate.to_string(),
        (None, Some(Value::Int(image))) => image.to_string(),
        _ => place.to_string(),
    };
    Candidate {
        name: scale
            .as_ref()
            .map_or(name.clone(), |scale| format!("{name} · {scale}")),
        thumbnail: thumbnail.map(|thumbnail| thumbnail.position),
        width,
        height,
        score: score.map(number),
        won: won.is_some(),
        why,
        seen,
        boxes,
        measures: measures.collect(),
        image,
        scale,
        number: candidate,
    }
}

/// Images of one prompt that nothing tells apart are told apart by their places.
fn number_alike(candidates: &mut [Candidate]) {
    let mut seen = BTreeMap::new();
    for candidate in candidates {
        let times: &mut usize = seen.entry(candidate.name.clone()).or_default();
        *times += 1;
        if *times > 1 {
            candidate.name = format!("{} ({times})", candidate.name);
        }
    }
}

/// `scale 0.4`, `epoch 2, scale 0.4`; nothing for images that were drawn with one.
fn scale_of(row: Row<'_>) -> Option<String> {
    let scale = row.find("scale").and_then(Value::as_float)?;
    let scale = if scale == 0.0 {
        "base".to_owned()
    } else {
        format!("scale {}", number(scale))
    };
    Some(match row.find("epoch").and_then(Value::as_int) {
        Some(epoch) => format!("epoch {epoch}, {scale}"),
        None => scale,
    })
}

/// The scales in which candidates were drawn, in order.
fn scales<'a>(candidates: impl Iterator<Item = &'a Candidate>) -> Vec<String> {
    let mut scales: Vec<String> = Vec::new();
    for scale in candidates.filter_map(|candidate| candidate.scale.as_ref()) {
        if !scales.contains(scale) {
            scales.push(scale.clone());
        }
    }
    scales
}

fn strips(candidates: &[Candidate]) -> Vec<Strip> {
    let scales = scales(candidates.iter());
    let mut strips: Vec<Strip> = Vec::new();
    for (position, candidate) in candidates.iter().enumerate() {
        let column = candidate
            .scale
            .as_ref()
            .and_then(|scale| scales.iter().position(|known| known == scale));
        let Some(column) = column else { continue };
        let name = candidate
            .number
            .map_or_else(String::new, |number| number.to_string());
        let strip = match strips.iter().position(|strip| strip.name == name) {
            Some(strip) => &mut strips[strip],
            None => {
                strips.push(Strip {
                    name,
                    candidates: vec![None; scales.len()],
                });
                strips.last_mut().expect("it was pushed")
            }
        };
        strip.candidates[column].get_or_insert(position);
    }
    strips
}

fn text(row: Row<'_>, name: &str) -> String {
    match row.find(name) {
        Some(Value::Text(text)) => text.to_string(),
        Some(other) => other.to_text(),
        None => String::new(),
    }
}
