//! Sixteen lanes at a time, on whatever instructions the machine has: what kernels are written in that give the same bits
//! on all of them.

#[cfg(target_arch = "x86_64")]
mod x86;

use pulp::NullaryFnOnce;

/// A set of instructions that the kernels can run on. All of them give the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instructions {
    /// Those that every machine has.
    Scalar,
    /// AVX2 and FMA.
    Avx2,
    /// AVX-512 without products of bytes.
    Avx512,
    /// AVX-512 with products of bytes (VNNI).
    Vnni,
}

impl Instructions {
    /// All sets that this machine has, the quickest last.
    pub fn available() -> Vec<Self> {
        let all = [Self::Scalar, Self::Avx2, Self::Avx512, Self::Vnni];
        all.into_iter().filter(|one| one.is_available()).collect()
    }

    /// The quickest set that this machine has.
    pub fn best() -> Self {
        let by_speed = [Self::Vnni, Self::Avx512, Self::Avx2];
        let found = by_speed.into_iter().find(|one| one.is_available());
        found.unwrap_or(Self::Scalar)
    }

    /// Whether this machine has it.
    pub fn is_available(self) -> bool {
        match self {
            Self::Scalar => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => pulp::x86::V3::try_new().is_some(),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => pulp::x86::V4::try_new().is_some(),
            #[cfg(target_arch = "x86_64")]
            Self::Vnni => x86::Avx512::<x86::Vnni>::try_new().is_some(),
            #[cfg(not(target_arch = "x86_64"))]
            _ => false,
        }
    }

    /// Runs a kernel on these instructions, or on scalar ones where the machine has not got them.
    pub(crate) fn run<K: Kernel>(self, kernel: K) {
        #[cfg(target_arch = "x86_64")]
        {
            use x86::{Avx2, Avx512, MultiplyAdd, Vnni};
            match self {
                Self::Scalar => {}
                Self::Avx2 => {
                    if let Some(lanes) = Avx2::try_new() {
                        return lanes.vectorize(On { lanes, kernel });
                    }
                }
                Self::Avx512 => {
                    if let Some(lanes) = Avx512::<MultiplyAdd>::try_new() {
                        return lanes.vectorize(On { lanes, kernel });
                    }
                }
                Self::Vnni => {
                    if let Some(lanes) = Avx512::<Vnni>::try_new() {
                        return lanes.vectorize(On { lanes, kernel });
                    }
                }
            }
        }
        kernel.run(Scalar);
    }
}

/// Work written in [`Lanes`].
pub(crate) trait Kernel {
    /// Does it.
    fn run<L: Lanes>(self, lanes: L);
}

/// A kernel on its lanes, as pulp takes functions.
struct On<L, K> {
    lanes: L,
    kernel: K,
}

impl<L: Lanes, K: Kernel> NullaryFnOnce for On<L, K> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        self.kernel.run(self.lanes);
    }
}

/// Vectors of 16 numbers of 32 bits.
pub(crate) trait Lanes: Copy {
    /// Whole numbers, or four bytes a lane.
    type Ints: Copy;
    /// Single precision.
    type Floats: Copy;
    /// Vectors that registers hold.
    const REGISTERS: usize;

    fn ints(self, values: &[i32; 16]) -> Self::Ints;
    fn store_ints(self, to: &mut [i32; 16], values: Self::Ints);
    fn splat_ints(self, value: i32) -> Self::Ints;
    /// The lower four bits of each byte.
    fn low(self, codes: Self::Ints) -> Self::Ints;
    /// The upper four bits of each byte.
    fn high(self, codes: Self::Ints) -> Self::Ints;
    /// `sum + Σ codes[i]·digits[i]` over the four bytes of a lane, codes without a sign and digits with one; codes above
    /// 15 only where `WIDE`.
    fn dot<const WIDE: bool>(
        self,
        sum: Self::Ints,
        codes: Self::Ints,
        digits: Self::Ints,
    ) -> Self::Ints;
    /// `256·a`.
    fn shift(self, a: Self::Ints) -> Self::Ints;
    fn add_ints(self, a: Self::Ints, b: Self::Ints) -> Self::Ints;

    fn floats(self, values: &[f32; 16]) -> Self::Floats;
    fn store(self, to: &mut [f32; 16], values: Self::Floats);
    fn splat(self, value: f32) -> Self::Floats;
    /// Half precision, given by its bits.
    fn halves(self, bits: &[u16; 16]) -> Self::Floats;
    /// The upper halves of single precision (`bf16`), given by their bits.
    fn upper_halves(self, bits: &[u16; 16]) -> Self::Floats;
    /// Whole numbers in single precision, rounded to the nearest, ties to even.
    fn convert(self, values: Self::Ints) -> Self::Floats;
    fn mul(self, a: Self::Floats, b: Self::Floats) -> Self::Floats;
    /// `a·b + c`, rounded once.
    fn mul_add(self, a: Self::Floats, b: Self::Floats, c: Self::Floats) -> Self::Floats;
}

/// One lane after the other.
#[derive(Clone, Copy)]
pub(crate) struct Scalar;

impl Lanes for Scalar {
    type Ints = [i32; 16];
    type Floats = [f32; 16];
    const REGISTERS: usize = 1;

    #[inline(always)]
    fn ints(self, values: &[i32; 16]) -> [i32; 16] {
        *values
    }

    #[inline(always)]
    fn store_ints(self, to: &mut [i32; 16], values: [i32; 16]) {
        *to = values;
    }

    #[inline(always)]
    fn splat_ints(self, value: i32) -> [i32; 16] {
        [value; 16]
    }

    #[inline(always)]
    fn low(self, codes: [i32; 16]) -> [i32; 16] {
        codes.map(|c| c & 0x0F0F_0F0F)
    }

    #[inline(always)]
    fn high(self, codes: [i32; 16]) -> [i32; 16] {
        codes.map(|c| c >> 4 & 0x0F0F_0F0F)
    }

    #[inline(always)]
    fn dot<const WIDE: bool>(
        self,
        sum: [i32; 16],
        codes: [i32; 16],
        digits: [i32; 16],
    ) -> [i32; 16] {
        std::array::from_fn(|lane| {
            let codes = codes[lane].to_le_bytes();
            let digits = digits[lane].to_le_bytes();
            let products = codes.iter().zip(digits);
            products.fold(sum[lane], |sum, (&code, digit)| {
                sum + i32::from(code) * i32::from(digit.cast_signed())
            })
        })
    }

    #[inline(always)]
    fn shift(self, a: [i32; 16]) -> [i32; 16] {
        a.map(|a| a << 8)
    }

    #[inline(always)]
    fn add_ints(self, a: [i32; 16], b: [i32; 16]) -> [i32; 16] {
        std::array::from_fn(|lane| a[lane].wrapping_add(b[lane]))
    }

    #[inline(always)]
    fn floats(self, values: &[f32; 16]) -> [f32; 16] {
        *values
    }

    #[inline(always)]
    fn store(self, to: &mut [f32; 16], values: [f32; 16]) {
        *to = values;
    }

    #[inline(always)]
    fn splat(self, value: f32) -> [f32; 16] {
        [value; 16]
    }

    #[inline(always)]
    fn halves(self, bits: &[u16; 16]) -> [f32; 16] {
        bits.map(|bits| half::f16::from_bits(bits).to_f32())
    }

    #[inline(always)]
    fn upper_halves(self, bits: &[u16; 16]) -> [f32; 16] {
        bits.map(|bits| f32::from_bits(u32::from(bits) << 16))
    }

    #[inline(always)]
    fn convert(self, values: [i32; 16]) -> [f32; 16] {
        values.map(|v| v as f32)
    }

    #[inline(always)]
    fn mul(self, a: [f32; 16], b: [f32; 16]) -> [f32; 16] {
        std::array::from_fn(|lane| a[lane] * b[lane])
    }

    #[inline(always)]
    fn mul_add(self, a: [f32; 16], b: [f32; 16], c: [f32; 16]) -> [f32; 16] {
        std::array::from_fn(|lane| a[lane].mul_add(b[lane], c[lane]))
    }
}
