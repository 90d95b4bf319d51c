//! Why a candidate won or lost, in words.

use ccsr_cache::Value;
use ccsr_stage::Row;

use super::text::{apart, number};

/// What was chosen among the candidates of a prompt.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rule {
    /// The confidence that a winner's detection had to reach; `None`: detections did not count.
    pub(crate) least: Option<f64>,
    /// Who chose, if not judge and detector together: `by` of the stage.
    pub(crate) by: Option<String>,
}

/// Why the candidate of a row of `pairs` won.
pub(crate) fn won(pair: Row<'_>, rule: &Rule) -> String {
    let number_of = |name: &str| {
        pair.find(name)
            .and_then(Value::as_float)
            .map_or("?".to_owned(), number)
    };
    match rule.by.as_deref() {
        Some("random") => return "by lot".to_owned(),
        Some("truth") => return "the best in truth".to_owned(),
        Some("detector") => {
            return format!("of all, the surest detection: {}", number_of("confidence"));
        }
        _ => {}
    }
    let judge_alone = rule.by.as_deref() == Some("judge");
    let score = pair.find("score").and_then(Value::as_float);
    let score = score.map_or("?".to_owned(), number);
    let tied = pair
        .find("shortlisted")
        .and_then(Value::as_int)
        .unwrap_or(1);
    let confidence = pair.find("confidence").and_then(Value::as_float);
    match (tied, confidence.filter(|_| !judge_alone)) {
        (..=1, Some(confidence)) => format!("best score {score}, detection {}", number(confidence)),
        (..=1, None) => format!("best score {score}"),
        (_, Some(confidence)) => format!(
            "of {tied} shortlisted, the surest detection: {}",
            number(confidence)
        ),
        (_, None) => format!("of {tied} shortlisted, the first"),
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
                let (score, against) = apart(score, against);
                format!("score {score} < {against}")
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
            (Some(mine), Some(theirs)) => {
                let tied = winner.and_then(|winner| float(winner, "score")) == Some(score);
                let (mine, theirs) = apart(mine, theirs);
                format!(
                    "{} {}, detection {mine} < {theirs}",
                    if tied { "tied at" } else { "score" },
                    number(score)
                )
            }
            (Some(mine), None) => format!("score {}, detection {}", number(score), number(mine)),
        },
        Some("lot") => "not drawn".to_owned(),
        Some("truth") => "another is better in truth".to_owned(),
        Some("not_first") => format!(
            "score {}, as good as the winner, which comes first",
            number(score)
        ),
        _ => String::new(),
    }
}

/// What a measure says of an image: its score, or what a witness says is wrong with it.
pub(crate) fn measured(row: Row<'_>) -> Option<String> {
    if let Ok(score) = row.float("score") {
        return Some(number(score));
    }
    let is = |name: &str| row.find(name).and_then(Value::as_bool);
    if is("is_right")? {
        return Some("all right".to_owned());
    }
    let wrong = [
        ("is_sound", "a defect"),
        ("class_right", "wrong class"),
        ("count_right", "wrong number"),
        ("colour_right", "wrong colour"),
    ];
    let wrong = wrong.iter().filter(|(name, _)| is(name) == Some(false));
    let wrong: Vec<&str> = wrong.map(|(_, what)| *what).collect();
    Some(wrong.join(", "))
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

#[cfg(test)]
mod tests {
    use ccsr_stage::{ColumnType, Schema, Table, Value};

    use super::*;

    /// Rows of `pairs`: score, how many were shortlisted, confidence.
    fn pairs(rows: &[(f64, i64, Option<f64>)]) -> Table {
        let schema = Schema::new([
            ("score", ColumnType::Float),
            ("shortlisted", ColumnType::Int),
            ("confidence", ColumnType::Float),
        ]);
        let mut table = Table::builder(schema);
        for (score, shortlisted, confidence) in rows {
            let row = [
                Value::Float(*score),
                Value::Int(*shortlisted),
                Value::from(*confidence),
            ];
            table.push(row).unwrap();
        }
        table.finish()
    }

    /// Rows of `rejected`: score, reason, confidence.
    fn rejected(rows: &[(f64, &str, Option<f64>)]) -> Table {
        let schema = Schema::new([
            ("score", ColumnType::Float),
            ("reason", ColumnType::Text),
            ("confidence", ColumnType::Float),
        ]);
        let mut table = Table::builder(schema);
        for (score, reason, confidence) in rows {
            let row = [
                Value::Float(*score),
                Value::from(*reason),
                Value::from(*confidence),
            ];
            table.push(row).unwrap();
        }
        table.finish()
    }

    #[test]
    fn winners_say_why() {
        let pairs = pairs(&[
            (8.0, 1, Some(0.93)),
            (8.0, 3, Some(0.93)),
            (7.5, 1, None),
            (7.0, 4, None),
        ]);
        assert_eq!(
            pairs
                .rows()
                .map(|row| won(row, &Rule::default()))
                .collect::<Vec<_>>(),
            [
                "best score 8, detection 0.93",
                "of 3 shortlisted, the surest detection: 0.93",
                "best score 7.5",
                "of 4 shortlisted, the first",
            ]
        );
    }

    #[test]
    fn whoever_chose_alone_is_named() {
        let pairs = pairs(&[(8.0, 3, Some(0.93))]);
        let by = |by: &str| Rule {
            least: None,
            by: Some(by.to_owned()),
        };
        let told = ["random", "judge", "detector"].map(|who| won(pairs.row(0), &by(who)));
        assert_eq!(
            told,
            [
                "by lot",
                "of 3 shortlisted, the first",
                "of all, the surest detection: 0.93"
            ]
        );
        let rejected = rejected(&[(8.0, "lot", Some(0.99))]);
        let winner = Some(pairs.row(0));
        assert_eq!(
            lost(rejected.row(0), winner, 8.0, &by("random")),
            "not drawn"
        );
    }

    #[test]
    fn a_witness_says_what_is_wrong() {
        let names = ["is_right", "is_sound", "class_right", "count_right"];
        let mut table = Table::builder(Schema::new(names.map(|name| (name, ColumnType::Bool))));
        for row in [[true; 4], [false, false, true, false]] {
            table.push(row.map(Value::Bool)).unwrap();
        }
        let table = table.finish();
        let told: Vec<_> = table.rows().map(measured).collect();
        let told: Vec<_> = told.iter().map(|told| told.as_deref().unwrap()).collect();
        assert_eq!(told, ["all right", "a defect, wrong number"]);
    }

    #[test]
    fn losers_say_why() {
        let pairs = pairs(&[(8.0, 3, Some(0.93))]);
        let winner = Some(pairs.row(0));
        let rejected = rejected(&[
            (6.0, "score", Some(0.99)),
            (8.0, "score", Some(0.99)),
            (8.0, "confidence", Some(0.71)),
            (9.0, "confidence", Some(0.71)),
            (8.0, "confidence", Some(0.4)),
            (8.0, "confidence", None),
            (8.0, "not_first", Some(0.93)),
        ]);
        let rule = Rule {
            least: Some(0.6),
            by: None,
        };
        let told: Vec<_> = rejected
            .rows()
            .map(|row| lost(row, winner, 8.0, &rule))
            .collect();
        assert_eq!(
            told,
            [
                "score 6 < 8",
                "score 8, not shortlisted",
                "tied at 8, detection 0.71 < 0.93",
                "score 9, detection 0.71 < 0.93",
                "score 8, but detection 0.4 is below 0.6",
                "score 8, but the class was not detected",
                "score 8, as good as the winner, which comes first",
            ]
        );
        // Nobody won: the best score is what the others are compared with.
        let told: Vec<_> = rejected
            .rows()
            .take(1)
            .map(|row| lost(row, None, 8.0, &rule))
            .collect();
        assert_eq!(told, ["score 6 < 8"]);
        assert_eq!(
            dropped(&rule),
            "no shortlisted candidate has a detection of its class from 0.6 upwards"
        );
        assert_eq!(dropped(&Rule::default()), "no candidate was shortlisted");
    }
}
