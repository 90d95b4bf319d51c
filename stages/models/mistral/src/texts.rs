//! Texts that are read whole, as in training: nothing is kept of them, and gradients go through all.

use std::collections::BTreeMap;

use burn::prelude::*;
use ccsr_nn::ops::{attend_after, gather_rows};

/// Texts whose lengths differ by less than this are made equally long, which costs less than another pass of attention.
const STEP: usize = 16;

/// How the rows of a pass are divided into texts, one after the other.
#[derive(Clone, Debug)]
pub struct Texts {
    /// The first row of each text, and the end of the last.
    ends: Vec<usize>,
    /// Texts that go on from a text of their own.
    after: Vec<Option<usize>>,
    /// The place of each row in its text, counted from where the first of those that it goes on from begins.
    positions: Vec<usize>,
    groups: Vec<Group>,
    /// Where each row stands in the groups' results, one after the other.
    places: Tensor<1, Int>,
}

/// A text of a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// How many rows it has, at least one.
    pub rows: usize,
    /// The text before it in the pass that it goes on from, whose rows its own see, if there is one. Many texts may go on
    /// from one, which is read once.
    pub after: Option<usize>,
}

/// Texts that attention looks at together: as many rows stand before each, and few are missing to the longest.
#[derive(Clone, Debug)]
struct Group {
    texts: usize,
    /// Rows of the longest.
    rows: usize,
    /// Rows that stand before each.
    before: usize,
    /// The rows of each text, the last one repeated up to the longest.
    queries: Tensor<1, Int>,
    /// The same with the rows before them in front.
    keys: Tensor<1, Int>,
}

impl Texts {
    /// The texts of a pass on a device.
    ///
    /// # Panics
    /// If a text has no rows, or goes on from one that is not before it.
    pub fn new(extents: &[Extent], device: &Device) -> Self {
        let whole = |numbers: Vec<usize>| {
            let numbers: Vec<i64> = numbers.into_iter().map(|number| number as i64).collect();
            Tensor::<1, Int>::from_data(numbers.as_slice(), device)
        };
        let mut ends = vec![0];
        // The rows that each text sees, its own among them.
        let mut seen: Vec<Vec<usize>> = Vec::with_capacity(extents.len());
        let mut positions = Vec::new();
        let mut together: BTreeMap<(usize, usize), Vec<usize>> = BTreeMap::new();
        for (text, extent) in extents.iter().enumerate() {
            assert!(extent.rows > 0, "a text has no rows");
            let own = ends[text]..ends[text] + extent.rows;
            ends.push(own.end);
            let before = extent.after.map(|before| seen[before].clone());
            let mut all = before.unwrap_or_default();
            let alike = (all.len(), extent.rows.div_ceil(STEP));
            together.entry(alike).or_default().push(text);
            positions.extend(all.len()..all.len() + extent.rows);
            all.extend(own);
            seen.push(all);
        }
        let (mut groups, mut places, mut place) = (Vec::new(), vec![0; positions.len()], 0);
        for ((before, _), texts) in together {
            let longest = texts.iter().map(|text| extents[*text].rows).max();
            let rows = longest.unwrap_or_default();
            let (mut queries, mut keys) = (Vec::new(), Vec::new());
            for text in &texts {
                let all = &seen[*text];
                let missing = rows - extents[*text].rows;
                for (row, place) in all[before..].iter().zip(place..) {
                    places[*row] = place;
                }
                place += rows;
                let last = || std::iter::repeat_n(all[all.len() - 1], missing);
                queries.extend(all[before..].iter().copied().chain(last()));
                keys.extend(all.iter().copied().chain(last()));
            }
            groups.push(Group {
                texts: texts.len(),
                rows,
                before,
                queries: whole(queries),
                keys: whole(keys),
            });
        }
        Self {
            ends,
            after: extents.iter().map(|extent| extent.after).collect(),
            positions,
            groups,
            places: whole(places),
        }
    }

    /// All rows of the pass.
    pub const fn rows(&self) -> usize {
        self.positions.len()
    }

    pub(crate) fn positions(&self) -> &[usize] {
        &self.positions
    }

    /// The row whose state says what stands at this place of a text: the one before it. None before the first of all.
    pub fn before(&self, text: usize, place: usize) -> Option<usize> {
        if place > 0 {
            return Some(self.ends[text] + place - 1);
        }
        self.after[text].map(|before| self.ends[before + 1] - 1)
    }

    /// # Shapes
    /// `queries`: `[rows, heads, numbers]`, `keys` and `values`: `[rows, kv_heads, numbers]`; the answer:
    /// `[rows, heads * numbers]`.
    pub(crate) fn attend(
        &self,
        queries: &Tensor<3>,
        keys: &Tensor<3>,
        values: &Tensor<3>,
    ) -> Tensor<2> {
        let groups = self.groups.iter();
        let attended = groups.map(|group| group.attend(queries, keys, values));
        gather_rows(Tensor::cat(attended.collect(), 0), self.places.clone())
    }
}

impl Group {
    fn attend(&self, queries: &Tensor<3>, keys: &Tensor<3>, values: &Tensor<3>) -> Tensor<2> {
        let gathered = |of: &Tensor<3>, index: &Tensor<1, Int>, rows: usize| {
            let [_, heads, numbers] = of.dims();
            let gathered = gather_rows(of.clone(), index.clone());
            let apart = gathered.reshape([self.texts, rows, heads, numbers]);
            apart.swap_dims(1, 2)
        };
        let [_, heads, numbers] = queries.dims();
        let [_, kv_heads, _] = keys.dims();
        let queries = gathered(queries, &self.queries, self.rows);
        let all = self.before + self.rows;
        let own = [keys, values].map(|of| gathered(of, &self.keys, all));
        let nothing = || Tensor::empty([self.texts, kv_heads, 0, numbers], &queries.device());
        let attended = attend_after(queries.clone(), [nothing(), nothing()], own);
        attended.reshape([self.texts * self.rows, heads * numbers])
    }
}

#[cfg(test)]
mod tests {
    use super::{Extent, Texts};
    use burn::prelude::*;

    #[test]
    fn rows_are_foretold_by_those_before_them() {
        let extent = |rows, after| Extent { rows, after };
        let extents = [
            extent(3, None),
            extent(2, Some(0)),
            extent(4, None),
            extent(1, Some(1)),
        ];
        let texts = Texts::new(&extents, &Device::flex());
        assert_eq!(texts.rows(), 10);
        assert_eq!(texts.positions(), [0, 1, 2, 3, 4, 0, 1, 2, 3, 5]);
        assert_eq!(texts.before(0, 0), None);
        assert_eq!(texts.before(0, 2), Some(1));
        assert_eq!(texts.before(1, 0), Some(2));
        assert_eq!(texts.before(1, 1), Some(3));
        assert_eq!(texts.before(3, 0), Some(4));
    }
}
