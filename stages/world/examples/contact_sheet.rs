//! Writes sheets of every class, pose, place and defect as PNG files, to be looked at.
//!
//! Usage: `contact_sheet <directory> [side of a picture in pixels, 256]`

use std::error::Error;
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use ccsr_world::{
    Animal, Background, Class, Colour, DefectKind, Example, Facing, Fact, Image, Place, Pose,
    Rates, Scene, Split, Spot, Time, Weather, Web, Wish, draw, grammar,
};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let directory = PathBuf::from(arguments.next().ok_or("which directory?")?);
    let side = match arguments.next() {
        Some(side) => side.to_string_lossy().parse()?,
        None => 256,
    };
    std::fs::create_dir_all(&directory)?;
    let save = |name: &str, columns: usize, scenes: &[Scene]| {
        let images: Vec<Image> = scenes.iter().map(|scene| scene.render(side)).collect();
        write_sheet(&directory.join(format!("{name}.png")), columns, &images)
    };

    let everyone: Vec<Scene> = Class::ALL
        .iter()
        .map(|&class| portrait(class, Pose::Standing))
        .collect();
    save("classes", 4, &everyone)?;
    for &class in Class::ALL {
        let poses: Vec<Scene> = Pose::ALL
            .iter()
            .map(|&pose| portrait(class, pose))
            .collect();
        save(&format!("poses-{class}"), 4, &poses)?;
        let defects: Vec<Scene> = DefectKind::ALL
            .iter()
            .filter_map(|&kind| with_defect(class, kind))
            .collect();
        save(&format!("defects-{class}"), 5, &defects)?;
    }
    let colours: Vec<Scene> = [Class::Elephant, Class::Zebra, Class::Bird]
        .into_iter()
        .flat_map(|class| Colour::ALL.iter().map(move |&colour| (class, colour)))
        .map(|(class, colour)| recoloured(portrait(class, Pose::Standing), colour))
        .collect();
    save("colours", Colour::ALL.len(), &colours)?;
    let places: Vec<Scene> = Place::ALL.iter().flat_map(|&place| views(place)).collect();
    save("places", Background::ALL.len(), &places)?;
    let skies: Vec<Scene> = Weather::ALL
        .iter()
        .flat_map(|&weather| hours(weather))
        .collect();
    save("skies", Time::ALL.len(), &skies)?;
    let drawn: Vec<Scene> = (0..40_u8)
        .map(|ordinal| {
            let class = Class::ALL[usize::from(ordinal) % Class::ALL.len()];
            let wish = Wish::parse(&grammar::prompt(1, class, u64::from(ordinal)));
            let rates = Rates {
                defect: 0.4,
                misreading: 0.2,
            };
            draw(&wish, &[ordinal; 32], &rates)
        })
        .collect();
    save("drawn", 8, &drawn)?;
    let web = Web {
        seed: 0,
        split: Split::Train,
        classes: Vec::new(),
        defects: 0.2,
        wrong: 0.15,
        facing: None,
    };
    let examples: Vec<Example> = (0..40).map(|ordinal| web.example(ordinal)).collect();
    let scenes: Vec<Scene> = examples.iter().map(|e| e.scene.clone()).collect();
    save("web", 8, &scenes)?;
    let captions = examples.iter().map(|example| {
        let wrong = example.caption.wrong.map_or("", Fact::name);
        format!("{wrong:>12} {}\n", example.caption.text)
    });
    std::fs::write(directory.join("web.txt"), captions.collect::<String>())?;
    Ok(())
}

/// One animal, alone and large.
fn portrait(class: Class, pose: Pose) -> Scene {
    let wish = Wish {
        class: Some(class),
        count: Some(1),
        pose: Some(pose),
        place: Some(if pose == Pose::Bathing {
            Place::River
        } else {
            Place::Meadow
        }),
        background: Some(Background::Hills),
        time: Some(Time::Noon),
        weather: Some(Weather::Clear),
        ..Wish::default()
    };
    recoloured(
        draw(&wish, &[3; 32], &Rates::default()),
        class.natural_colours()[0],
    )
}

fn recoloured(mut scene: Scene, colour: Colour) -> Scene {
    for animal in &mut scene.animals {
        animal.colour = colour;
    }
    scene
}

fn with_defect(class: Class, kind: DefectKind) -> Option<Scene> {
    let mut scene = portrait(class, Pose::Standing);
    match kind {
        DefectKind::Ghost => {
            scene.ghost = Some(Spot {
                x: 0.3,
                y: 0.25,
                size: 0.24,
            });
        }
        DefectKind::TornPatch => {
            scene.torn = Some(Spot {
                x: 0.6,
                y: 0.5,
                size: 0.24,
            });
        }
        _ if kind.suits(class, Pose::Standing) => scene.animals[0].defects.push(kind),
        _ => return None,
    }
    Some(scene)
}

/// A place before every background.
fn views(place: Place) -> impl Iterator<Item = Scene> {
    Background::ALL.iter().map(move |&background| Scene {
        animals: Vec::new(),
        place,
        background,
        time: Time::Morning,
        weather: Weather::Clear,
        detail: 5,
        ghost: None,
        torn: None,
    })
}

/// A weather at every hour.
fn hours(weather: Weather) -> impl Iterator<Item = Scene> {
    Time::ALL.iter().map(move |&time| Scene {
        animals: vec![Animal {
            class: Class::Elephant,
            colour: Colour::Grey,
            pose: Pose::Walking,
            x: 0.45,
            y: 0.92,
            scale: 0.6,
            facing: Facing::Right,
            depth: 0.0,
            defects: Vec::new(),
        }],
        place: Place::Savanna,
        background: Background::Mountains,
        time,
        weather,
        detail: 9,
        ghost: None,
        torn: None,
    })
}

/// Writes equal images as one, row by row.
fn write_sheet(path: &Path, columns: usize, images: &[Image]) -> Result<(), Box<dyn Error>> {
    let side = images[0].width as usize;
    let rows = images.len().div_ceil(columns);
    let mut pixels = vec![255; columns * rows * side * side * 3];
    for (index, image) in images.iter().enumerate() {
        let (column, row) = (index % columns, index / columns);
        for (line, bytes) in image.pixels.chunks_exact(side * 3).enumerate() {
            let start = ((row * side + line) * columns + column) * side * 3;
            pixels[start..start + side * 3].copy_from_slice(bytes);
        }
    }
    let file = BufWriter::new(File::create(path)?);
    let mut encoder = png::Encoder::new(file, (columns * side) as u32, (rows * side) as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.write_header()?.write_image_data(&pixels)?;
    Ok(())
}
