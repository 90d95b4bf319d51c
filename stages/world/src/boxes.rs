//! Where the animals of a scene are, and how much of each is to be seen.

use tiny_skia::{FillRule, Mask, Transform};

use crate::anatomy::Figure;
use crate::kinds::Class;
use crate::scene::Scene;

/// Side of the grid on which a partly hidden animal's share is counted.
const GRID: u32 = 48;
/// What more than half of a cell or pixel is covered by.
pub(crate) const HALF: u8 = 127;

/// The true box of one animal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrueBox {
    /// The animal's class.
    pub class: Class,
    /// The left edge in pixels, not below 0.
    pub x0: f32,
    /// The top edge in pixels, not below 0.
    pub y0: f32,
    /// The right edge in pixels, not beyond the image.
    pub x1: f32,
    /// The bottom edge in pixels, not beyond the image.
    pub y1: f32,
    /// The share of the animal that is in the image and not behind another animal, `0.0..=1.0`.
    pub visible: f32,
    /// How many defects the animal has.
    pub defects: usize,
}

impl TrueBox {
    /// Whether a person would notice the animal: a quarter of it is to be seen, and it is no mere dot.
    pub fn is_seen(&self, size: u32) -> bool {
        let longer = (self.x1 - self.x0).max(self.y1 - self.y0);
        self.visible >= 0.25 && longer >= 0.06 * size as f32
    }
}

impl Scene {
    /// The boxes of all animals in the scene's order, in an image of `size` pixels a side.
    ///
    /// A box encloses the animal itself: not its shadow, nor the water around it.
    pub fn boxes(&self, size: u32) -> Vec<TrueBox> {
        let figures: Vec<Figure> = self.animals.iter().map(Figure::of).collect();
        let bounds: Vec<[f32; 4]> = figures.iter().map(Figure::bounds).collect();
        let side = size as f32;
        let pixels = |share: f32| share.clamp(0.0, 1.0) * side;
        let order = self.order_far_to_near();
        let place = |index: usize| order.iter().position(|other| *other == index);
        self.animals
            .iter()
            .enumerate()
            .map(|(index, animal)| {
                let nearer: Vec<&Figure> = (0..figures.len())
                    .filter(|&other| {
                        place(other) > place(index) && overlap(&bounds[index], &bounds[other])
                    })
                    .map(|other| &figures[other])
                    .collect();
                let [x0, y0, x1, y1] = bounds[index];
                TrueBox {
                    class: animal.class,
                    x0: pixels(x0),
                    y0: pixels(y0),
                    x1: pixels(x1),
                    y1: pixels(y1),
                    visible: visible(&figures[index], &bounds[index], &nearer),
                    defects: animal.defects.len(),
                }
            })
            .collect()
    }
}

fn overlap(a: &[f32; 4], b: &[f32; 4]) -> bool {
    a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3]
}

/// The share of a figure that lies in the image and behind none of the others, counted on a grid over its box.
fn visible(figure: &Figure, bounds: &[f32; 4], nearer: &[&Figure]) -> f32 {
    let [x0, y0, x1, y1] = *bounds;
    let inside = x0 >= 0.0 && y0 >= 0.0 && x1 <= 1.0 && y1 <= 1.0;
    if inside && nearer.is_empty() {
        return 1.0;
    }
    let (width, height) = ((x1 - x0).max(1e-6), (y1 - y0).max(1e-6));
    let to_grid =
        Transform::from_translate(-x0, -y0).post_scale(GRID as f32 / width, GRID as f32 / height);
    let own = silhouette(&[figure], [GRID; 2], to_grid);
    let others = silhouette(nearer, [GRID; 2], to_grid);
    let (mut total, mut seen) = (0_u32, 0_u32);
    for (index, (&own, &other)) in own.data().iter().zip(others.data()).enumerate() {
        let (column, row) = (index as u32 % GRID, index as u32 / GRID);
        let x = x0 + (column as f32 + 0.5) / GRID as f32 * width;
        let y = y0 + (row as f32 + 0.5) / GRID as f32 * height;
        if own > HALF {
            total += 1;
            let inside = (0.0..1.0).contains(&x) && (0.0..1.0).contains(&y);
            seen += u32::from(inside && other <= HALF);
        }
    }
    seen as f32 / total.max(1) as f32
}

/// How much of each cell of a grid figures cover together.
pub(crate) fn silhouette(
    figures: &[&Figure],
    [width, height]: [u32; 2],
    to_grid: Transform,
) -> Mask {
    let mut mask = Mask::new(width, height).expect("the grid has cells");
    for figure in figures {
        for shape in figure.sketch.shapes() {
            mask.fill_path(
                &shape.path,
                FillRule::Winding,
                false,
                figure.transform.post_concat(to_grid),
            );
        }
    }
    mask
}
