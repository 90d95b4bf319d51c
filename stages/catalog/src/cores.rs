//! Work that is shared out over the processor's cores.

use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use burn::prelude::Device;
use ccsr_stage::StageError;
use ccsr_training::Gradient;
use rayon::{ThreadPool, ThreadPoolBuilder};

/// Bytes of a network whose layers are over before cores have shared them out.
const SMALL: u64 = 64 << 20;

/// The most examples of a step that are computed together.
const TOGETHER: usize = 16;

/// Whether cores had better compute apart with a network of so many bytes than together.
pub(crate) fn is_small(bytes: u64, device: &Device) -> bool {
    *device == Device::flex() && bytes <= SMALL
}

/// Computes with a network of so many bytes on a device what is given: all at once, or, if it is small, a part on each core.
/// The outcomes of the parts are in order. Two cores together drew images of 64 pixels no faster than one.
///
/// # Errors
/// The first that a part has.
pub(crate) fn share_out<T: Send, R: Send>(
    bytes: u64,
    device: &Device,
    given: Vec<T>,
    compute: impl Fn(Vec<T>) -> Result<R, StageError> + Sync,
) -> Result<Vec<R>, StageError> {
    if is_small(bytes, device) {
        on_each_core(given, compute)
    } else {
        Ok(vec![compute(given)?])
    }
}

/// The same for each of what is given by itself; the outcomes are in order.
///
/// # Errors
/// The first that one has.
pub(crate) fn share_out_each<T: Send, R: Send>(
    bytes: u64,
    device: &Device,
    given: Vec<T>,
    compute: impl Fn(T) -> Result<R, StageError> + Sync,
) -> Result<Vec<R>, StageError> {
    let some = |some: Vec<T>| {
        some.into_iter()
            .map(&compute)
            .collect::<Result<Vec<_>, _>>()
    };
    let outcomes = share_out(bytes, device, given, some)?;
    Ok(outcomes.into_iter().flatten().collect())
}

/// The examples of a step, in the parts in which cores compute with a network. Which these are does not depend on the cores,
/// and so no bit of what comes out does.
pub(crate) struct StepParts<'a> {
    bytes: u64,
    device: &'a Device,
    ranges: Vec<Range<usize>>,
}

impl<'a> StepParts<'a> {
    /// Those of so many examples, with a network of so many bytes on a device: all, unless it is a small one. An even number
    /// of parts leaves neither of two cores with nothing to do.
    pub(crate) fn of(bytes: u64, device: &'a Device, examples: usize) -> Self {
        let count = if is_small(bytes, device) && examples > 1 {
            examples.div_ceil(TOGETHER).next_multiple_of(2)
        } else {
            1
        };
        let start = |part: usize| part * examples / count;
        Self {
            bytes,
            device,
            ranges: (0..count)
                .map(|part| start(part)..start(part + 1))
                .collect(),
        }
    }

    /// What each part comes to, in order.
    ///
    /// # Errors
    /// The first that a part has.
    pub(crate) fn each<R: Send>(
        &self,
        compute: impl Fn(Range<usize>) -> Result<R, StageError> + Sync,
    ) -> Result<Vec<R>, StageError> {
        self.each_of(self.ranges.clone(), compute)
    }

    /// The same of what is known of each part.
    ///
    /// # Errors
    /// The first that a part has.
    pub(crate) fn each_of<T: Send, R: Send>(
        &self,
        parts: Vec<T>,
        compute: impl Fn(T) -> Result<R, StageError> + Sync,
    ) -> Result<Vec<R>, StageError> {
        share_out_each(self.bytes, self.device, parts, compute)
    }

    /// The gradient of a step that is the mean of its examples.
    ///
    /// # Errors
    /// The first that a part has.
    pub(crate) fn mean(
        &self,
        gradient: impl Fn(Range<usize>) -> Result<Gradient, StageError> + Sync,
    ) -> Result<Gradient, StageError> {
        let mut found = self.each(gradient)?;
        if found.len() == 1 {
            return Ok(found.remove(0));
        }
        let mean = Gradient::mean(&found);
        Ok(mean.expect("there are two parts at least"))
    }
}

/// Computes what is given in as many parts as this thread has cores. If it has more, each part has several.
fn on_each_core<T: Send, R: Send>(
    mut given: Vec<T>,
    compute: impl Fn(Vec<T>) -> Result<R, StageError> + Sync,
) -> Result<Vec<R>, StageError> {
    let cores = rayon::current_num_threads();
    let count = cores.clamp(1, given.len().max(1));
    if count == 1 {
        return Ok(vec![compute(given)?]);
    }
    let mut parts = Vec::with_capacity(count);
    for left in (1..=count).rev() {
        let rest = given.split_off(given.len().div_ceil(left));
        parts.push(std::mem::replace(&mut given, rest));
    }
    let apart = |part| {
        let threads = waiting_threads(cores / count)?;
        let outcome = threads.install(|| compute(part));
        waiting().push(threads);
        outcome
    };
    let outcomes = at_the_same_time(parts, apart);
    outcomes.into_iter().collect()
}

/// Threads that wait for a part, since those that had one before have its memory at hand.
static WAITING: Mutex<Vec<ThreadPool>> = Mutex::new(Vec::new());

fn waiting() -> MutexGuard<'static, Vec<ThreadPool>> {
    WAITING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// So many threads, of those that wait, or new ones.
fn waiting_threads(count: usize) -> Result<ThreadPool, StageError> {
    let mut waiting = waiting();
    let found = waiting
        .iter()
        .position(|threads| threads.current_num_threads() == count);
    if let Some(found) = found {
        return Ok(waiting.swap_remove(found));
    }
    let threads = ThreadPoolBuilder::new().num_threads(count).build();
    threads.map_err(|error| StageError::failed(error.to_string()))
}

/// Does all pieces of work at the same time, a thread each, or this one if there is one alone; the outcomes are in order. What a
/// piece panics with, this does.
pub(crate) fn at_the_same_time<T: Send, R: Send>(
    work: impl IntoIterator<Item = T>,
    execute: impl Fn(T) -> R + Sync,
) -> Vec<R> {
    let work: Vec<T> = work.into_iter().collect();
    if work.len() <= 1 {
        return work.into_iter().map(execute).collect();
    }
    std::thread::scope(|scope| {
        let execute = &execute;
        let pieces = work.into_iter();
        let started = pieces.map(|piece| scope.spawn(move || execute(piece)));
        let started: Vec<_> = started.collect();
        let ended = started.into_iter().map(std::thread::ScopedJoinHandle::join);
        ended
            .map(|ended| ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::on_cores;

    fn on(cores: usize, given: usize) -> Result<Vec<Vec<usize>>, StageError> {
        on_cores(cores, || {
            on_each_core((0..given).collect(), |part| {
                let parts = cores.min(given).max(1);
                assert_eq!(rayon::current_num_threads(), cores / parts);
                if part.contains(&99) {
                    return Err(StageError::failed("99"));
                }
                Ok(part)
            })
        })
    }

    #[test]
    fn parts_are_even_and_in_order() {
        assert_eq!(on(3, 7).unwrap(), [vec![0, 1, 2], vec![3, 4], vec![5, 6]]);
        assert_eq!(on(4, 2).unwrap(), [[0], [1]]);
        assert_eq!(on(1, 3).unwrap(), [[0, 1, 2]]);
        assert_eq!(on(2, 0).unwrap(), [[0; 0]]);
    }

    /// The examples that a part was asked for, and how often.
    fn asked(cores: usize, examples: usize, bytes: u64) -> Gradient {
        let gradient = |some: Range<usize>| {
            let numbers = (0..examples).map(|it| f32::from(u8::from(some.contains(&it))));
            Ok(Gradient {
                loss: some.start as f64,
                numbers: numbers.collect(),
                count: some.len(),
            })
        };
        let device = Device::flex();
        let parts = StepParts::of(bytes, &device, examples);
        on_cores(cores, || parts.mean(gradient)).unwrap()
    }

    #[test]
    fn parts_of_a_step_are_the_same_on_any_number_of_cores() {
        for examples in [1, 2, 5, 16, 32, 33, 70] {
            let alone = asked(1, examples, SMALL);
            assert_eq!(alone.count, examples);
            let sum: f32 = alone.numbers.iter().sum();
            assert!(alone.numbers.iter().all(|share| *share > 0.0) && sum >= 1.0);
            assert_eq!(alone.loss > 0.0, examples > 1, "in parts");
            for cores in [2, 3, 8] {
                assert_eq!(asked(cores, examples, SMALL), alone);
            }
        }
        let large = asked(2, 5, SMALL + 1);
        assert!(
            large.numbers.iter().all(|share| *share >= 1.0),
            "as a whole"
        );
    }

    #[test]
    fn parts_are_an_even_number_of_few_examples() {
        let device = Device::flex();
        let parts = |examples| StepParts::of(SMALL, &device, examples).ranges;
        assert_eq!(parts(1).len(), 1);
        assert_eq!(parts(5), [0..2, 2..5]);
        assert_eq!(parts(33), [0..8, 8..16, 16..24, 24..33]);
        assert_eq!(parts(70).len(), 6);
        let large = StepParts::of(SMALL + 1, &device, 70).ranges;
        assert_eq!((large.len(), large[0].clone()), (1, 0..70));
    }

    #[test]
    fn an_error_of_a_part_is_that_of_all() {
        assert_eq!(on(2, 150).unwrap_err().to_string(), "99");
    }
}
