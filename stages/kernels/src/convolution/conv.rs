//! Two-dimensional convolutions over contiguous NCHW slices.

use super::gemm::{Bias, Dims, PackB, gemm};
use super::linear::{ColumnsA, RowsA, RowsB};
use super::simd::Scratch;
use super::tiles::Size;
use super::weights::Weights;
use super::winograd::{self, Filters};

/// A convolution's sizes. Weights are `[out, in, kernel, kernel]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conv2d {
    /// Input channels.
    pub inputs: usize,
    /// Output channels.
    pub outputs: usize,
    /// Kernel rows and columns.
    pub kernel: usize,
    /// Step between outputs, in both directions.
    pub stride: usize,
    /// Zero rows and columns above and left of the image.
    pub pad_before: usize,
    /// Zero rows and columns below and right of the image.
    pub pad_after: usize,
}

impl Conv2d {
    /// An odd kernel that keeps the image's size at stride 1.
    #[must_use]
    pub fn same(inputs: usize, outputs: usize, kernel: usize, stride: usize) -> Self {
        let pad = kernel / 2;
        Self {
            inputs,
            outputs,
            kernel,
            stride,
            pad_before: pad,
            pad_after: pad,
        }
    }

    /// The length of an output's side for an input's.
    #[must_use]
    pub fn output_side(&self, side: usize) -> usize {
        let padded = side + self.pad_before + self.pad_after;
        if padded < self.kernel {
            0
        } else {
            (padded - self.kernel) / self.stride + 1
        }
    }

    fn is_winograd(&self) -> bool {
        (self.kernel, self.stride, self.pad_before, self.pad_after) == (3, 1, 1, 1)
    }

    fn is_pointwise(&self) -> bool {
        (self.kernel, self.stride, self.pad_before, self.pad_after) == (1, 1, 0, 0)
    }

    fn check(&self, weights: Weights<'_>) {
        assert!(self.kernel > 0 && self.stride > 0, "kernel and stride");
        let count = self.inputs * self.outputs * self.kernel * self.kernel;
        assert_eq!(weights.len(), count, "weights");
    }
}

/// Below this many input channels the Winograd transforms cost more than the
/// multiplications they save.
const FEW_INPUTS: usize = 8;

/// `out[n][o] = bias[o] + Σ_i x[n][i] ⋆ weights[o][i]` for images of
/// `height × width`; the number of images follows from the length of `x`.
///
/// 3×3 kernels with stride 1 and padding 1 run as Winograd F(4×4, 3×3),
/// everything else as an implicit matrix product.
///
/// # Panics
/// When the slices' lengths do not match.
pub fn conv2d(
    x: &[f32],
    weights: Weights<'_>,
    bias: Option<&[f32]>,
    conv: Conv2d,
    (height, width): (usize, usize),
    out: &mut [f32],
) {
    conv.check(weights);
    assert!(bias.is_none_or(|b| b.len() == conv.outputs), "bias");
    let image = conv.inputs * height * width;
    let (out_height, out_width) = (conv.output_side(height), conv.output_side(width));
    let pixels = out_height * out_width;
    let batch = x.len().checked_div(image).unwrap_or(0);
    assert_eq!(x.len(), batch * image, "input");
    assert_eq!(out.len(), batch * conv.outputs * pixels, "output");
    if out.is_empty() {
        return;
    }
    let Conv2d {
        inputs,
        outputs,
        kernel,
        ..
    } = conv;
    if conv.is_winograd() && inputs >= FEW_INPUTS {
        let filters = Filters {
            data: weights,
            out_stride: 9 * inputs,
            in_stride: 9,
            flip: false,
        };
        let size = Size {
            inputs,
            outputs,
            height,
            width,
        };
        winograd::convolve(x, filters, bias, size, out);
        return;
    }
    let dims = Dims {
        m: outputs,
        n: pixels,
        k: inputs * kernel * kernel,
    };
    let a = RowsA {
        data: weights,
        stride: dims.k,
    };
    let bias = bias.map_or(Bias::None, Bias::Row);
    for (x, out) in x
        .chunks_exact(image)
        .zip(out.chunks_exact_mut(outputs * pixels))
    {
        if conv.is_pointwise() {
            gemm(
                dims,
                &a,
                &RowsB {
                    data: Weights::F32(x),
                    stride: pixels,
                },
                bias,
                out,
            );
        } else {
            gemm(
                dims,
                &a,
                &Patches {
                    x,
                    conv,
                    height,
                    width,
                    out_width,
                },
                bias,
                out,
            );
        }
    }
}

/// The input gradient of [`conv2d`] for 1×1 kernels with stride 1, and 3×3
/// kernels with stride 1 and padding 1 or stride 2 and padding 0 or 1 before
/// and 1 after. `height` and `width` are those of the input.
///
/// # Panics
/// When the slices' lengths do not match, or for another kind of convolution.
pub fn conv2d_input_grad(
    dy: &[f32],
    weights: Weights<'_>,
    conv: Conv2d,
    (height, width): (usize, usize),
    dx: &mut [f32],
) {
    conv.check(weights);
    let image = conv.inputs * height * width;
    let (out_height, out_width) = (conv.output_side(height), conv.output_side(width));
    let pixels = out_height * out_width;
    let batch = dx.len().checked_div(image).unwrap_or(0);
    assert_eq!(dx.len(), batch * image, "input gradient");
    assert_eq!(dy.len(), batch * conv.outputs * pixels, "output gradient");
    if dx.is_empty() {
        return;
    }
    let Conv2d {
        inputs,
        outputs,
        kernel,
        stride,
        pad_before,
        pad_after,
    } = conv;
    if conv.is_pointwise() {
        let dims = Dims {
            m: inputs,
            n: pixels,
            k: outputs,
        };
        let a = ColumnsA {
            data: weights,
            stride: inputs,
        };
        for (dx, dy) in dx
            .chunks_exact_mut(image)
            .zip(dy.chunks_exact(outputs * pixels))
        {
            gemm(
                dims,
                &a,
                &RowsB {
                    data: Weights::F32(dy),
                    stride: pixels,
                },
                Bias::None,
                dx,
            );
        }
        return;
    }
    // The roles of the channels are swapped and the kernel is turned round.
    let filters = Filters {
        data: weights,
        out_stride: 9,
        in_stride: 9 * inputs,
        flip: true,
    };
    let size = Size {
        inputs: outputs,
        outputs: inputs,
        height,
        width,
    };
    if conv.is_winograd() {
        winograd::convolve(dy, filters, None, size, dx);
        return;
    }
    assert!(
        (kernel, stride, pad_after) == (3, 2, 1) && pad_before <= 1,
        "no input gradient for {conv:?}"
    );
    // A stride of two is a stride of one after which pixels were dropped.
    let plane = height * width;
    let mut spread = Scratch::take(outputs * plane);
    for (dx, dy) in dx
        .chunks_exact_mut(image)
        .zip(dy.chunks_exact(outputs * pixels))
    {
        spread.fill(0.0);
        for (to, from) in spread.chunks_exact_mut(plane).zip(dy.chunks_exact(pixels)) {
            for (row, from) in from.chunks_exact(out_width).enumerate() {
                let to = &mut to[(2 * row + 1 - pad_before) * width..][..width];
                for (to, from) in to[1 - pad_before..].iter_mut().step_by(2).zip(from) {
                    *to = *from;
                }
            }
        }
        winograd::convolve(&spread, filters, None, size, dx);
    }
}

/// One image's patches as a matrix: a row per channel and tap, a column per
/// output pixel.
struct Patches<'a> {
    x: &'a [f32],
    conv: Conv2d,
    height: usize,
    width: usize,
    out_width: usize,
}

impl PackB for Patches<'_> {
    #[inline(always)]
    fn pack<const W: usize>(&self, col: usize, cols: usize, k0: usize, to: &mut [[f32; W]]) {
        let kernel = self.conv.kernel;
        let plane = self.height * self.width;
        for (k, to) in to.iter_mut().enumerate() {
            let k = k0 + k;
            let (channel, ky, kx) = (k / (kernel * kernel), k / kernel % kernel, k % kernel);
            let x = &self.x[channel * plane..(channel + 1) * plane];
            let mut at = 0;
            while at < cols {
                let (row, left) = ((col + at) / self.out_width, (col + at) % self.out_width);
                let len = (self.out_width - left).min(cols - at);
                let to = &mut to[at..at + len];
                at += len;
                gather(
                    self.conv,
                    x,
                    (self.height, self.width),
                    (row, left),
                    (ky, kx),
                    to,
                );
            }
        }
    }
}

/// What a tap of the kernel sees of a plane at the outputs of `row` from `left` on, zero outside of it.
#[inline(always)]
pub(super) fn gather(
    conv: Conv2d,
    plane: &[f32],
    (height, width): (usize, usize),
    (row, left): (usize, usize),
    (ky, kx): (usize, usize),
    to: &mut [f32],
) {
    let Conv2d {
        stride, pad_before, ..
    } = conv;
    let y = row * stride + ky;
    if y < pad_before || y - pad_before >= height {
        to.fill(0.0);
        return;
    }
    let line = &plane[(y - pad_before) * width..][..width];
    // Output pixel `left + t` reads column `(left + t)·stride + kx − pad`.
    let first = left * stride + kx;
    let skip = pad_before
        .saturating_sub(first)
        .div_ceil(stride)
        .min(to.len());
    let from = first + skip * stride - pad_before.min(first + skip * stride);
    let inside = width
        .saturating_sub(from)
        .div_ceil(stride)
        .min(to.len() - skip);
    to[..skip].fill(0.0);
    to[skip + inside..].fill(0.0);
    let to = &mut to[skip..skip + inside];
    if inside == 0 {
        return;
    }
    match stride {
        1 => to.copy_from_slice(&line[from..from + inside]),
        2 => {
            let line = &line[from..];
            let (pairs, _) = line.as_chunks::<2>();
            for (to, pair) in to.iter_mut().zip(pairs) {
                *to = pair[0];
            }
            if pairs.len() < inside {
                to[inside - 1] = line[2 * (inside - 1)];
            }
        }
        _ => {
            for (to, from) in to.iter_mut().zip(line[from..].iter().step_by(stride)) {
                *to = *from;
            }
        }
    }
}
