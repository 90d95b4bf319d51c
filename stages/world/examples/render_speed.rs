//! Measures how many images are rendered in a second, and how fast all else is, and prints two tables.
//!
//! Usage: `render_speed [rounds, 5]`, with `--release`.

#![expect(clippy::print_stdout, reason = "the table is what the example is for")]

use std::time::Instant;

use ccsr_world::{About, Class, Rates, Scene, Wish, detect, draw, grammar, truth};

/// Scenes in a round.
const SCENES: u64 = 1200;

fn main() {
    let rounds: usize = std::env::args()
        .nth(1)
        .and_then(|text| text.parse().ok())
        .unwrap_or(5);
    let scenes: Vec<Scene> = (0..SCENES).map(scene).collect();
    println!(
        "{:>6} {:>8} {:>12} {:>12} {:>12}",
        "side", "threads", "median /s", "least /s", "most /s"
    );
    for side in [64, 128, 256, 512] {
        for threads in [1, 2] {
            let share = if side > 128 { 200 } else { scenes.len() };
            let mut speeds: Vec<f64> = (0..rounds)
                .map(|_| measure(&scenes[..share], side, threads))
                .collect();
            speeds.sort_by(f64::total_cmp);
            let (median, least, most) = (speeds[rounds / 2], speeds[0], speeds[rounds - 1]);
            println!("{side:>6} {threads:>8} {median:>12.0} {least:>12.0} {most:>12.0}");
        }
    }
    print_others(&scenes, rounds);
}

/// The rest, on one thread.
fn print_others(scenes: &[Scene], rounds: usize) {
    println!("\n{:<28} {:>12}", "on one thread", "median /s");
    let vocabulary: Vec<&str> = Class::ALL.iter().map(|class| class.name()).collect();
    print_speed(
        "prompts written and parsed",
        scenes,
        rounds,
        |_, ordinal| {
            std::hint::black_box(Wish::parse(&grammar::prompt(0, Class::Lion, ordinal)));
        },
    );
    print_speed("scenes drawn", scenes, rounds, |_, ordinal| {
        std::hint::black_box(scene(ordinal));
    });
    print_speed(
        "scenes judged (10 questions)",
        scenes,
        rounds,
        |scene, _| {
            let wish = scene.as_wish();
            for &about in About::ALL {
                std::hint::black_box(truth(scene, &wish, Class::Lion, about));
            }
        },
    );
    print_speed("scenes detected (11 labels)", scenes, rounds, |scene, _| {
        std::hint::black_box(detect(scene, &vocabulary, 64, &[0; 32]));
    });
    print_speed("texts written and read", scenes, rounds, |scene, _| {
        std::hint::black_box(Scene::from_text(&scene.to_text()).is_ok());
    });
}

fn print_speed(name: &str, scenes: &[Scene], rounds: usize, work: impl Fn(&Scene, u64)) {
    let mut speeds: Vec<f64> = (0..rounds)
        .map(|_| {
            let start = Instant::now();
            for (scene, ordinal) in scenes.iter().zip(0..) {
                work(scene, ordinal);
            }
            scenes.len() as f64 / start.elapsed().as_secs_f64()
        })
        .collect();
    speeds.sort_by(f64::total_cmp);
    println!("{name:<28} {:>12.0}", speeds[rounds / 2]);
}

/// A scene as the grammar's prompts make them.
fn scene(ordinal: u64) -> Scene {
    let class = Class::ALL[ordinal as usize % Class::ALL.len()];
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&ordinal.to_le_bytes());
    let wish = Wish::parse(&grammar::prompt(0, class, ordinal));
    draw(
        &wish,
        &seed,
        &Rates {
            defect: 0.3,
            misreading: 0.2,
        },
    )
}

/// Images per second over all the scenes.
fn measure(scenes: &[Scene], side: u32, threads: usize) -> f64 {
    let start = Instant::now();
    std::thread::scope(|scope| {
        for part in scenes.chunks(scenes.len().div_ceil(threads)) {
            scope.spawn(move || {
                for scene in part {
                    std::hint::black_box(scene.render(side));
                }
            });
        }
    });
    scenes.len() as f64 / start.elapsed().as_secs_f64()
}
