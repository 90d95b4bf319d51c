//! Numbers and times as people read them.

/// A number with at most four digits behind the point, and no more than it needs.
pub(crate) fn number(number: f64) -> String {
    if number.is_nan() {
        return "–".to_owned();
    }
    let magnitude = number.abs();
    if magnitude > 0.0 && magnitude < 1e-3 {
        return format!("{number:.2e}");
    }
    let digits = if magnitude < 1.0 { 3 } else { 2 };
    let text = format!("{number:.digits$}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0" } else { text }.to_owned()
}

/// Two numbers that differ, with as many digits as it takes to see it.
pub(crate) fn apart(one: f64, other: f64) -> (String, String) {
    let short = (number(one), number(other));
    if short.0 != short.1 {
        return short;
    }
    let longer = (4..16).map(|digits| (format!("{one:.digits$}"), format!("{other:.digits$}")));
    longer
        .into_iter()
        .find(|(one, other)| one != other)
        .unwrap_or(short)
}

/// Seconds since 1970 as a date: `2026-11-28 12:49:54 UTC`.
pub(crate) fn date(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

/// Year, month and day of a day after 1970-01-01, in the Gregorian calendar. Years are counted from
/// March, so that the leap day is their last.
const fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    let year = era * 400 + year_of_era + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        let told = [
            8.0,
            0.5,
            0.912_345,
            12.345_6,
            -0.0,
            0.000_012,
            1e6,
            f64::NAN,
        ]
        .map(number);
        assert_eq!(told.join(" "), "8 0.5 0.912 12.35 0 1.20e-5 1000000 –");
    }

    #[test]
    fn numbers_that_differ_look_different() {
        let told = |one, other| apart(one, other);
        assert_eq!(told(6.0, 8.0), ("6".to_owned(), "8".to_owned()));
        assert_eq!(
            told(0.241_21, 0.241_34),
            ("0.2412".to_owned(), "0.2413".to_owned())
        );
        assert_eq!(told(0.5, 0.5), ("0.5".to_owned(), "0.5".to_owned()));
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        // As `date -u -d @N` tells them.
        assert_eq!(date(0), "1970-01-01 00:00:00 UTC");
        assert_eq!(date(951_782_400), "2000-02-29 00:00:00 UTC");
        assert_eq!(date(1_795_870_194), "2026-11-28 12:49:54 UTC");
        assert_eq!(date(4_107_542_399), "2100-02-28 23:59:59 UTC");
    }
}
