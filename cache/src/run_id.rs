//! Run ids: names of runs that sort by time and are safe as file names.

use std::fmt;
use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Deserializer, Serialize};

/// The id of a run: when it began (UTC) and six random hexadecimal digits, as in
/// `20261123-081512-4f2a9c`. The order of ids is the order of their beginnings, to the second.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct RunId(String);

/// A text that is no run id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a run id (as in `20261123-081512-4f2a9c`)")]
pub struct ParseRunIdError(String);

impl RunId {
    /// The id of a run that began at `now` (years 1970 to 9999); 24 bits of `entropy` tell runs of
    /// one second apart.
    pub fn new(now: SystemTime, entropy: u64) -> Self {
        let seconds = now
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs());
        let (year, month, day) = civil_from_days(seconds / 86_400);
        let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
        let tail = entropy & 0xff_ffff;
        Self(format!(
            "{year:04}{month:02}{day:02}-{hour:02}{minute:02}{second:02}-{tail:06x}"
        ))
    }

    /// An id for a run that begins now.
    pub fn fresh() -> Self {
        Self::new(SystemTime::now(), crate::layout::random())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part that says when the run began.
    pub(crate) fn second(&self) -> &str {
        &self.0[..15]
    }
}

/// The Gregorian date that many days after 1970-01-01. From Howard Hinnant's `civil_from_days`
/// (<https://howardhinnant.github.io/date_algorithms.html>): years begin in March, so that the leap
/// day is the last of its year.
const fn civil_from_days(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RunId({})", self.0)
    }
}

impl FromStr for RunId {
    type Err = ParseRunIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fits = text.len() == 22
            && text.bytes().enumerate().all(|(at, byte)| match at {
                8 | 15 => byte == b'-',
                0..15 => byte.is_ascii_digit(),
                _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
            });
        if fits {
            Ok(Self(text.to_owned()))
        } else {
            Err(ParseRunIdError(text.to_owned()))
        }
    }
}

impl<'de> Deserialize<'de> for RunId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn at(seconds: u64) -> String {
        RunId::new(UNIX_EPOCH + Duration::from_secs(seconds), 0xff4f_2a9c).to_string()
    }

    #[test]
    fn ids_are_utc_dates() {
        assert_eq!(at(0), "19700101-000000-4f2a9c");
        assert_eq!(at(951_782_400), "20000229-000000-4f2a9c");
        assert_eq!(at(1_795_421_712), "20261123-081512-4f2a9c");
        assert_eq!(at(4_107_542_399), "21000228-235959-4f2a9c");
        assert_eq!(at(4_107_542_400), "21000301-000000-4f2a9c");
    }

    #[test]
    fn only_ids_are_read() {
        for text in [
            "",
            "..",
            "20261123-081512-4f2a9C",
            "20261123-081512-4f2a9c/",
            "2026112a-081512-4f2a9c",
        ] {
            assert!(text.parse::<RunId>().is_err(), "{text}");
            let json = serde_json::to_string(text).unwrap();
            assert!(serde_json::from_str::<RunId>(&json).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_id_is_read_back_and_sorts_by_time(a in 0..253_402_300_799_u64, b in 0..253_402_300_799_u64) {
            prop_assert_eq!(&at(a).parse::<RunId>().unwrap().to_string(), &at(a));
            prop_assert_eq!(at(a).cmp(&at(b)), a.cmp(&b));
        }
    }
}
