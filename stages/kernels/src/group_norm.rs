//! Group normalisation (Wu and He 2018), alone or with what stands beside it in a residual block: the time embedding that
//! is added before and the SiLU that comes after.

use crate::activation::{silu_lanes, silu_slope};
use crate::math::splat;
use crate::moments::{Moments, STRETCH, sum_and_dot};
use crate::parallel;
use pulp::{Arch, Simd, WithSimd};

/// What a group normalisation is, but for its input.
///
/// A channel's result is `(x + shift - mean) / sqrt(variance + epsilon) · gamma + beta`, then through SiLU if that is
/// asked for, with the mean and variance over the channel's group.
#[derive(Clone, Copy, Debug)]
pub struct GroupNorm<'a> {
    /// How many groups the channels fall into, in order.
    pub groups: usize,
    /// A factor for each channel.
    pub gamma: &'a [f32],
    /// A summand for each channel.
    pub beta: &'a [f32],
    /// Added to the variance.
    pub epsilon: f64,
    /// Added to the input: `[batch, channels]`.
    pub shift: Option<&'a [f32]>,
    /// Whether SiLU follows.
    pub silu: bool,
}

/// One group of one image, as the kernels see it.
#[derive(Clone, Copy)]
struct Group<'a> {
    gamma: &'a [f32],
    beta: &'a [f32],
    shift: Option<&'a [f32]>,
    epsilon: f64,
    silu: bool,
    cells: usize,
}

/// What a channel's numbers go through: `(x - about) · scale + offset`.
#[derive(Clone, Copy)]
struct Line {
    about: f32,
    scale: f32,
    offset: f32,
}

impl<'a> GroupNorm<'a> {
    fn channels(&self) -> usize {
        self.gamma.len()
    }

    fn channels_per_group(&self) -> usize {
        assert!(
            self.groups > 0 && self.channels().is_multiple_of(self.groups),
            "the groups divide the channels"
        );
        self.channels() / self.groups
    }

    fn check(&self, cells: usize, x: usize) {
        assert_eq!(
            self.gamma.len(),
            self.beta.len(),
            "gamma and beta are per channel"
        );
        let image = self.channels() * cells;
        assert!(
            if image == 0 {
                x == 0
            } else {
                x.is_multiple_of(image)
            },
            "the input is [batch, channels, cells]"
        );
        if let Some(shift) = self.shift {
            assert_eq!(shift.len() * cells, x, "the shift is [batch, channels]");
        }
    }

    fn group(&self, index: usize, cells: usize) -> Group<'a> {
        let size = self.channels_per_group();
        let from = index % self.groups * size;
        Group {
            gamma: &self.gamma[from..from + size],
            beta: &self.beta[from..from + size],
            shift: self.shift.map(|shift| &shift[index * size..][..size]),
            epsilon: self.epsilon,
            silu: self.silu,
            cells,
        }
    }

    /// The normalised tensor.
    ///
    /// # Shapes
    ///
    /// - x, out: `[batch, channels, cells]`
    pub fn forward(&self, x: &[f32], cells: usize, out: &mut [f32]) {
        self.check(cells, x.len());
        assert_eq!(x.len(), out.len(), "a norm leaves the shape");
        let width = self.channels_per_group() * cells;
        let arch = Arch::new();
        parallel::rows(out, width, |first, out| {
            for (i, out) in out.chunks_mut(width).enumerate() {
                let index = first + i;
                arch.dispatch(Forward {
                    group: self.group(index, cells),
                    x: &x[index * width..][..width],
                    out,
                });
            }
        });
    }

    /// The gradient with respect to the input (which is also that of the shift, before it is summed over the cells).
    /// The mean and variance are found anew.
    ///
    /// # Shapes
    ///
    /// - x, grad_out, grad_in: `[batch, channels, cells]`
    pub fn backward(&self, x: &[f32], cells: usize, grad_out: &[f32], grad_in: &mut [f32]) {
        self.check(cells, x.len());
        let width = self.channels_per_group() * cells;
        let arch = Arch::new();
        parallel::gradient_rows(
            x,
            grad_out,
            grad_in,
            width,
            |first, x, grad_out, grad_in| {
                let groups = x.chunks(width).zip(grad_out.chunks(width));
                for (i, ((x, grad_out), grad_in)) in
                    groups.zip(grad_in.chunks_mut(width)).enumerate()
                {
                    arch.dispatch(Backward {
                        group: self.group(first + i, cells),
                        x,
                        grad_out,
                        grad_in,
                    });
                }
            },
        );
    }

    /// The gradients with respect to gamma and beta, each `[channels]`, summed over the batch in its order.
    ///
    /// # Shapes
    ///
    /// - x, grad_out: `[batch, channels, cells]`
    pub fn backward_parameters(
        &self,
        x: &[f32],
        cells: usize,
        grad_out: &[f32],
    ) -> (Vec<f32>, Vec<f32>) {
        self.check(cells, x.len());
        assert_eq!(
            x.len(),
            grad_out.len(),
            "a gradient is as large as what it is of"
        );
        let size = self.channels_per_group();
        let width = size * cells;
        let arch = Arch::new();
        let count = x.len().checked_div(width).unwrap_or(0);
        let sums = parallel::groups(count, width, |index| {
            arch.dispatch(Parameters {
                group: self.group(index, cells),
                x: &x[index * width..][..width],
                grad_out: &grad_out[index * width..][..width],
            })
        });
        let mut gamma = vec![0.0_f64; self.channels()];
        let mut beta = vec![0.0_f64; self.channels()];
        for (index, group) in sums.into_iter().enumerate() {
            for (channel, (plain, product)) in group.into_iter().enumerate() {
                gamma[index % self.groups * size + channel] += product;
                beta[index % self.groups * size + channel] += plain;
            }
        }
        let round = |sums: Vec<f64>| sums.into_iter().map(|sum| sum as f32).collect();
        (round(gamma), round(beta))
    }
}

impl Group<'_> {
    /// The moments of the group, and one over its deviation.
    #[inline(always)]
    fn moments<S: Simd>(&self, simd: S, x: &[f32]) -> (Moments, f64) {
        let moments = match self.shift {
            None => Moments::of(simd, x, 0.0),
            Some(shift) => {
                let mut all = Moments::default();
                for (x, &shift) in x.chunks(self.cells).zip(shift) {
                    all = all.and(Moments::of(simd, x, shift));
                }
                all
            }
        };
        (moments, moments.inverse_deviation(self.epsilon))
    }

    /// The line of one channel. The part of the mean that `f32` cannot hold goes into the offset.
    #[inline(always)]
    fn line(
        &self,
        channel: usize,
        (moments, inverse): (Moments, f64),
        gamma: f32,
        beta: f32,
    ) -> Line {
        let mean = moments.mean - self.shift.map_or(0.0, |shift| f64::from(shift[channel]));
        let about = mean as f32;
        let scale = inverse * f64::from(gamma);
        Line {
            about,
            scale: scale as f32,
            offset: (f64::from(beta) - (mean - f64::from(about)) * scale) as f32,
        }
    }
}

/// `f` of the vectors at the same places of two slices, written over the second; the rest by parts of vectors.
macro_rules! walk {
    ($simd:ident, $x:expr, $out:expr, |$v:ident, $w:ident| $step:expr) => {{
        let (x_body, x_tail) = S::as_simd_f32s($x);
        let (out_body, out_tail) = S::as_mut_simd_f32s($out);
        for (&$v, out) in x_body.iter().zip(out_body) {
            let $w = *out;
            *out = $step;
        }
        if !x_tail.is_empty() {
            let $v = $simd.partial_load_f32s(x_tail);
            let $w = $simd.partial_load_f32s(out_tail);
            let y = $step;
            $simd.partial_store_f32s(out_tail, y);
        }
    }};
}
pub(crate) use walk;

impl Line {
    #[inline(always)]
    fn at<S: Simd>(self, simd: S, x: S::f32s) -> S::f32s {
        simd.mul_add_f32s(
            simd.sub_f32s(x, splat(simd, self.about)),
            splat(simd, self.scale),
            splat(simd, self.offset),
        )
    }
}

struct Forward<'a> {
    group: Group<'a>,
    x: &'a [f32],
    out: &'a mut [f32],
}

impl WithSimd for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { group, x, out } = self;
        let moments = group.moments(simd, x);
        let channels = x.chunks(group.cells).zip(out.chunks_mut(group.cells));
        for (channel, (x, out)) in channels.enumerate() {
            let line = group.line(channel, moments, group.gamma[channel], group.beta[channel]);
            if group.silu {
                walk!(simd, x, out, |v, _w| silu_lanes(simd, line.at(simd, v)));
            } else {
                walk!(simd, x, out, |v, _w| line.at(simd, v));
            }
        }
    }
}

struct Backward<'a> {
    group: Group<'a>,
    x: &'a [f32],
    grad_out: &'a [f32],
    grad_in: &'a mut [f32],
}

impl WithSimd for Backward<'_> {
    type Output = ();

    /// With `h` the normalised input and `g` the gradient before gamma and SiLU, the gradient is
    /// `(g - mean(g) - h mean(g h)) / deviation`.
    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self {
            group,
            x,
            grad_out,
            grad_in,
        } = self;
        let moments = group.moments(simd, x);
        let (mut plain, mut product) = (0.0_f64, 0.0_f64);
        for (channel, x) in x.chunks(group.cells).enumerate() {
            let at = channel * group.cells..channel * group.cells + x.len();
            let grad_in = &mut grad_in[at.clone()];
            group.before_silu(simd, moments, channel, x, &grad_out[at], grad_in);
            let gamma = f64::from(group.gamma[channel]);
            let sums = group.sums(simd, moments, channel, x, grad_in);
            plain += gamma * sums.0;
            product += gamma * sums.1;
        }
        let count = x.len() as f64;
        let inverse = moments.1;
        for (channel, (x, grad_in)) in x
            .chunks(group.cells)
            .zip(grad_in.chunks_mut(group.cells))
            .enumerate()
        {
            let line = group.line(channel, moments, 1.0, 0.0);
            let scale = splat(simd, (inverse * f64::from(group.gamma[channel])) as f32);
            let slope = splat(simd, (-inverse * product / count) as f32);
            let offset = splat(simd, (-inverse * plain / count) as f32);
            walk!(simd, x, grad_in, |v, g| {
                let normal = line.at(simd, v);
                simd.mul_add_f32s(g, scale, simd.mul_add_f32s(normal, slope, offset))
            });
        }
    }
}

impl Group<'_> {
    /// The gradient at the end of the norm of one channel, given that behind SiLU if there is one.
    #[inline(always)]
    fn before_silu<S: Simd>(
        &self,
        simd: S,
        moments: (Moments, f64),
        channel: usize,
        x: &[f32],
        grad_out: &[f32],
        out: &mut [f32],
    ) {
        out.copy_from_slice(grad_out);
        if self.silu {
            let line = self.line(channel, moments, self.gamma[channel], self.beta[channel]);
            walk!(simd, x, out, |v, g| simd
                .mul_f32s(g, silu_slope(simd, line.at(simd, v))));
        }
    }

    /// `Σ g` and `Σ g h` over a channel.
    #[inline(always)]
    fn sums<S: Simd>(
        &self,
        simd: S,
        moments: (Moments, f64),
        channel: usize,
        x: &[f32],
        grad: &[f32],
    ) -> (f64, f64) {
        let line = self.line(channel, moments, 1.0, 0.0);
        let (mut plain, mut product) = (0.0, 0.0);
        for (x, grad) in x.chunks(STRETCH).zip(grad.chunks(STRETCH)) {
            let sums = sum_and_dot(simd, grad, x, line.about);
            plain += f64::from(sums.0);
            product += f64::from(sums.1) * moments.1 + f64::from(line.offset) * f64::from(sums.0);
        }
        (plain, product)
    }
}

struct Parameters<'a> {
    group: Group<'a>,
    x: &'a [f32],
    grad_out: &'a [f32],
}

impl WithSimd for Parameters<'_> {
    type Output = Vec<(f64, f64)>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Self::Output {
        let Self { group, x, grad_out } = self;
        let moments = group.moments(simd, x);
        let mut before = vec![0.0; group.cells];
        let mut sums = Vec::with_capacity(group.gamma.len());
        for (channel, (x, grad_out)) in x
            .chunks(group.cells)
            .zip(grad_out.chunks(group.cells))
            .enumerate()
        {
            group.before_silu(simd, moments, channel, x, grad_out, &mut before);
            sums.push(group.sums(simd, moments, channel, x, &before));
        }
        sums
    }
}
