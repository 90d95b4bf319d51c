//! How often a caption could be told among a hundred by somebody who knows all about the scene, and so how much is to be
//! expected of a CLIP: captions such as "a view in the evening" fit many scenes.
//!
//! ```text
//! cargo run --release -p ccsr-world --example retrieval_ceiling -- elephant giraffe zebra lion horse bird
//! ```
#![expect(
    clippy::print_stdout,
    reason = "the numbers are what the example is for"
)]

use ccsr_world::{About, Answer, Class, Example, Split, Web, truth};

/// Scenes, and how many are told apart at a time.
const COUNTS: [usize; 2] = [2000, 100];

fn main() {
    let classes = std::env::args().skip(1);
    let classes = classes.filter_map(|name| Class::from_name(&name));
    let web = Web {
        seed: 0,
        split: Split::Test,
        classes: classes.collect(),
        defects: 0.2,
        wrong: 0.0,
        facing: None,
    };
    let examples: Vec<Example> = (0..COUNTS[0] as u64).map(|it| web.example(it)).collect();
    let (captions, scenes): (Vec<_>, Vec<_>) = examples.chunks(COUNTS[1]).map(told).unzip();
    let share = |rights: Vec<f64>| rights.iter().sum::<f64>() / COUNTS[0] as f64;
    println!("the right caption of a scene: {:.3}", share(captions));
    println!("the right scene of a caption: {:.3}", share(scenes));
}

/// How many captions, and how many scenes, of a lot are told: of all that fit, the caption that fits fewest scenes, and a
/// scene by lot.
fn told(lot: &[Example]) -> (f64, f64) {
    let fits = |scene: &Example, of: &Example| {
        truth(
            &scene.scene,
            &of.caption.says,
            of.class,
            About::PromptRespected,
        ) == Answer::Yes
    };
    let fitting: Vec<Vec<bool>> = lot
        .iter()
        .map(|caption| lot.iter().map(|scene| fits(scene, caption)).collect())
        .collect();
    let scenes: Vec<usize> = fitting
        .iter()
        .map(|of| of.iter().filter(|fits| **fits).count())
        .collect();
    let told = (0..lot.len()).map(|own| {
        let candidates = (0..lot.len()).filter(|caption| fitting[*caption][own]);
        let candidates: Vec<usize> = candidates.map(|caption| scenes[caption]).collect();
        let best = candidates.iter().copied().min().unwrap_or(usize::MAX);
        if scenes[own] == best {
            1.0 / candidates.iter().filter(|it| **it == best).count() as f64
        } else {
            0.0
        }
    });
    let found = scenes.iter().map(|count| 1.0 / (*count).max(1) as f64);
    (told.sum(), found.sum())
}
