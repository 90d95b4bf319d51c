//! Work that is shared out over the processor's cores.

use burn::prelude::Device;
use ccsr_stage::{Resource, StageError};
use rayon::ThreadPoolBuilder;

/// Bytes of a network whose layers are over before cores have shared them out.
const SMALL: u64 = 64 << 20;

/// Whether cores had better compute apart with a network than together.
pub(crate) fn is_small(network: &dyn Resource, device: &Device) -> bool {
    *device == Device::flex() && network.bytes() <= SMALL
}

/// Computes with a network on a device what is given: all at once, or, if it is small, a part on each core. The outcomes of
/// the parts are in order. Two cores together drew images of 64 pixels no faster than one.
///
/// # Errors
/// The first that a part has.
pub(crate) fn share_out<T: Send, R: Send>(
    network: &dyn Resource,
    device: &Device,
    given: Vec<T>,
    compute: impl Fn(Vec<T>) -> Result<R, StageError> + Sync,
) -> Result<Vec<R>, StageError> {
    if is_small(network, device) {
        on_each_core(given, compute)
    } else {
        Ok(vec![compute(given)?])
    }
}

/// The same in as many parts as this thread has cores.
fn on_each_core<T: Send, R: Send>(
    mut given: Vec<T>,
    compute: impl Fn(Vec<T>) -> Result<R, StageError> + Sync,
) -> Result<Vec<R>, StageError> {
    let cores = rayon::current_num_threads().clamp(1, given.len().max(1));
    if cores == 1 {
        return Ok(vec![compute(given)?]);
    }
    let mut parts = Vec::with_capacity(cores);
    for left in (1..=cores).rev() {
        let rest = given.split_off(given.len().div_ceil(left));
        parts.push(std::mem::replace(&mut given, rest));
    }
    let alone = |part| {
        let core = ThreadPoolBuilder::new().num_threads(1).build();
        let core = core.map_err(|error| StageError::failed(error.to_string()))?;
        core.install(|| compute(part))
    };
    let outcomes = at_the_same_time(parts, alone);
    outcomes.into_iter().collect()
}

/// Does all pieces of work at the same time, a thread each; the outcomes are in order. What a piece panics with, this does.
pub(crate) fn at_the_same_time<T: Send, R: Send>(
    work: impl IntoIterator<Item = T>,
    execute: impl Fn(T) -> R + Sync,
) -> Vec<R> {
    std::thread::scope(|scope| {
        let execute = &execute;
        let started = work
            .into_iter()
            .map(|piece| scope.spawn(move || execute(piece)));
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

    fn on(cores: usize, given: usize) -> Result<Vec<Vec<usize>>, StageError> {
        let pool = ThreadPoolBuilder::new().num_threads(cores).build().unwrap();
        pool.install(|| {
            on_each_core((0..given).collect(), |part| {
                assert!(cores == 1 || given <= 1 || rayon::current_num_threads() == 1);
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

    #[test]
    fn an_error_of_a_part_is_that_of_all() {
        assert_eq!(on(2, 150).unwrap_err().to_string(), "99");
    }
}
