//! Prints captions of scenes, true and wrong, to be read.
//!
//! Usage: `captions [scenes, 10]`

use std::error::Error;
use std::io::Write;

use ccsr_world::{Class, Rates, captions, draw, grammar};

fn main() -> Result<(), Box<dyn Error>> {
    let count = match std::env::args().nth(1) {
        Some(count) => count.parse()?,
        None => 10,
    };
    let mut out = std::io::stdout().lock();
    for ordinal in 0..count {
        let class = Class::ALL[ordinal as usize % Class::ALL.len()];
        let wish = grammar::wish(1, class, ordinal);
        let scene = draw(&wish, &[ordinal as u8; 32], &Rates::default());
        writeln!(out, "{}", scene.caption())?;
        for seed in 0..6 {
            writeln!(out, "    {}", captions::caption(&scene, seed).text)?;
        }
        let wrong = captions::wrong(&scene, ordinal);
        let fact = wrong.wrong.map_or("nothing", |fact| fact.name());
        writeln!(out, "  wrong {fact}: {}", wrong.text)?;
    }
    Ok(())
}
