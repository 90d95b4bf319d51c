//! The units of a stage that no worker has yet, by the resource that they need: a stage whose units
//! alternate between two networks should not load them in turns.

use std::collections::VecDeque;
use std::sync::Arc;

use ccsr_cache::ActionKey;
use ccsr_stage::Unit;

/// A unit with its key.
pub(crate) type Queued = (ActionKey, Arc<Unit>);

/// A resource that units name; `None` for those that need no model.
pub(crate) type ResourceName = Option<Arc<str>>;

/// Units waiting for a worker.
#[derive(Default)]
pub(crate) struct Queue {
    /// In order of first appearance. A stage has a handful of resources at most.
    lanes: Vec<(ResourceName, VecDeque<Queued>)>,
}

impl Queue {
    pub(crate) fn push(&mut self, key: ActionKey, unit: Arc<Unit>) {
        let lane = match self
            .lanes
            .iter()
            .position(|(name, _)| *name == unit.resource)
        {
            Some(position) => position,
            None => {
                self.lanes.push((unit.resource.clone(), VecDeque::new()));
                self.lanes.len() - 1
            }
        };
        self.lanes[lane].1.push_back((key, unit));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lanes.iter().all(|(_, units)| units.is_empty())
    }

    /// The resources that waiting units name.
    pub(crate) fn resources(&self) -> impl Iterator<Item = ResourceName> {
        self.lanes
            .iter()
            .filter(|(_, units)| !units.is_empty())
            .map(|(name, _)| name.clone())
    }

    /// The waiting units.
    pub(crate) fn units(&self) -> impl Iterator<Item = &Unit> {
        self.lanes
            .iter()
            .flat_map(|(_, units)| units)
            .map(|(_, unit)| unit.as_ref())
    }

    pub(crate) fn into_units(self) -> impl Iterator<Item = Queued> {
        self.lanes.into_iter().flat_map(|(_, units)| units)
    }

    /// Takes a batch of at most `limit` units that name `resource`. A group that would be cut is
    /// left for the next batch, unless it does not fit into one.
    pub(crate) fn take(&mut self, resource: &ResourceName, limit: usize) -> Vec<Queued> {
        let Some((_, units)) = self.lanes.iter_mut().find(|(name, _)| name == resource) else {
            return Vec::new();
        };
        let mut count = units.len().min(limit.max(1));
        if let (Some((_, last)), Some((_, next))) =
            (units.get(count.wrapping_sub(1)), units.get(count))
            && last.group == next.group
        {
            let cut = last.group;
            let whole = units
                .iter()
                .take(count)
                .take_while(|(_, unit)| unit.group != cut)
                .count();
            if whole > 0 {
                count = whole;
            }
        }
        units.drain(..count).collect()
    }
}

#[cfg(test)]
mod tests {
    use ccsr_cache::Value;

    use super::*;

    fn queue(units: &[(&str, u64)]) -> Queue {
        let mut queue = Queue::default();
        for (index, (resource, group)) in units.iter().enumerate() {
            let input = Value::Int(index as i64);
            let unit = Unit::new(input.clone())
                .with_resource(*resource)
                .with_group(*group);
            queue.push(ActionKey::of("test", 1, &input), Arc::new(unit));
        }
        queue
    }

    fn taken(queue: &mut Queue, resource: &str, limit: usize) -> Vec<i64> {
        let batch = queue.take(&Some(resource.into()), limit);
        batch
            .iter()
            .filter_map(|(_, unit)| unit.input.as_int())
            .collect()
    }

    #[test]
    fn a_batch_names_one_resource() {
        let mut queue = queue(&[("a", 0), ("b", 1), ("a", 2), ("b", 3)]);
        assert_eq!(
            queue.resources().flatten().collect::<Vec<_>>(),
            ["a".into(), "b".into()]
        );
        assert_eq!(taken(&mut queue, "b", 9), [1, 3]);
        assert_eq!(taken(&mut queue, "a", 9), [0, 2]);
        assert!(queue.is_empty());
        assert!(taken(&mut queue, "a", 9).is_empty());
    }

    #[test]
    fn groups_stay_together_where_they_fit() {
        let mut queue = queue(&[("a", 0), ("a", 0), ("a", 1), ("a", 1), ("a", 1), ("a", 1)]);
        assert_eq!(taken(&mut queue, "a", 3), [0, 1]);
        // The next group is larger than a batch, so it is cut.
        assert_eq!(taken(&mut queue, "a", 3), [2, 3, 4]);
        assert_eq!(taken(&mut queue, "a", 3), [5]);
    }
}
