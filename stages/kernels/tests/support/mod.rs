//! What the tests share: numbers, and how far apart two results are.

#![allow(dead_code, reason = "each test file uses a part")]

/// Numbers around 0 with a deviation of about 1, the same at each run.
pub(crate) fn numbers(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(1);
    (0..count)
        .map(|_| {
            let sum: u64 = (0..4)
                .map(|_| {
                    state = state
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1_442_695_040_888_963_407);
                    state >> 40
                })
                .sum();
            ((sum as f64 / f64::from(1 << 24) - 2.0) * 1.7) as f32
        })
        .collect()
}

pub(crate) fn wide(x: &[f32]) -> Vec<f64> {
    x.iter().map(|&x| f64::from(x)).collect()
}

/// The greatest difference, over the greatest number.
pub(crate) fn error(got: &[f32], want: &[f64]) -> f64 {
    assert_eq!(got.len(), want.len());
    let most = want
        .iter()
        .fold(0.0_f64, |most, x| most.max(x.abs()))
        .max(f64::MIN_POSITIVE);
    let apart = got.iter().zip(want).map(|(&got, want)| {
        let apart = (f64::from(got) - want).abs();
        if apart.is_nan() { f64::INFINITY } else { apart }
    });
    apart.fold(0.0, f64::max) / most
}

pub(crate) fn assert_close(got: &[f32], want: &[f64], bound: f64, what: &str) {
    let error = error(got, want);
    assert!(error <= bound, "{what}: error {error:.3e} over {bound:.1e}");
}

/// `work` on a pool of so many threads.
pub(crate) fn with_threads<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .expect("a pool can be had")
        .install(work)
}

/// The same bits with one thread, two and three.
pub(crate) fn assert_same_on_threads(work: impl Fn() -> Vec<f32> + Send + Sync) {
    let bits = |threads| {
        with_threads(threads, || {
            work().into_iter().map(f32::to_bits).collect::<Vec<_>>()
        })
    };
    let one = bits(1);
    assert!(
        one == bits(2) && one == bits(3),
        "the result depends on the number of threads"
    );
}
