//! Texts that end what a model writes.

/// Watches a text that arrives in parts for any of several stop strings, and keeps back what may
/// become one. How the text is cut into parts makes no difference.
#[derive(Clone, Debug)]
pub struct StopStrings {
    stops: Vec<String>,
    /// What may be the start of a stop string.
    held: String,
    stopped: Option<usize>,
}

/// What may be shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Released {
    /// Text that belongs to no stop string.
    pub text: String,
    /// Which stop string ended the text, by its place in the list; none if it goes on.
    pub stop: Option<usize>,
}

impl StopStrings {
    /// Watches for these. Empty strings would end every text at once; they are passed over.
    pub fn new(stops: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            stops: stops.into_iter().map(Into::into).collect(),
            held: String::new(),
            stopped: None,
        }
    }

    /// Takes a part of the text and gives what may be shown. Once a stop string is whole, the text before
    /// it is given and all after it dropped. If several are, the one that is whole first counts, and of
    /// those the longest.
    pub fn push(&mut self, text: &str) -> Released {
        if self.stopped.is_some() {
            return self.released(String::new());
        }
        self.held.push_str(text);
        let watched = self
            .stops
            .iter()
            .enumerate()
            .filter(|(_, stop)| !stop.is_empty());
        let found = watched.filter_map(|(place, stop)| {
            let start = self.held.find(stop.as_str())?;
            Some((start + stop.len(), start, place))
        });
        if let Some((_, start, place)) = found.min() {
            self.stopped = Some(place);
            self.held.truncate(start);
            let text = std::mem::take(&mut self.held);
            return self.released(text);
        }
        let kept = self.held.len() - self.longest_start();
        let rest = self.held.split_off(kept);
        let text = std::mem::replace(&mut self.held, rest);
        self.released(text)
    }

    /// What was kept back, when no more text comes.
    pub fn finish(mut self) -> Released {
        let text = std::mem::take(&mut self.held);
        self.released(text)
    }

    const fn released(&self, text: String) -> Released {
        Released {
            text,
            stop: self.stopped,
        }
    }

    /// How long the longest end of the held text is that begins a stop string, in bytes.
    fn longest_start(&self) -> usize {
        let held = self.held.as_bytes();
        let of = |stop: &String| {
            let most = held.len().min(stop.len().saturating_sub(1));
            let mut lengths = (1..=most).rev();
            lengths.find(|length| {
                stop.is_char_boundary(*length) && held.ends_with(&stop.as_bytes()[..*length])
            })
        };
        self.stops.iter().filter_map(of).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What is shown of a text in parts, and which stop string ended it.
    fn shown<'a>(
        stops: &[&str],
        parts: impl IntoIterator<Item = &'a str>,
    ) -> (String, Option<usize>) {
        let mut watching = StopStrings::new(stops.iter().copied());
        let mut shown = String::new();
        for part in parts {
            shown += &watching.push(part).text;
        }
        let last = watching.finish();
        (shown + &last.text, last.stop)
    }

    #[test]
    fn a_stop_string_across_parts_is_found_and_not_shown() {
        let mut watching = StopStrings::new(["</s>", "\nUser:"]);
        let parts = ["Yes", "\n", "Us", "es\nUs", "er", ": no"];
        let released: Vec<_> = parts.iter().map(|part| watching.push(part)).collect();
        let texts: Vec<_> = released
            .iter()
            .map(|released| released.text.as_str())
            .collect();
        assert_eq!(texts, ["Yes", "", "", "\nUses", "", ""]);
        assert_eq!(released[5].stop, Some(1));
        assert_eq!(
            watching.push("more"),
            Released {
                text: String::new(),
                stop: Some(1)
            }
        );
        assert_eq!(watching.finish().text, "");
    }

    #[test]
    fn what_was_held_back_in_vain_is_given_at_the_end() {
        assert_eq!(shown(&["END"], ["EN", "EN"]), ("ENEN".to_owned(), None));
        assert_eq!(shown(&[], ["a", "b"]), ("ab".to_owned(), None));
        assert_eq!(shown(&[""], ["a", "b"]), ("ab".to_owned(), None));
    }

    #[test]
    fn the_stop_string_that_is_whole_first_counts() {
        assert_eq!(shown(&["abcd", "bc"], ["abcd"]), ("a".to_owned(), Some(1)));
        assert_eq!(shown(&["cd", "abcd"], ["abcd"]), (String::new(), Some(1)));
        assert_eq!(shown(&["aab"], ["aaab"]), ("a".to_owned(), Some(0)));
    }

    proptest! {
        #[test]
        fn how_a_text_is_cut_makes_no_difference(
            text in "[abä]{0,24}",
            stops in prop::collection::vec("[abä]{0,4}", 0..4),
            cuts in prop::collection::vec(0_usize..25, 0..6),
        ) {
            let stops: Vec<&str> = stops.iter().map(String::as_str).collect();
            let whole = shown(&stops, [text.as_str()]);
            let one_by_one: Vec<String> = text.chars().map(String::from).collect();
            prop_assert_eq!(&shown(&stops, one_by_one.iter().map(String::as_str)), &whole);
            let mut parts = Vec::new();
            let mut rest = text.as_str();
            for cut in cuts {
                let cut = (0..=cut.min(rest.len())).rev().find(|cut| rest.is_char_boundary(*cut));
                let (part, after) = rest.split_at(cut.unwrap());
                parts.push(part);
                rest = after;
            }
            parts.push(rest);
            prop_assert_eq!(&shown(&stops, parts), &whole);
            // No stop string is ever shown, and nothing else is lost.
            prop_assert!(text.starts_with(&whole.0));
            let mut shows = stops.iter().filter(|stop| !stop.is_empty());
            prop_assert!(!shows.any(|stop| whole.0.contains(stop)));
            prop_assert!(whole.1.is_some() || whole.0 == text);
        }
    }
}
