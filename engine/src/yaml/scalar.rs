//! What a scalar means: the core schema of YAML 1.2.2, section 10.3.2.

use std::sync::Arc;

use ccsr_stage::params::NodeKind;

/// A plain scalar that is a number, but one that nothing could hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Overflow;

/// What a plain scalar without a tag is.
pub(super) fn plain(text: &str) -> Result<NodeKind, Overflow> {
    if is_null(text) {
        return Ok(NodeKind::Null);
    }
    if let Some(truth) = truth(text) {
        return Ok(NodeKind::Bool(truth));
    }
    if let Some(number) = whole(text) {
        return number.map(NodeKind::Int);
    }
    if let Some(number) = float(text) {
        return number.map(NodeKind::Float);
    }
    Ok(NodeKind::Text(Arc::from(text)))
}

/// What a scalar is that says it is of the core type `name`; nothing if it cannot be one.
pub(super) fn tagged(name: &str, text: &str) -> Option<Result<NodeKind, Overflow>> {
    match name {
        "str" => Some(Ok(NodeKind::Text(Arc::from(text)))),
        "null" => is_null(text).then_some(Ok(NodeKind::Null)),
        "bool" => truth(text).map(|truth| Ok(NodeKind::Bool(truth))),
        "int" => whole(text).map(|number| number.map(NodeKind::Int)),
        "float" => float(text).map(|number| number.map(NodeKind::Float)),
        _ => None,
    }
}

fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

fn truth(text: &str) -> Option<bool> {
    match text {
        "true" | "True" | "TRUE" => Some(true),
        "false" | "False" | "FALSE" => Some(false),
        _ => None,
    }
}

fn whole(text: &str) -> Option<Result<i64, Overflow>> {
    let (digits, radix) = match text.as_bytes() {
        [b'0', b'x', ..] => (&text[2..], 16),
        [b'0', b'o', ..] => (&text[2..], 8),
        _ => (text.strip_prefix(['-', '+']).unwrap_or(text), 10),
    };
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
        return None;
    }
    // The sign, which only decimal numbers may have, belongs to the number: i64::MIN has no
    // positive counterpart.
    let number = if radix == 10 { text } else { digits };
    Some(i64::from_str_radix(number, radix).map_err(|_| Overflow))
}

fn float(text: &str) -> Option<Result<f64, Overflow>> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    match unsigned {
        ".inf" | ".Inf" | ".INF" if text.starts_with('-') => return Some(Ok(f64::NEG_INFINITY)),
        ".inf" | ".Inf" | ".INF" => return Some(Ok(f64::INFINITY)),
        _ => {}
    }
    if matches!(text, ".nan" | ".NaN" | ".NAN") {
        return Some(Ok(f64::NAN));
    }
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let (before, after) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let exponent_fits = exponent.is_none_or(|exponent| {
        let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        !exponent.is_empty() && digits(exponent)
    });
    if !digits(before) || !digits(after) || before.len() + after.len() == 0 || !exponent_fits {
        return None;
    }
    let number: f64 = text.parse().ok()?;
    Some(if number.is_finite() {
        Ok(number)
    } else {
        Err(Overflow)
    })
}
