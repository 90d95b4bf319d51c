//! Random changes to inputs, the same on every machine.

/// Numbers that are the same in every run (Knuth's linear congruence).
pub(crate) struct Mutator(u64);

/// What readers take for something special.
const WORDS: [&str; 24] = [
    "\n",
    "\n  ",
    "\t",
    ": ",
    "- ",
    "{",
    "}",
    "[",
    "]",
    "\"",
    "'",
    "#",
    "&a ",
    "*a",
    "${vars.a}",
    "$$",
    "null",
    "-1",
    "1e400",
    "9223372036854775808",
    "\u{feff}",
    "\u{1f980}",
    "\0",
    ",",
];

impl Mutator {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound.max(1)
    }

    /// One of the inputs with one to four changes.
    pub(crate) fn changed(&mut self, inputs: &[&[u8]]) -> Vec<u8> {
        let mut input = inputs[self.below(inputs.len())].to_vec();
        for _ in 0..=self.below(4) {
            let other = inputs[self.below(inputs.len())];
            self.change(&mut input, other);
        }
        input
    }

    fn change(&mut self, input: &mut Vec<u8>, other: &[u8]) {
        let at = self.below(input.len() + 1);
        let length = 1 + self.below(32);
        let end = (at + length).min(input.len());
        match self.below(7) {
            0 if at < input.len() => input[at] ^= 1 << self.below(8),
            1 if at < input.len() => input[at] = self.below(256) as u8,
            2 => input.truncate(at),
            3 => drop(input.drain(at..end)),
            4 => {
                let copy = input[at..end].to_vec();
                input.splice(at..at, copy);
            }
            5 => {
                let from = self.below(other.len() + 1);
                let part = &other[from..(from + length).min(other.len())];
                input.splice(at..at, part.iter().copied());
            }
            _ => {
                let word = WORDS[self.below(WORDS.len())];
                input.splice(at..at, word.bytes());
            }
        }
    }
}
