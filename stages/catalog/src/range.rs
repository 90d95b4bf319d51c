//! Numbers that have a least and a most.

use std::fmt::Display;
use std::ops::RangeInclusive;

use ccsr_stage::{Misfit, Misfits};

/// That the parameter `name` lies in its range; `unit` is put after the range, as ` pixels`.
pub(crate) fn within<T: PartialOrd + Display + Copy>(
    name: &str,
    value: T,
    range: &RangeInclusive<T>,
    unit: &str,
) -> Misfits {
    if range.contains(&value) {
        return Misfits::new();
    }
    let (least, most) = (range.start(), range.end());
    let message = format!("`{name}: {value}` is not from {least} to {most}{unit}");
    Misfit::new([name], message).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_outside_is_named() {
        assert!(within("share", 1.0, &(0.0..=1.0), "").is_empty());
        assert_eq!(
            within("share", f64::NAN, &(0.0..=1.0), "").to_string(),
            "`share: NaN` is not from 0 to 1"
        );
        let size = within("size", 4, &(16..=4096), " pixels");
        assert_eq!(
            size,
            Misfit::new(["size"], "`size: 4` is not from 16 to 4096 pixels").into()
        );
    }
}
