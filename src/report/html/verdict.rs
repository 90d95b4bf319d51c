//! Why a candidate won or lost, in words.

use ccsr_cache::Value;
use ccsr_stage::Row;

use super::text::number;

/// What was chosen among the candidates of a prompt.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rule {
    /// The confidence that a winner's detection had to reach; `None`: detections did not count.
    pub(crate) least: Option<f64>,
}

/// Why the candidate of a row of `pairs` won.
pub(crate) fn won(pair: Row<'_>) -> String {
    let score = pair.find("score").and_then(Value::as_float);
    let score = score.map_or("?".to_owned(), number);
    let tied = pair
        .find("shortlisted")
        .and_then(Value::as_int)
        .unwrap_or(1);
    let confidence = pair.find("confidence").and_then(Value::as_float);
    match (tied, confidence) {
        (..=1, Some(confidence)) => format!("best score {score}, detection {}", number(confidence)),
        (..=1, None) => format!("best score {score}"),
        (_, Some(confidence)) => format!(
            "of {tied} shortlisted at score {score}, the surest detection: {}",
            number(confidence)
        ),
        (_, None) => format!("of {tied} shortlisted at score {score}, the first"),
    }
}

/// Why the candidate of a row of `rejected` lost, beside the row of the pair that won, if one did.
pub(crate) fn lost(rejected: Row<'_>, winner: Option<Row<'_>>, best: f64, rule: &Rule) -> String {
    let float = |row: Row<'_>, name: &str| row.find(name).and_then(Value::as_float);
    let score = float(rejected, "score").unwrap_or(f64::NAN);
    let confidence = float(rejected, "confidence");
    let sure = |confidence: f64| rule.least.is_none_or(|least| confidence >= least);
    match rejected.find("reason").and_then(Value::as_text) {
        Some("score") => {
            let against = winner
                .and_then(|winner| float(winner, "score"))
                .unwrap_or(best);
            if score < against {
                format!("score {} < {}", number(score), number(against))
            } else {
                format!("score {}, not shortlisted", number(score))
            }
        }
        Some("confidence") => match (
            confidence,
            winner.and_then(|winner| float(winner, "confidence")),
        ) {
            (None, _) => format!("score {}, but the class was not detected", number(score)),
            (Some(mine), _) if !sure(mine) => format!(
                "score {}, but detection {} is below {}",
                number(score),
                number(mine),
                number(rule.least.unwrap_or_default())
            ),
            (Some(mine), Some(theirs)) => format!(
                "{} {}, detection {} < {}",
                if winner
                    .and_then(|winner| float(winner, "score"))
                    .is_some_and(|theirs| theirs.total_cmp(&score).is_eq())
                {
                    "tied at"
                } else {
                    "score"
                },
                number(score),
                number(mine),
                number(theirs)
            ),
            (Some(mine), None) => format!("score {}, detection {}", number(score), number(mine)),
        },
        Some("not_first") => format!(
            "score {}, as good as the winner, which comes first",
            number(score)
        ),
        _ => String::new(),
    }
}

/// Why a prompt has no pair.
pub(crate) fn dropped(rule: &Rule) -> String {
    match rule.least {
        Some(least) => format!(
            "no shortlisted candidate has a detection of its class from {} upwards",
            number(least)
        ),
        None => "no candidate was shortlisted".to_owned(),
    }
}
