//! Weights in one of the stored number formats, widened block by block.

use half::slice::HalfFloatSliceExt as _;
use half::{bf16, f16};
use pulp::Arch;

use super::simd::ROWS;

/// A weight tensor as stored: it is widened to `f32` only in small blocks.
#[derive(Clone, Copy, Debug)]
pub enum Weights<'a> {
    /// Single precision.
    F32(&'a [f32]),
    /// IEEE half precision.
    F16(&'a [f16]),
    /// The upper half of a single precision number.
    BF16(&'a [bf16]),
}

impl<'a> From<&'a [f32]> for Weights<'a> {
    fn from(values: &'a [f32]) -> Self {
        Self::F32(values)
    }
}

impl<'a> Weights<'a> {
    /// The number of values.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::F32(v) => v.len(),
            Self::F16(v) => v.len(),
            Self::BF16(v) => v.len(),
        }
    }

    /// Whether there are no values.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The values `from..from + len` as `f32`: borrowed where they are stored
    /// so, else widened into `room`.
    pub(crate) fn row<'b>(&self, from: usize, len: usize, room: &'b mut [f32]) -> &'b [f32]
    where
        'a: 'b,
    {
        match self {
            Self::F32(v) => return &v[from..from + len],
            Self::F16(v) => v[from..from + len].convert_to_f32_slice(&mut room[..len]),
            Self::BF16(v) => {
                for (to, v) in room[..len].iter_mut().zip(&v[from..from + len]) {
                    *to = f32::from_bits(u32::from(v.to_bits()) << 16);
                }
            }
        }
        &room[..len]
    }
}

/// Transposes up to 16 rows into `to[column][at + row]`, zero for missing rows.
pub(crate) fn transpose<const W: usize>(rows: &[&[f32]], to: &mut [[f32; W]], at: usize) {
    #[cfg(target_arch = "x86_64")]
    if let (Arch::V4(v4), Ok(rows)) = (Arch::new(), <&[&[f32]; ROWS]>::try_from(rows)) {
        v4.vectorize(avx512::Transpose { v4, rows, to, at });
        return;
    }
    transpose_from(rows, 0, to, at);
}

/// The columns from `first` of [`transpose`], one value at a time.
#[inline(always)]
fn transpose_from<const W: usize>(rows: &[&[f32]], first: usize, to: &mut [[f32; W]], at: usize) {
    let to = &mut to[first..];
    for r in 0..ROWS {
        match rows.get(r) {
            Some(row) => {
                for (to, &v) in to.iter_mut().zip(&row[first..]) {
                    to[at + r] = v;
                }
            }
            None => {
                for to in to.iter_mut() {
                    to[at + r] = 0.0;
                }
            }
        }
    }
}

/// Blocks of 16 × 16 transposed in AVX-512 registers.
#[cfg(target_arch = "x86_64")]
mod avx512 {
    use std::arch::x86_64::__m512;

    use pulp::x86::V4;
    use pulp::{NullaryFnOnce, cast};

    use super::{ROWS, transpose_from};

    pub(super) struct Transpose<'a, 'b, const W: usize> {
        pub(super) v4: V4,
        pub(super) rows: &'a [&'b [f32]; ROWS],
        pub(super) to: &'a mut [[f32; W]],
        pub(super) at: usize,
    }

    impl<const W: usize> NullaryFnOnce for Transpose<'_, '_, W> {
        type Output = ();

        #[inline(always)]
        fn call(self) {
            let Self { v4, rows, to, at } = self;
            let whole = to.len() / ROWS * ROWS;
            let (squares, _) = to.as_chunks_mut::<ROWS>();
            for (index, to) in squares.iter_mut().enumerate() {
                let mut square = [cast::<[f32; ROWS], __m512>([0.0; ROWS]); ROWS];
                for (v, row) in square.iter_mut().zip(rows) {
                    let (parts, _) = row.as_chunks::<ROWS>();
                    *v = cast(parts[index]);
                }
                for (to, v) in to.iter_mut().zip(transposed(v4, square)) {
                    to[at..at + ROWS].copy_from_slice(&cast::<__m512, [f32; ROWS]>(v));
                }
            }
            if whole < to.len() {
                transpose_from(rows, whole, to, at);
            }
        }
    }

    #[inline(always)]
    fn transposed(v4: V4, rows: [__m512; ROWS]) -> [__m512; ROWS] {
        let f = v4.avx512f;
        let low = |p, q| cast(f._mm512_unpacklo_ps(p, q));
        let high = |p, q| cast(f._mm512_unpackhi_ps(p, q));
        let low2 = |p, q| cast(f._mm512_unpacklo_pd(p, q));
        let high2 = |p, q| cast(f._mm512_unpackhi_pd(p, q));
        // 4 × 4 blocks within the 128-bit lanes: lane `l` of `fours[g][c]` is
        // column `4l + c` of rows `4g..4g + 4`.
        let mut fours = [[rows[0]; 4]; 4];
        for (four, r) in fours.iter_mut().zip(rows.as_chunks::<4>().0) {
            let (top, bottom) = (low(r[0], r[1]), low(r[2], r[3]));
            let (top_high, bottom_high) = (high(r[0], r[1]), high(r[2], r[3]));
            *four = [
                low2(top, bottom),
                high2(top, bottom),
                low2(top_high, bottom_high),
                high2(top_high, bottom_high),
            ];
        }
        // Then the lanes themselves.
        let mut out = rows;
        for c in 0..4 {
            let front = |g: usize| f._mm512_shuffle_f32x4::<0x44>(fours[g][c], fours[g + 1][c]);
            let back = |g: usize| f._mm512_shuffle_f32x4::<0xEE>(fours[g][c], fours[g + 1][c]);
            out[c] = f._mm512_shuffle_f32x4::<0x88>(front(0), front(2));
            out[4 + c] = f._mm512_shuffle_f32x4::<0xDD>(front(0), front(2));
            out[8 + c] = f._mm512_shuffle_f32x4::<0x88>(back(0), back(2));
            out[12 + c] = f._mm512_shuffle_f32x4::<0xDD>(back(0), back(2));
        }
        out
    }
}
