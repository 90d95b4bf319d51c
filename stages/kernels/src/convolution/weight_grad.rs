//! The gradient of a convolution's weights: one matrix product whose sum runs over the output pixels of all images.

use super::conv::{Conv2d, gather};
use super::gemm::{Bias, DEPTH, Dims, PackA, PackB, gemm};
use super::simd::ROWS;
use super::weights::transpose;

/// `dw[o][i][ky][kx] = Σ_n Σ_yx dy[n][o][y][x] · x[n][i][y·stride + ky − pad][x·stride + kx − pad]`, zero outside of the
/// images: the weight gradient of [`conv2d`](super::conv::conv2d), of any kernel, stride and padding. `height` and
/// `width` are those of the input. The sum is added up in the same order whatever the number of threads.
///
/// # Panics
/// When the slices' lengths do not match.
pub fn conv2d_weight_grad(
    x: &[f32],
    dy: &[f32],
    conv: Conv2d,
    (height, width): (usize, usize),
    dw: &mut [f32],
) {
    let image = conv.inputs * height * width;
    let (out_height, out_width) = (conv.output_side(height), conv.output_side(width));
    let pixels = out_height * out_width;
    let batch = x.len().checked_div(image).unwrap_or(0);
    let taps = conv.inputs * conv.kernel * conv.kernel;
    assert_eq!(x.len(), batch * image, "input");
    assert_eq!(dy.len(), batch * conv.outputs * pixels, "output gradient");
    assert_eq!(dw.len(), conv.outputs * taps, "weight gradient");
    let dims = Dims {
        m: conv.outputs,
        n: taps,
        k: batch * pixels,
    };
    let a = Outputs {
        dy,
        outputs: conv.outputs,
        pixels,
    };
    let b = Taps {
        x,
        conv,
        height,
        width,
        out_width,
        pixels,
    };
    gemm(dims, &a, &b, Bias::None, dw);
}

/// `db[o] = Σ_n Σ_yx dy[n][o][y][x]`: the gradient of a convolution's bias, of so many outputs and pixels.
///
/// # Panics
/// When the slice's length does not match.
pub fn conv2d_bias_grad(dy: &[f32], outputs: usize, pixels: usize) -> Vec<f32> {
    let image = outputs * pixels;
    let batch = dy.len().checked_div(image).unwrap_or(0);
    assert_eq!(dy.len(), batch * image, "output gradient");
    crate::parallel::groups(outputs, batch * pixels, |output| {
        // As many sums as a vector has lanes, and one of what is left of each image.
        let (mut lanes, mut rest) = ([0.0; LANES], 0.0);
        for image in 0..batch {
            let dy = &dy[(image * outputs + output) * pixels..][..pixels];
            let (vectors, last) = dy.as_chunks::<LANES>();
            for vector in vectors {
                for (lane, number) in lanes.iter_mut().zip(vector) {
                    *lane += number;
                }
            }
            rest += last.iter().sum::<f32>();
        }
        lanes.iter().sum::<f32>() + rest
    })
}

/// Sums that are added up beside each other.
const LANES: usize = 16;

/// The gradient of the outputs: a row per channel, a column per pixel of every image.
struct Outputs<'a> {
    dy: &'a [f32],
    outputs: usize,
    pixels: usize,
}

impl PackA for Outputs<'_> {
    #[inline(always)]
    fn pack(&self, row: usize, rows: usize, k0: usize, to: &mut [[f32; ROWS]]) {
        let depth = to.len();
        let mut room = [0.0; ROWS * DEPTH];
        for (r, line) in room.chunks_exact_mut(depth).take(rows).enumerate() {
            let mut at = 0;
            while at < depth {
                let (image, pixel) = ((k0 + at) / self.pixels, (k0 + at) % self.pixels);
                let len = (self.pixels - pixel).min(depth - at);
                let from = (image * self.outputs + row + r) * self.pixels + pixel;
                line[at..at + len].copy_from_slice(&self.dy[from..from + len]);
                at += len;
            }
        }
        transpose_rows(&room, depth, rows, to, 0);
    }
}

/// What taps see: a row per output pixel of every image, a column per input channel and tap.
struct Taps<'a> {
    x: &'a [f32],
    conv: Conv2d,
    height: usize,
    width: usize,
    out_width: usize,
    pixels: usize,
}

impl PackB for Taps<'_> {
    #[inline(always)]
    fn pack<const W: usize>(&self, col: usize, cols: usize, k0: usize, to: &mut [[f32; W]]) {
        let depth = to.len();
        let mut room = [0.0; ROWS * DEPTH];
        for first in (0..W).step_by(ROWS) {
            let count = cols.saturating_sub(first).min(ROWS);
            for (r, line) in room.chunks_exact_mut(depth).take(count).enumerate() {
                self.line(col + first + r, k0, line);
            }
            transpose_rows(&room, depth, count, to, first);
        }
    }
}

impl Taps<'_> {
    /// What one tap sees at the pixels from `k0` on.
    #[inline(always)]
    fn line(&self, tap: usize, k0: usize, line: &mut [f32]) {
        let kernel = self.conv.kernel;
        let plane = self.height * self.width;
        let (channel, tap) = (tap / (kernel * kernel), tap % (kernel * kernel));
        let mut at = 0;
        while at < line.len() {
            let (image, pixel) = ((k0 + at) / self.pixels, (k0 + at) % self.pixels);
            let (row, left) = (pixel / self.out_width, pixel % self.out_width);
            let len = (self.out_width - left).min(line.len() - at);
            let from = (image * self.conv.inputs + channel) * plane;
            gather(
                self.conv,
                &self.x[from..from + plane],
                (self.height, self.width),
                (row, left),
                (tap / kernel, tap % kernel),
                &mut line[at..at + len],
            );
            at += len;
        }
    }
}

/// Rows of `depth` numbers, one after the other, as columns from `at` on.
#[inline(always)]
fn transpose_rows<const W: usize>(
    room: &[f32],
    depth: usize,
    count: usize,
    to: &mut [[f32; W]],
    at: usize,
) {
    let mut lines = [&[][..]; ROWS];
    for (line, row) in lines.iter_mut().zip(room.chunks_exact(depth)).take(count) {
        *line = row;
    }
    transpose(&lines[..count], to, at);
}
