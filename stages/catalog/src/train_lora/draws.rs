//! What is drawn by chance in training: of the seed, the epoch and the image alone, so that training goes on after any
//! checkpoint as if it had never stopped, and no result depends on batches.

use ccsr_sampling::noise::Noise;
use ccsr_stage::Value;

/// A source of chance for one purpose.
fn source(purpose: &str, seed: u64, numbers: [u64; 2]) -> Noise {
    let numbers = [seed, numbers[0], numbers[1]].map(|number| Value::Int(number as i64));
    let parts = [Value::from("train.lora"), Value::from(purpose)]
        .into_iter()
        .chain(numbers);
    Noise::new(*Value::list(parts).digest().as_bytes())
}

/// The numbers that an adapter begins with, of its layer of this number.
pub(super) fn initial(seed: u64, layer: u64) -> Noise {
    source("layer", seed, [layer, 0])
}

/// A whole number below `end`.
fn below(noise: &mut Noise, end: usize) -> usize {
    ((noise.uniform() * end as f64) as usize).min(end.saturating_sub(1))
}

/// The steps of an epoch, counted from 0: which images, by their numbers. `shapes` says each image's shape; images of one
/// step have one, and are `step` many as a rule.
pub(super) fn order<S: PartialEq>(
    seed: u64,
    epoch: u64,
    shapes: &[S],
    step: usize,
) -> Vec<Vec<usize>> {
    let mut noise = source("order", seed, [epoch, 0]);
    let mut images: Vec<usize> = (0..shapes.len()).collect();
    for last in (1..images.len()).rev() {
        images.swap(last, below(&mut noise, last + 1));
    }
    let (mut steps, mut begun) = (Vec::new(), Vec::<Vec<usize>>::new());
    for image in images {
        let alike = |open: &Vec<usize>| shapes[open[0]] == shapes[image];
        let position = begun.iter().position(alike).unwrap_or_else(|| {
            begun.push(Vec::new());
            begun.len() - 1
        });
        begun[position].push(image);
        if begun[position].len() == step {
            steps.push(begun.swap_remove(position));
        }
    }
    steps.extend(begun);
    steps
}

/// How many steps an epoch has: the same number each.
pub(super) fn steps_of_epoch<S: PartialEq>(shapes: &[S], step: usize) -> u64 {
    order(0, 0, shapes, step).len() as u64
}

/// How an image is shown in an epoch.
pub(super) struct Showing {
    /// Of those of the noise schedule.
    pub(super) timestep: usize,
    /// As in a mirror.
    pub(super) flipped: bool,
    /// Without its prompt.
    pub(super) unsaid: bool,
    /// How far from left and top to right and bottom it is cut.
    pub(super) place: [f64; 2],
    /// What is left to draw: noise.
    pub(super) noise: Noise,
}

impl Showing {
    pub(super) fn of(seed: u64, epoch: u64, image: usize, timesteps: usize, dropout: f64) -> Self {
        let mut noise = source("image", seed, [epoch, image as u64]);
        // Each is drawn whether or not it is used: what is switched on changes nothing else.
        Self {
            timestep: below(&mut noise, timesteps),
            flipped: noise.uniform() < 0.5,
            unsaid: noise.uniform() < dropout,
            place: [noise.uniform(), noise.uniform()],
            noise,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_shows_every_image_once() {
        for epoch in 0..5 {
            let steps = order(7, epoch, &[(); 10], 4);
            assert_eq!(steps.iter().map(Vec::len).collect::<Vec<_>>(), [4, 4, 2]);
            let mut images = steps.concat();
            images.sort_unstable();
            assert_eq!(images, (0..10).collect::<Vec<_>>());
            assert_ne!(steps, order(7, epoch + 1, &[(); 10], 4));
            assert_ne!(steps, order(8, epoch, &[(); 10], 4));
            assert_eq!(steps, order(7, epoch, &[(); 10], 4));
        }
    }

    #[test]
    fn images_of_one_step_have_one_shape() {
        let shapes: Vec<usize> = (0..23).map(|image| image % 3).collect();
        for epoch in 0..20 {
            let steps = order(1, epoch, &shapes, 4);
            assert_eq!(steps.len() as u64, steps_of_epoch(&shapes, 4));
            for step in &steps {
                assert!(step.iter().all(|image| shapes[*image] == shapes[step[0]]));
            }
            assert_eq!(steps.concat().len(), 23);
        }
    }

    #[test]
    fn chances_are_even() {
        let showings: Vec<_> = (0..4000)
            .map(|image| Showing::of(3, 5, image, 1000, 0.1))
            .collect();
        let share = |test: &dyn Fn(&Showing) -> bool| {
            showings.iter().filter(|showing| test(showing)).count() as f64 / 4000.0
        };
        assert!((share(&|showing| showing.flipped) - 0.5).abs() < 0.03);
        assert!((share(&|showing| showing.unsaid) - 0.1).abs() < 0.02);
        assert!((share(&|showing| showing.timestep < 250) - 0.25).abs() < 0.03);
        assert!(showings.iter().all(|showing| showing.timestep < 1000));
    }
}
