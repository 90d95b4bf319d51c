//! Sixteen lanes on AVX2 and AVX-512, by pulp's safe wrappers.

use std::arch::x86_64::{__m256, __m256i, __m512, __m512i};

use half::slice::HalfFloatSliceExt as _;
use pulp::x86::{V3, V4};
use pulp::{NullaryFnOnce, cast, simd_type};

use super::Lanes;

simd_type!({
    /// The instructions of [`V4`], and products of bytes.
    pub(super) struct Vnni {
        sse: f!("sse"),
        sse2: f!("sse2"),
        fxsr: f!("fxsr"),
        sse3: f!("sse3"),
        ssse3: f!("ssse3"),
        sse4_1: f!("sse4.1"),
        sse4_2: f!("sse4.2"),
        popcnt: f!("popcnt"),
        avx: f!("avx"),
        avx2: f!("avx2"),
        bmi1: f!("bmi1"),
        bmi2: f!("bmi2"),
        fma: f!("fma"),
        lzcnt: f!("lzcnt"),
        avx512f: f!("avx512f"),
        avx512bw: f!("avx512bw"),
        avx512cd: f!("avx512cd"),
        avx512dq: f!("avx512dq"),
        avx512vl: f!("avx512vl"),
        avx512vnni: f!("avx512vnni"),
    }
});

/// How AVX-512 multiplies bytes.
pub(super) trait Dot512: Copy {
    /// What proves that the machine can, if it can.
    fn try_new(v4: V4) -> Option<Self>;
    /// As [`Lanes::dot`].
    fn dot<const WIDE: bool>(
        self,
        v4: V4,
        sum: __m512i,
        codes: __m512i,
        digits: __m512i,
    ) -> __m512i;
    /// Compiles a function for these instructions, and runs it.
    fn vectorize<F: NullaryFnOnce>(self, v4: V4, function: F) -> F::Output;
}

impl Dot512 for Vnni {
    fn try_new(_: V4) -> Option<Self> {
        Self::try_new()
    }

    #[inline(always)]
    fn dot<const WIDE: bool>(
        self,
        _: V4,
        sum: __m512i,
        codes: __m512i,
        digits: __m512i,
    ) -> __m512i {
        #[expect(
            unsafe_code,
            reason = "pulp has no wrapper of this instruction; `self` proves that the machine has it"
        )]
        unsafe {
            std::arch::x86_64::_mm512_dpbusd_epi32(sum, codes, digits)
        }
    }

    #[inline(always)]
    fn vectorize<F: NullaryFnOnce>(self, _: V4, function: F) -> F::Output {
        self.vectorize(function)
    }
}

/// Products of bytes in two steps: to 16 bits, then to 32.
#[derive(Clone, Copy)]
pub(super) struct MultiplyAdd;

impl Dot512 for MultiplyAdd {
    fn try_new(_: V4) -> Option<Self> {
        Some(Self)
    }

    #[inline(always)]
    fn dot<const WIDE: bool>(
        self,
        v4: V4,
        sum: __m512i,
        codes: __m512i,
        digits: __m512i,
    ) -> __m512i {
        let (f, bw) = (v4.avx512f, v4.avx512bw);
        if WIDE {
            // Pairs of such products do not fit in 16 bits: even and odd bytes apart.
            let even = bw._mm512_madd_epi16(
                f._mm512_and_si512(codes, f._mm512_set1_epi32(0x00FF_00FF)),
                bw._mm512_srai_epi16::<8>(bw._mm512_slli_epi16::<8>(digits)),
            );
            let odd = bw._mm512_madd_epi16(
                bw._mm512_srli_epi16::<8>(codes),
                bw._mm512_srai_epi16::<8>(digits),
            );
            return f._mm512_add_epi32(sum, f._mm512_add_epi32(even, odd));
        }
        let pairs = bw._mm512_maddubs_epi16(codes, digits);
        let fours = bw._mm512_madd_epi16(pairs, f._mm512_set1_epi32(0x0001_0001));
        f._mm512_add_epi32(sum, fours)
    }

    #[inline(always)]
    fn vectorize<F: NullaryFnOnce>(self, v4: V4, function: F) -> F::Output {
        v4.vectorize(function)
    }
}

/// One vector of 512 bits.
#[derive(Clone, Copy)]
pub(super) struct Avx512<D> {
    v4: V4,
    dot: D,
}

impl<D: Dot512> Avx512<D> {
    pub(super) fn try_new() -> Option<Self> {
        let v4 = V4::try_new()?;
        let dot = D::try_new(v4)?;
        Some(Self { v4, dot })
    }

    #[inline(always)]
    pub(super) fn vectorize<F: NullaryFnOnce>(self, function: F) -> F::Output {
        self.dot.vectorize(self.v4, function)
    }
}

impl<D: Dot512> Lanes for Avx512<D> {
    type Ints = __m512i;
    type Floats = __m512;
    const REGISTERS: usize = 32;

    #[inline(always)]
    fn ints(self, values: &[i32; 16]) -> __m512i {
        cast(*values)
    }

    #[inline(always)]
    fn store_ints(self, to: &mut [i32; 16], values: __m512i) {
        *to = cast(values);
    }

    #[inline(always)]
    fn splat_ints(self, value: i32) -> __m512i {
        self.v4.avx512f._mm512_set1_epi32(value)
    }

    #[inline(always)]
    fn low(self, codes: __m512i) -> __m512i {
        let f = self.v4.avx512f;
        f._mm512_and_si512(codes, f._mm512_set1_epi32(0x0F0F_0F0F))
    }

    #[inline(always)]
    fn high(self, codes: __m512i) -> __m512i {
        self.low(self.v4.avx512f._mm512_srli_epi32::<4>(codes))
    }

    #[inline(always)]
    fn dot<const WIDE: bool>(self, sum: __m512i, codes: __m512i, digits: __m512i) -> __m512i {
        self.dot.dot::<WIDE>(self.v4, sum, codes, digits)
    }

    #[inline(always)]
    fn shift(self, a: __m512i) -> __m512i {
        self.v4.avx512f._mm512_slli_epi32::<8>(a)
    }

    #[inline(always)]
    fn add_ints(self, a: __m512i, b: __m512i) -> __m512i {
        self.v4.avx512f._mm512_add_epi32(a, b)
    }

    #[inline(always)]
    fn floats(self, values: &[f32; 16]) -> __m512 {
        cast(*values)
    }

    #[inline(always)]
    fn store(self, to: &mut [f32; 16], values: __m512) {
        *to = cast(values);
    }

    #[inline(always)]
    fn splat(self, value: f32) -> __m512 {
        self.v4.avx512f._mm512_set1_ps(value)
    }

    #[inline(always)]
    fn halves(self, bits: &[u16; 16]) -> __m512 {
        self.v4.avx512f._mm512_cvtph_ps(cast(*bits))
    }

    #[inline(always)]
    fn upper_halves(self, bits: &[u16; 16]) -> __m512 {
        let f = self.v4.avx512f;
        cast(f._mm512_slli_epi32::<16>(f._mm512_cvtepu16_epi32(cast(*bits))))
    }

    #[inline(always)]
    fn convert(self, values: __m512i) -> __m512 {
        self.v4.avx512f._mm512_cvtepi32_ps(values)
    }

    #[inline(always)]
    fn mul(self, a: __m512, b: __m512) -> __m512 {
        self.v4.avx512f._mm512_mul_ps(a, b)
    }

    #[inline(always)]
    fn mul_add(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        self.v4.avx512f._mm512_fmadd_ps(a, b, c)
    }
}

/// Two vectors of 256 bits.
#[derive(Clone, Copy)]
pub(super) struct Avx2(V3);

impl Avx2 {
    pub(super) fn try_new() -> Option<Self> {
        V3::try_new().map(Self)
    }

    #[inline(always)]
    pub(super) fn vectorize<F: NullaryFnOnce>(self, function: F) -> F::Output {
        self.0.vectorize(function)
    }

    #[inline(always)]
    fn half_dot<const WIDE: bool>(self, sum: __m256i, codes: __m256i, digits: __m256i) -> __m256i {
        let (avx, avx2) = (self.0.avx, self.0.avx2);
        if WIDE {
            // Pairs of such products do not fit in 16 bits: even and odd bytes apart.
            let even = avx2._mm256_madd_epi16(
                avx2._mm256_and_si256(codes, avx._mm256_set1_epi32(0x00FF_00FF)),
                avx2._mm256_srai_epi16::<8>(avx2._mm256_slli_epi16::<8>(digits)),
            );
            let odd = avx2._mm256_madd_epi16(
                avx2._mm256_srli_epi16::<8>(codes),
                avx2._mm256_srai_epi16::<8>(digits),
            );
            return avx2._mm256_add_epi32(sum, avx2._mm256_add_epi32(even, odd));
        }
        let pairs = avx2._mm256_maddubs_epi16(codes, digits);
        let fours = avx2._mm256_madd_epi16(pairs, avx._mm256_set1_epi32(0x0001_0001));
        avx2._mm256_add_epi32(sum, fours)
    }
}

impl Lanes for Avx2 {
    type Ints = [__m256i; 2];
    type Floats = [__m256; 2];
    const REGISTERS: usize = 8;

    #[inline(always)]
    fn ints(self, values: &[i32; 16]) -> [__m256i; 2] {
        cast(*values)
    }

    #[inline(always)]
    fn store_ints(self, to: &mut [i32; 16], values: [__m256i; 2]) {
        *to = cast(values);
    }

    #[inline(always)]
    fn splat_ints(self, value: i32) -> [__m256i; 2] {
        [self.0.avx._mm256_set1_epi32(value); 2]
    }

    #[inline(always)]
    fn low(self, [a, b]: [__m256i; 2]) -> [__m256i; 2] {
        let mask = self.0.avx._mm256_set1_epi32(0x0F0F_0F0F);
        let avx2 = self.0.avx2;
        [
            avx2._mm256_and_si256(a, mask),
            avx2._mm256_and_si256(b, mask),
        ]
    }

    #[inline(always)]
    fn high(self, [a, b]: [__m256i; 2]) -> [__m256i; 2] {
        let avx2 = self.0.avx2;
        self.low([
            avx2._mm256_srli_epi32::<4>(a),
            avx2._mm256_srli_epi32::<4>(b),
        ])
    }

    #[inline(always)]
    fn dot<const WIDE: bool>(
        self,
        sum: [__m256i; 2],
        codes: [__m256i; 2],
        digits: [__m256i; 2],
    ) -> [__m256i; 2] {
        [
            self.half_dot::<WIDE>(sum[0], codes[0], digits[0]),
            self.half_dot::<WIDE>(sum[1], codes[1], digits[1]),
        ]
    }

    #[inline(always)]
    fn shift(self, [a, b]: [__m256i; 2]) -> [__m256i; 2] {
        let avx2 = self.0.avx2;
        [
            avx2._mm256_slli_epi32::<8>(a),
            avx2._mm256_slli_epi32::<8>(b),
        ]
    }

    #[inline(always)]
    fn add_ints(self, a: [__m256i; 2], b: [__m256i; 2]) -> [__m256i; 2] {
        let avx2 = self.0.avx2;
        [
            avx2._mm256_add_epi32(a[0], b[0]),
            avx2._mm256_add_epi32(a[1], b[1]),
        ]
    }

    #[inline(always)]
    fn floats(self, values: &[f32; 16]) -> [__m256; 2] {
        cast(*values)
    }

    #[inline(always)]
    fn store(self, to: &mut [f32; 16], values: [__m256; 2]) {
        *to = cast(values);
    }

    #[inline(always)]
    fn splat(self, value: f32) -> [__m256; 2] {
        [self.0.avx._mm256_set1_ps(value); 2]
    }

    #[inline(always)]
    fn halves(self, bits: &[u16; 16]) -> [__m256; 2] {
        let mut wide = [0.0; 16];
        let halves: &[half::f16] = half::slice::HalfBitsSliceExt::reinterpret_cast(bits.as_slice());
        halves.convert_to_f32_slice(&mut wide);
        cast(wide)
    }

    #[inline(always)]
    fn upper_halves(self, bits: &[u16; 16]) -> [__m256; 2] {
        cast(bits.map(|bits| u32::from(bits) << 16))
    }

    #[inline(always)]
    fn convert(self, [a, b]: [__m256i; 2]) -> [__m256; 2] {
        let avx = self.0.avx;
        [avx._mm256_cvtepi32_ps(a), avx._mm256_cvtepi32_ps(b)]
    }

    #[inline(always)]
    fn mul(self, a: [__m256; 2], b: [__m256; 2]) -> [__m256; 2] {
        let avx = self.0.avx;
        [avx._mm256_mul_ps(a[0], b[0]), avx._mm256_mul_ps(a[1], b[1])]
    }

    #[inline(always)]
    fn mul_add(self, a: [__m256; 2], b: [__m256; 2], c: [__m256; 2]) -> [__m256; 2] {
        let fma = self.0.fma;
        [
            fma._mm256_fmadd_ps(a[0], b[0], c[0]),
            fma._mm256_fmadd_ps(a[1], b[1], c[1]),
        ]
    }
}
