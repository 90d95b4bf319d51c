//! Pixels: determinism, boxes, and that defects can be seen.

use ccsr_world::{BodyPart, Class, DefectKind, Image, Pose, Rates, Scene, TrueBox};

use crate::{drawn, one, with};

/// The pixels that differ by more than a trace: how many, and their extent.
fn difference(a: &Image, b: &Image) -> (usize, [f32; 4]) {
    let mut extent = [f32::MAX, f32::MAX, f32::MIN, f32::MIN];
    let mut count = 0;
    let pairs = a.pixels.chunks_exact(3).zip(b.pixels.chunks_exact(3));
    for (index, (a, b)) in pairs.enumerate() {
        if a.iter().zip(b).any(|(a, b)| a.abs_diff(*b) > 12) {
            count += 1;
        }
        if a != b {
            let width = 256;
            let (x, y) = ((index % width) as f32, (index / width) as f32);
            extent = [
                extent[0].min(x),
                extent[1].min(y),
                extent[2].max(x + 1.0),
                extent[3].max(y + 1.0),
            ];
        }
    }
    (count, extent)
}

#[test]
fn a_scene_renders_to_the_same_bytes() {
    for ordinal in 0..40 {
        let (_, scene) = drawn(
            ordinal,
            &Rates {
                defect: 0.5,
                misreading: 0.5,
            },
        );
        let again = Scene::from_text(&scene.to_text()).unwrap();
        assert_eq!(scene.render(64), again.render(64));
    }
}

#[test]
fn any_size_is_rendered() {
    let (_, scene) = drawn(5, &Rates::default());
    for (asked, side) in [(16, 16), (64, 64), (100, 100), (192, 192), (0, 16)] {
        let image = scene.render(asked);
        assert_eq!((image.width, image.height), (side, side));
        assert_eq!(image.pixels.len(), (side * side * 3) as usize);
    }
}

/// Without its shadow, an animal changes the pixels of its box and no others.
#[test]
fn boxes_enclose_their_animals() {
    for &class in Class::ALL {
        for pose in [
            Pose::Standing,
            Pose::Walking,
            Pose::Running,
            Pose::Eating,
            Pose::Sleeping,
            Pose::LookingUp,
        ] {
            let scene = with(one(class, pose), DefectKind::MissingShadow);
            let mut empty = scene.clone();
            empty.animals.clear();
            let (_, [x0, y0, x1, y1]) = difference(&scene.render(256), &empty.render(256));
            let [found] = scene.boxes(256).try_into().unwrap();
            let TrueBox {
                x0: a,
                y0: b,
                x1: c,
                y1: d,
                ..
            } = found;
            let outside = [a - x0, b - y0, x1 - c, y1 - d];
            assert!(
                outside.iter().all(|&out| out <= 1.0),
                "{class} {pose}: {outside:?} outside the box"
            );
            assert!(
                outside.iter().all(|&out| out >= -3.0),
                "{class} {pose}: {outside:?}, the box is loose"
            );
        }
    }
}

/// Animals do not overlap in what is seen of them, and stand in their boxes.
#[test]
fn traces_of_animals_are_what_is_seen_of_them() {
    let mut scene = one(Class::Cow, Pose::Standing);
    let alone = scene.animal_traces(64)[0].clone();
    let mut near = scene.animals[0].clone();
    near.depth = -0.5;
    near.x += 0.2;
    scene.animals.push(near);
    let [far, near] = scene.animal_traces(64).try_into().unwrap();
    assert_eq!(far.size, 64);
    assert!(far.area() < alone.area() && near.area() > far.area());
    let both = far.pixels.iter().zip(&near.pixels);
    assert!(both.clone().all(|(far, near)| !(far & near)));
    let boxes = scene.boxes(64);
    for (at, (far, near)) in both.enumerate() {
        let (x, y) = ((at % 64) as f32 + 0.5, (at / 64) as f32 + 0.5);
        for found in [far, near]
            .into_iter()
            .zip(&boxes)
            .filter_map(|(seen, found)| seen.then_some(found))
        {
            assert!((found.x0 - 1.0..found.x1 + 1.0).contains(&x), "{at}");
            assert!((found.y0 - 1.0..found.y1 + 1.0).contains(&y), "{at}");
        }
    }
}

/// All that is seen of an animal is some part of it; a defect takes a part away, or there is more of it.
#[test]
fn parts_of_a_body_are_seen_where_they_are() {
    let count = |scene: &Scene, part: BodyPart| {
        let parts = scene.body_parts(64);
        parts.iter().filter(|there| **there == Some(part)).count()
    };
    for &class in Class::ALL {
        let sound = one(class, Pose::Standing);
        let [seen] = sound.animal_traces(64).try_into().unwrap();
        let parts = sound.body_parts(64);
        let parts = parts.iter().map(Option::is_some);
        assert!(parts.eq(seen.pixels), "{class}");
        assert_eq!(count(&sound, BodyPart::Stump), 0, "{class}");
        let leg = match class {
            Class::Bird => BodyPart::HindLeg,
            _ => BodyPart::ForeLeg,
        };
        for (defect, gone) in [
            (DefectKind::HeadMissing, BodyPart::Head),
            (DefectKind::TailMissing, BodyPart::Tail),
            (DefectKind::LegMissing, leg),
        ] {
            let flawed = with(one(class, Pose::Standing), defect);
            assert!(count(&sound, gone) > 0, "{class} {gone}");
            assert_eq!(count(&flawed, gone), 0, "{class} {defect}");
        }
        for (defect, more) in [
            (DefectKind::SecondNeck, BodyPart::Head),
            (DefectKind::ExtraLeg, BodyPart::HindLeg),
        ] {
            let flawed = with(one(class, Pose::Standing), defect);
            assert!(
                count(&flawed, more) > count(&sound, more),
                "{class} {defect}"
            );
        }
    }
    // Of several animals, too, in every pose: what is seen of any is a part.
    for ordinal in 0..200 {
        let (_, scene) = drawn(ordinal, &Rates::default());
        let traces = scene.animal_traces(64);
        for (at, part) in scene.body_parts(64).iter().enumerate() {
            let is_seen = traces.iter().any(|trace| trace.pixels[at]);
            assert_eq!(part.is_some(), is_seen, "{ordinal}: {at}");
        }
    }
    let two = with(
        one(Class::Elephant, Pose::Standing),
        DefectKind::SecondTrunk,
    );
    let one = one(Class::Elephant, Pose::Standing);
    assert!(count(&two, BodyPart::Trunk) > count(&one, BodyPart::Trunk));
}

/// A defect's trace is where the picture differs from the one without; what is too small is taken away, and no more.
#[test]
fn traces_of_defects_say_which_are_seen() {
    let mut scene = with(
        one(Class::Elephant, Pose::Standing),
        DefectKind::HeadMissing,
    );
    scene.animals[0].defects.push(DefectKind::TailMissing);
    let [head, tail] = scene.defect_traces(64).try_into().unwrap();
    assert_eq!(
        [head.0, tail.0],
        [DefectKind::HeadMissing, DefectKind::TailMissing]
    );
    let (head, tail) = (head.1, tail.1);
    assert!(tail.area() > 0 && head.area() > tail.area());
    let other = with(
        one(Class::Elephant, Pose::Standing),
        DefectKind::TailMissing,
    );
    let (own, other) = (scene.render(64), other.render(64));
    for (at, changed) in head.pixels.iter().enumerate() {
        let of = |image: &Image| image.pixels[3 * at..3 * at + 3].to_vec();
        assert!(!changed || of(&own) != of(&other), "{at}");
    }
    assert_eq!(scene.with_visible_defects(64, tail.area()), scene);
    let some = scene.with_visible_defects(64, tail.area() + 1);
    assert_eq!(some.defects(), [DefectKind::HeadMissing]);
    assert!(scene.with_visible_defects(64, 4097).is_sound());
    assert_eq!(scene.with_visible_defects(256, tail.area() + 1), scene);
    assert!(
        one(Class::Elephant, Pose::Standing)
            .defect_traces(64)
            .is_empty()
    );
}

/// Also where little room is: most of the animals that have it show each defect.
#[test]
fn most_defects_of_small_pictures_are_seen() {
    let mut counts = std::collections::BTreeMap::<DefectKind, [usize; 2]>::new();
    for ordinal in 0..1500 {
        let rates = Rates {
            defect: 1.0,
            misreading: 0.0,
        };
        let (_, scene) = drawn(ordinal, &rates);
        for (kind, trace) in scene.defect_traces(64) {
            let [all, seen] = counts.entry(kind).or_default();
            *all += 1;
            *seen += usize::from(trace.area() >= 8);
        }
    }
    assert_eq!(counts.len(), DefectKind::ALL.len());
    for (kind, [all, seen]) in counts {
        assert!(seen * 10 >= all * 6, "{kind}: {seen} of {all}");
    }
}

#[test]
fn hidden_and_cut_animals_are_less_visible() {
    let mut scene = one(Class::Cow, Pose::Standing);
    assert!(scene.boxes(64)[0].visible > 0.999);
    let mut near = scene.animals[0].clone();
    near.depth = -0.5;
    scene.animals.push(near);
    let boxes = scene.boxes(64);
    assert!(boxes[0].visible < 0.1, "{boxes:?}");
    assert!(boxes[1].visible > 0.999);
    scene.animals[1].x = 1.0;
    let boxes = scene.boxes(64);
    assert!((0.3..0.7).contains(&boxes[1].visible), "{boxes:?}");
    assert!(boxes[1].x1 <= 64.0);
    scene.animals[1].x = 1.9;
    assert!(scene.boxes(64)[1].visible < 0.001);
}

#[test]
fn animals_are_mostly_in_the_picture() {
    let (mut whole, mut total) = (0, 0);
    for ordinal in 0..1000 {
        let (_, scene) = drawn(ordinal, &Rates::default());
        for found in scene.boxes(64) {
            assert!(found.is_seen(64), "{}", scene.to_text());
            whole += usize::from(found.visible > 0.9);
            total += 1;
        }
    }
    assert!(whole * 100 >= total * 80, "{whole} of {total}");
}

/// Each defect changes enough of a 64-pixel image to be noticed.
#[test]
fn defects_can_be_seen_at_64_pixels() {
    for &class in Class::ALL {
        for &kind in DefectKind::ALL {
            if !kind.suits(class, Pose::Standing) && !kind.is_of_scene() {
                continue;
            }
            let mut sound = one(class, Pose::Standing);
            sound.animals[0].scale = 0.75;
            let spoilt = with(sound.clone(), kind);
            let (count, _) = difference(&sound.render(64), &spoilt.render(64));
            assert!(count >= 12, "{kind} of a {class} changes {count} pixels");
        }
    }
}
