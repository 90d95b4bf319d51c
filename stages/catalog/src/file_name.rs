//! Names of the files that a prompt's image or sheet is exported as.

/// `{line}_{class}.png`: the prompt's number, counted from 1, and its class.
pub(crate) fn of(line: i64, class: Option<&str>) -> String {
    format!("{}.png", stem(line, class))
}

/// `{line}_{class}-{candidate}.png`: one of the prompt's images.
pub(crate) fn of_candidate(line: i64, class: Option<&str>, candidate: i64) -> String {
    format!("{}-{candidate}.png", stem(line, class))
}

/// The same name with this before its ending.
pub(crate) fn with_suffix(name: &str, suffix: &str) -> String {
    match name.rsplit_once('.') {
        Some((stem, ending)) => format!("{stem}{suffix}.{ending}"),
        None => format!("{name}{suffix}"),
    }
}

fn stem(line: i64, class: Option<&str>) -> String {
    let plain = |c: char| {
        if c.is_alphanumeric() || c == '-' {
            c
        } else {
            '_'
        }
    };
    match class.map(str::trim).filter(|class| !class.is_empty()) {
        Some(class) => {
            let class: String = class.to_lowercase().chars().map(plain).collect();
            format!("{line}_{class}")
        }
        None => line.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_hold_number_and_class() {
        assert_eq!(of(12, Some("Teddy Bear")), "12_teddy_bear.png");
        assert_eq!(of(1, Some("../x")), "1____x.png");
        assert_eq!(of(3, None), "3.png");
        assert_eq!(of_candidate(3, Some("lion"), 7), "3_lion-7.png");
    }
}
