//! Slots: what batches occupy while they execute, and how much of it there is.
//!
//! A batch starts when what it needs is free. One that needs more than there is at all starts when
//! everything is free: it runs alone rather than never.

/// What a stage's batches occupy, as far as the pipeline says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Need {
    /// Slots of the processor; 1 if it is not said.
    pub cpu: Option<u32>,
    /// Slots of the device; if it is not said, 1 for units that name a resource, else 0.
    pub device: Option<u32>,
    /// Bytes of memory besides loaded resources.
    pub memory: u64,
}

/// An amount of each kind of slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slots {
    /// Batches that keep the processor busy.
    pub cpu: u32,
    /// Batches that keep the device busy.
    pub device: u32,
    /// Bytes of memory.
    pub memory: u64,
}

impl Slots {
    /// Nothing.
    pub(crate) const NONE: Self = Self {
        cpu: 0,
        device: 0,
        memory: 0,
    };
}

impl Need {
    /// What a batch occupies, given whether its units name a resource.
    pub(crate) fn of_batch(self, has_resource: bool) -> Slots {
        Slots {
            cpu: self.cpu.unwrap_or(1),
            device: self.device.unwrap_or(u32::from(has_resource)),
            memory: self.memory,
        }
    }
}

/// Slots, some of them taken.
#[derive(Debug)]
pub(crate) struct SlotPool {
    all: Slots,
    free: Slots,
}

impl SlotPool {
    pub(crate) const fn new(all: Slots) -> Self {
        Self { all, free: all }
    }

    /// Whether `need`, or else everything, is free.
    pub(crate) fn fits(&self, need: Slots) -> bool {
        let need = self.capped(need);
        need.cpu <= self.free.cpu
            && need.device <= self.free.device
            && need.memory <= self.free.memory
    }

    pub(crate) fn take(&mut self, need: Slots) {
        debug_assert!(self.fits(need), "only what is free is taken");
        let need = self.capped(need);
        self.free.cpu -= need.cpu;
        self.free.device -= need.device;
        self.free.memory -= need.memory;
    }

    /// Gives back what was taken.
    pub(crate) fn give(&mut self, need: Slots) {
        let need = self.capped(need);
        self.free.cpu += need.cpu;
        self.free.device += need.device;
        self.free.memory += need.memory;
    }

    fn capped(&self, need: Slots) -> Slots {
        Slots {
            cpu: need.cpu.min(self.all.cpu),
            device: need.device.min(self.all.device),
            memory: need.memory.min(self.all.memory),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn slots(cpu: u32, device: u32, memory: u64) -> Slots {
        Slots {
            cpu,
            device,
            memory,
        }
    }

    #[test]
    fn a_batch_waits_for_whichever_slot_is_short() {
        let mut pool = SlotPool::new(slots(4, 1, 100));
        pool.take(slots(1, 1, 60));
        assert!(!pool.fits(slots(1, 1, 0)), "the device is taken");
        assert!(!pool.fits(slots(1, 0, 41)), "memory is short");
        assert!(!pool.fits(slots(4, 0, 0)), "the processor is short");
        assert!(pool.fits(slots(3, 0, 40)));
        pool.give(slots(1, 1, 60));
        assert!(pool.fits(slots(4, 1, 100)));
    }

    #[test]
    fn what_needs_more_than_there_is_runs_alone() {
        let mut pool = SlotPool::new(slots(2, 1, 100));
        let large = slots(8, 3, 1_000);
        assert!(pool.fits(large));
        pool.take(slots(1, 0, 0));
        assert!(!pool.fits(large));
        pool.give(slots(1, 0, 0));
        pool.take(large);
        assert!(!pool.fits(slots(1, 0, 0)));
        pool.give(large);
        assert!(pool.fits(slots(2, 1, 100)));
    }
}
