//! What of a picture an animal or a defect makes out, and whether a person would see it there.

use tiny_skia::{FillRule, Mask, Transform};

use crate::anatomy::Figure;
use crate::boxes::{HALF, silhouette};
use crate::kinds::{BodyPart, DefectKind};
use crate::scene::Scene;

/// By how much the three colours of a pixel change together, of 765, before anyone sees it.
const PLAIN: u32 = 60;

/// The pixels of a picture that something changes plainly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// The picture's side in pixels.
    pub size: u32,
    /// Whether each pixel is one of them, row by row from the top left.
    pub pixels: Vec<bool>,
}

impl Trace {
    /// How many pixels they are.
    pub fn area(&self) -> usize {
        self.pixels.iter().filter(|changed| **changed).count()
    }
}

impl Scene {
    /// The trace of each defect in a picture of `size` pixels a side, which can be rendered, in the order of
    /// [`defects`](Self::defects): where it differs from the one without the defect.
    ///
    /// At a small size, or behind another animal, a defect may leave none.
    pub fn defect_traces(&self, size: u32) -> Vec<(DefectKind, Trace)> {
        if self.is_sound() {
            return Vec::new();
        }
        let own = self.render(size).pixels;
        let without = self.without_one_defect();
        without
            .map(|(kind, other)| (kind, difference(size, &own, &other.render(size).pixels)))
            .collect()
    }

    /// What of each animal is to be seen in a picture of `size` pixels a side, in the scene's order: without its shadow, and
    /// where no nearer animal stands before it.
    pub fn animal_traces(&self, size: u32) -> Vec<Trace> {
        let mut nearest = vec![None; (size * size) as usize];
        for index in self.order_far_to_near() {
            let figure = Figure::of(&self.animals[index]);
            let to_pixels = Transform::from_scale(size as f32, size as f32);
            let mask = silhouette(&[&figure], [size; 2], to_pixels);
            for (pixel, cover) in nearest.iter_mut().zip(mask.data()) {
                if *cover > HALF {
                    *pixel = Some(index);
                }
            }
        }
        let trace = |index| Trace {
            size,
            pixels: nearest.iter().map(|it| *it == Some(index)).collect(),
        };
        (0..self.animals.len()).map(trace).collect()
    }

    /// What of an animal each pixel of a picture of `size` pixels a side shows, row by row from the top left; none where there
    /// is no animal. As for [`animal_traces`](Self::animal_traces), the nearest is seen.
    pub fn body_parts(&self, size: u32) -> Vec<Option<BodyPart>> {
        let mut nearest = vec![None; (size * size) as usize];
        for index in self.order_far_to_near() {
            let figure = Figure::of(&self.animals[index]);
            let to_pixels = figure.transform.post_scale(size as f32, size as f32);
            for shapes in figure
                .sketch
                .shapes()
                .chunk_by(|one, next| one.part == next.part)
            {
                let mut mask = Mask::new(size, size).expect("the picture has pixels");
                for shape in shapes {
                    mask.fill_path(&shape.path, FillRule::Winding, false, to_pixels);
                }
                for (pixel, cover) in nearest.iter_mut().zip(mask.data()) {
                    if *cover > HALF {
                        *pixel = Some(shapes[0].part);
                    }
                }
            }
        }
        nearest
    }

    /// The scene without those defects that change fewer pixels than `least` of a picture of `size` pixels a side: what
    /// cannot be seen is not wrong with a picture.
    #[must_use]
    pub fn with_visible_defects(&self, size: u32, least: usize) -> Self {
        // One defect may hide another, so that they are taken away one by one.
        let mut scene = self.clone();
        loop {
            let traces = scene.defect_traces(size);
            let hidden = traces.iter().position(|(_, trace)| trace.area() < least);
            let Some((_, without)) = hidden.and_then(|at| scene.without_one_defect().nth(at))
            else {
                return scene;
            };
            scene = without;
        }
    }

    /// For each of its defects, the scene without that one.
    fn without_one_defect(&self) -> impl Iterator<Item = (DefectKind, Self)> {
        let of_animals = self
            .animals
            .iter()
            .enumerate()
            .flat_map(move |(index, animal)| {
                let defects = animal.defects.iter().enumerate();
                defects.map(move |(at, kind)| {
                    let mut other = self.clone();
                    other.animals[index].defects.remove(at);
                    (*kind, other)
                })
            });
        let torn = self.torn.map(|_| {
            let torn = None;
            (
                DefectKind::TornPatch,
                Self {
                    torn,
                    ..self.clone()
                },
            )
        });
        let ghost = self.ghost.map(|_| {
            let ghost = None;
            (
                DefectKind::Ghost,
                Self {
                    ghost,
                    ..self.clone()
                },
            )
        });
        of_animals.chain(torn).chain(ghost)
    }
}

fn difference(size: u32, one: &[u8], other: &[u8]) -> Trace {
    let pixels = one.chunks_exact(3).zip(other.chunks_exact(3));
    let changed = pixels.map(|(one, other)| {
        let levels = one.iter().zip(other);
        let change: u32 = levels.map(|(a, b)| u32::from(a.abs_diff(*b))).sum();
        change > PLAIN
    });
    Trace {
        size,
        pixels: changed.collect(),
    }
}
