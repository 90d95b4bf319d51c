//! Numbers in labels and names.

/// A number as a person writes it: `0.4`, and `1` for 1.0.
pub(crate) fn number_label(number: f64) -> String {
    // `-0` is `0`.
    (number + 0.0).to_string()
}
