//! Aligned scratch buffers and the register-blocked matrix micro-kernel all
//! routines of this module share.

use std::sync::Mutex;

use pulp::Simd;

/// Rows in one packed panel of the left operand.
pub(crate) const ROWS: usize = 16;
/// Columns in one full packed panel of the right operand.
pub(crate) const COLS: usize = 48;

/// Buffers handed back by earlier calls. Keeping them spares the page faults
/// of fresh memory, which would otherwise cost as much as a small layer.
static POOL: Mutex<Vec<Vec<f32>>> = Mutex::new(Vec::new());
/// The most buffers kept between calls.
const KEPT: usize = 24;

/// A borrowed, 64-byte aligned working buffer with arbitrary content.
pub(crate) struct Scratch {
    data: Vec<f32>,
    start: usize,
    len: usize,
}

impl Scratch {
    /// Takes a buffer of `len` values from the pool, or a new one.
    pub(crate) fn take(len: usize) -> Self {
        let need = len + 16;
        let mut data = {
            let mut pool = POOL
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            // The smallest one that is large enough, otherwise the largest.
            let best = (0..pool.len()).min_by_key(|&i| {
                let have = pool[i].len();
                if have >= need {
                    (0, have)
                } else {
                    (1, usize::MAX - have)
                }
            });
            best.map(|i| pool.swap_remove(i)).unwrap_or_default()
        };
        if data.len() < need {
            data = vec![0.0; need];
        }
        let start = data.as_ptr().align_offset(64).min(16);
        Self { data, start, len }
    }
}

impl std::ops::Deref for Scratch {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        &self.data[self.start..self.start + self.len]
    }
}

impl std::ops::DerefMut for Scratch {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.data[self.start..self.start + self.len]
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let mut pool = POOL
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if pool.len() < KEPT {
            pool.push(std::mem::take(&mut self.data));
        }
    }
}

/// What is added to a freshly computed block before it is stored.
#[derive(Clone, Copy)]
pub(crate) enum Init<'a> {
    /// Nothing: the block is overwritten.
    Zero,
    /// The block's old content.
    Accumulate,
    /// One value per row, at least as many as the block's rows.
    RowBias(&'a [f32]),
    /// One value per column, as many as the panel's columns.
    ColBias(&'a [f32]),
}

/// `c[r][j] = init + Σ_k a[k][r] · b[k][j]` for a panel of up to 16 rows and
/// `W` columns; `c` has row stride `ldc`.
///
/// Each element is one chain of fused multiply-adds over ascending `k`
/// starting from zero, whatever the instruction set, so that results do not
/// depend on where in a panel an element lies.
#[inline(always)]
pub(crate) fn block<S: Simd, const W: usize>(
    simd: S,
    a: &[[f32; ROWS]],
    b: &[[f32; W]],
    rows: usize,
    c: &mut [f32],
    ldc: usize,
    init: Init<'_>,
) {
    if S::REGISTER_COUNT >= 32 {
        match rows {
            1 => strip::<S, W, 1>(simd, a, b, 0, rows, c, ldc, init),
            2 => strip::<S, W, 2>(simd, a, b, 0, rows, c, ldc, init),
            3..=4 => strip::<S, W, 4>(simd, a, b, 0, rows, c, ldc, init),
            _ => strip::<S, W, 8>(simd, a, b, 0, rows, c, ldc, init),
        }
        if rows > 8 {
            strip::<S, W, 8>(simd, a, b, 8, rows, c, ldc, init);
        }
    } else {
        for top in (0..rows).step_by(4) {
            match rows - top {
                1 => strip::<S, W, 1>(simd, a, b, top, rows, c, ldc, init),
                2 => strip::<S, W, 2>(simd, a, b, top, rows, c, ldc, init),
                _ => strip::<S, W, 4>(simd, a, b, top, rows, c, ldc, init),
            }
        }
    }
}

/// `MR` rows of [`block`] from row `top`, as many vectors at once as the
/// registers hold.
#[inline(always)]
#[expect(
    clippy::too_many_arguments,
    reason = "all of them are the micro-kernel's state"
)]
fn strip<S: Simd, const W: usize, const MR: usize>(
    simd: S,
    a: &[[f32; ROWS]],
    b: &[[f32; W]],
    top: usize,
    rows: usize,
    c: &mut [f32],
    ldc: usize,
    init: Init<'_>,
) {
    let vectors = W / S::F32_LANES;
    let mut v = 0;
    while v + 3 <= vectors {
        tile::<S, W, MR, 3>(simd, a, b, top, v, rows, c, ldc, init);
        v += 3;
    }
    if v + 2 <= vectors {
        tile::<S, W, MR, 2>(simd, a, b, top, v, rows, c, ldc, init);
        v += 2;
    }
    if v < vectors {
        tile::<S, W, MR, 1>(simd, a, b, top, v, rows, c, ldc, init);
    }
}

/// The innermost kernel: `MR` rows by `NV` vectors kept in registers.
#[inline(always)]
#[expect(
    clippy::too_many_arguments,
    reason = "all of them are the micro-kernel's state"
)]
fn tile<S: Simd, const W: usize, const MR: usize, const NV: usize>(
    simd: S,
    a: &[[f32; ROWS]],
    b: &[[f32; W]],
    top: usize,
    first: usize,
    rows: usize,
    c: &mut [f32],
    ldc: usize,
    init: Init<'_>,
) {
    let mut acc = [[simd.splat_f32s(0.0); NV]; MR];
    for (column, line) in a.iter().zip(b) {
        let (line, _) = S::as_simd_f32s(line.as_slice());
        let line = &line[first..first + NV];
        let column = &column[top..top + MR];
        for i in 0..MR {
            let factor = simd.splat_f32s(column[i]);
            for j in 0..NV {
                acc[i][j] = simd.mul_add_e_f32s(factor, line[j], acc[i][j]);
            }
        }
    }
    let lane = first * S::F32_LANES;
    for (i, acc) in acc.iter().enumerate() {
        let r = top + i;
        if r >= rows {
            break;
        }
        let from = r * ldc + lane;
        let (c, _) = S::as_mut_simd_f32s(&mut c[from..from + NV * S::F32_LANES]);
        let c = &mut c[..NV];
        match init {
            Init::Zero => c.copy_from_slice(acc),
            Init::Accumulate => {
                for j in 0..NV {
                    c[j] = simd.add_f32s(c[j], acc[j]);
                }
            }
            Init::RowBias(bias) => {
                let bias = simd.splat_f32s(bias[r]);
                for j in 0..NV {
                    c[j] = simd.add_f32s(bias, acc[j]);
                }
            }
            Init::ColBias(bias) => {
                let (bias, _) = S::as_simd_f32s(&bias[lane..lane + NV * S::F32_LANES]);
                for j in 0..NV {
                    c[j] = simd.add_f32s(bias[j], acc[j]);
                }
            }
        }
    }
}
