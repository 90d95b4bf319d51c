//! How an image is cut into Winograd tiles, and the copies in and out.

use super::simd::COLS;

/// The sizes of one call.
#[derive(Clone, Copy)]
pub(crate) struct Size {
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
    pub(crate) height: usize,
    pub(crate) width: usize,
}

/// Consecutive tiles of one tile row: `len` tiles from column `tx` in row
/// `ty` of `image` go to the lanes from `lane` of a panel.
#[derive(Clone, Copy)]
pub(crate) struct Run {
    pub(crate) image: usize,
    ty: usize,
    tx: usize,
    len: usize,
    lane: usize,
}

/// Up to 48 tiles that are worked on together.
pub(crate) struct Panel {
    pub(crate) runs: Vec<Run>,
    /// Columns: the tiles rounded up to whole vectors of 16.
    pub(crate) width: usize,
}

/// All tiles of a batch of images, row by row, in panels.
pub(crate) fn panels(size: Size, batch: usize) -> Vec<Panel> {
    let (rows, cols) = (size.height.div_ceil(4), size.width.div_ceil(4));
    let tiles = batch * rows * cols;
    (0..tiles)
        .step_by(COLS)
        .map(|first| {
            let end = tiles.min(first + COLS);
            let mut runs = Vec::new();
            let mut at = first;
            while at < end {
                let (line, tx) = (at / cols, at % cols);
                let len = (cols - tx).min(end - at);
                runs.push(Run {
                    image: line / rows,
                    ty: line % rows,
                    tx,
                    len,
                    lane: at - first,
                });
                at += len;
            }
            Panel {
                runs,
                width: (end - first).next_multiple_of(16),
            }
        })
        .collect()
}

/// Copies the 6×6 pixels of each tile of a run, zero outside the plane.
#[inline(always)]
pub(crate) fn gather<const W: usize>(
    plane: &[f32],
    size: Size,
    run: Run,
    line: &mut [f32; 4 * COLS + 4],
    d: &mut [[[f32; W]; 6]; 6],
) {
    let left = usize::from(run.tx == 0);
    let from = 4 * run.tx + left - 1;
    let line = &mut line[..4 * run.len + 4];
    let inside = (line.len() - left).min(size.width - from);
    for (r, d) in d.iter_mut().enumerate() {
        let y = 4 * run.ty + r;
        let lanes = run.lane..run.lane + run.len;
        if y == 0 || y > size.height {
            for d in d {
                d[lanes.clone()].fill(0.0);
            }
            continue;
        }
        let row = &plane[(y - 1) * size.width + from..][..inside];
        line[..left].fill(0.0);
        line[left..left + inside].copy_from_slice(row);
        line[left + inside..].fill(0.0);
        let (quads, _) = line.as_chunks::<4>();
        let [d0, d1, d2, d3, d4, d5] = d;
        let (d0, d1) = (&mut d0[lanes.clone()], &mut d1[lanes.clone()]);
        let (d2, d3) = (&mut d2[lanes.clone()], &mut d3[lanes.clone()]);
        let (d4, d5) = (&mut d4[lanes.clone()], &mut d5[lanes]);
        for (t, q) in quads[..d0.len()].iter().enumerate() {
            d0[t] = q[0];
            d1[t] = q[1];
            d2[t] = q[2];
            d3[t] = q[3];
        }
        for (t, q) in quads[1..=d4.len()].iter().enumerate() {
            d4[t] = q[0];
            d5[t] = q[1];
        }
    }
}

/// Writes the 4×4 pixels of each tile of a run, as far as the plane goes.
#[inline(always)]
pub(crate) fn scatter<const W: usize>(
    plane: &mut [f32],
    size: Size,
    run: Run,
    y: &[[[f32; W]; 4]; 4],
) {
    for (r, y) in y.iter().enumerate().take(size.height - 4 * run.ty) {
        let from = 4 * run.tx;
        let row = &mut plane[(4 * run.ty + r) * size.width + from..];
        let row = &mut row[..(4 * run.len).min(size.width - from)];
        let lanes = run.lane..run.lane + run.len;
        let (y0, y1) = (&y[0][lanes.clone()], &y[1][lanes.clone()]);
        let (y2, y3) = (&y[2][lanes.clone()], &y[3][lanes]);
        let (quads, tail) = row.as_chunks_mut::<4>();
        let n = quads.len();
        let (y0, y1, y2, y3) = (y0, &y1[..y0.len()], &y2[..y0.len()], &y3[..y0.len()]);
        for (t, q) in quads.iter_mut().enumerate().take(y0.len()) {
            *q = [y0[t], y1[t], y2[t], y3[t]];
        }
        if !tail.is_empty() {
            let last = [y0[n], y1[n], y2[n], y3[n]];
            let count = tail.len();
            tail.copy_from_slice(&last[..count]);
        }
    }
}
