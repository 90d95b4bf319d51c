//! The web is what it is said to be, its splits share nothing, and negatives differ in one thing.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use ccsr_world::{
    About, Answer, Class, Facing, Fact, Rates, Scene, Split, Web, Wish, captions, draw, grammar,
    negatives, truth,
};

use crate::{drawn, seed};

fn web(split: Split) -> Web {
    Web {
        seed: 3,
        split,
        classes: Vec::new(),
        defects: 0.2,
        wrong: 0.15,
        facing: None,
    }
}

#[test]
fn no_scene_and_no_caption_is_in_two_splits() {
    let mut scenes = HashSet::new();
    let mut texts = HashSet::new();
    for (split, count) in [
        (Split::Test, 2500),
        (Split::Validation, 2500),
        (Split::Train, 20_000),
    ] {
        let (mut own_scenes, mut own_texts) = (HashSet::new(), HashSet::new());
        for ordinal in 0..count {
            // Whatever the rates and seeds.
            let web = Web {
                seed: ordinal % 2,
                defects: 0.3,
                ..web(split)
            };
            let example = web.example(ordinal);
            let mut animals: Vec<String> = example
                .scene
                .animals
                .iter()
                .map(|a| format!("{}{}{}", a.class, a.colour, a.pose))
                .collect();
            animals.sort();
            let scene = &example.scene;
            let place = [scene.place.name(), scene.background.name()];
            let sky = [scene.time.name(), scene.weather.name()];
            own_scenes.insert(format!("{animals:?}{place:?}{sky:?}"));
            let words: Vec<String> = example
                .caption
                .text
                .to_lowercase()
                .split(|c: char| !c.is_alphanumeric())
                .filter(|word| !word.is_empty())
                .map(str::to_owned)
                .collect();
            own_texts.insert(words.join(" "));
        }
        assert!(own_scenes.is_disjoint(&scenes), "{split}");
        assert!(own_texts.is_disjoint(&texts), "{split}");
        // And few are there twice.
        assert!(
            own_scenes.len() as u64 > count * 8 / 10,
            "{}",
            own_scenes.len()
        );
        scenes.extend(own_scenes);
        texts.extend(own_texts);
    }
}

#[test]
fn a_split_ignores_layout_defects_case_and_punctuation() {
    for ordinal in 0..200 {
        let (wish, scene) = drawn(ordinal, &Rates::default());
        let full = scene.as_wish();
        let spoilt = draw(
            &full,
            &seed(9000 + ordinal),
            &Rates {
                defect: 1.0,
                ..Rates::default()
            },
        );
        assert_ne!(scene, spoilt);
        assert_eq!(
            Split::of_scene(&scene),
            Split::of_scene(&spoilt),
            "{wish:?}"
        );
    }
    assert_eq!(
        Split::of_text("Two dogs, noon."),
        Split::of_text("two DOGS  noon")
    );
    let prompts = (0..3000).map(|ordinal| grammar::prompt(1, Class::Dog, ordinal));
    let mut shares = BTreeMap::<Split, usize>::new();
    prompts.for_each(|prompt| *shares.entry(Split::of_text(&prompt)).or_default() += 1);
    assert!((2300..2500).contains(&shares[&Split::Train]), "{shares:?}");
    assert!(
        shares[&Split::Validation] > 240 && shares[&Split::Test] > 240,
        "{shares:?}"
    );
}

#[test]
fn the_web_is_as_good_as_its_rates_say() {
    let web = web(Split::Train);
    let (mut defective, mut wrong, mut mixed, mut empty) = (0, 0, 0, 0);
    for ordinal in 0..4000 {
        let example = web.example(ordinal);
        let scene = &example.scene;
        scene.check().unwrap();
        defective += u32::from(!scene.is_sound());
        wrong += u32::from(example.caption.wrong.is_some());
        let classes: BTreeSet<Class> = scene.animals.iter().map(|a| a.class).collect();
        mixed += u32::from(classes.len() > 1);
        empty += u32::from(classes.is_empty());
        let wish = Wish::parse(&example.caption.text);
        let respected = truth(scene, &wish, example.class, About::PromptRespected);
        assert_eq!(
            respected == Answer::Yes,
            example.caption.wrong.is_none(),
            "{}",
            example.caption.text
        );
    }
    assert!((720..880).contains(&defective), "{defective}");
    assert!((530..670).contains(&wrong), "{wrong}");
    assert!((240..400).contains(&mixed), "{mixed}");
    assert!((120..200).contains(&empty), "{empty}");
}

#[test]
fn only_its_classes_are_to_be_seen() {
    let classes = vec![Class::Elephant, Class::Giraffe, Class::Zebra];
    let web = Web {
        classes: classes.clone(),
        ..web(Split::Train)
    };
    let mut mixed = 0;
    for ordinal in 0..1500 {
        let scene = web.example(ordinal).scene;
        let seen: BTreeSet<Class> = scene.animals.iter().map(|a| a.class).collect();
        assert!(seen.iter().all(|class| classes.contains(class)), "{seen:?}");
        mixed += u32::from(seen.len() > 1);
    }
    assert!((90..150).contains(&mixed), "{mixed}");
    // A single class has strangers all the same.
    let alone = Web {
        classes: vec![Class::Elephant],
        ..web
    };
    let scenes = (0..500).map(|ordinal| alone.example(ordinal).scene);
    let strange =
        |scene: &ccsr_world::Scene| scene.animals.iter().any(|a| a.class != Class::Elephant);
    assert!(scenes.filter(strange).count() > 20);
}

#[test]
fn animals_look_where_they_are_told() {
    let ordinals = 0..300;
    let either = web(Split::Train);
    let faces = |web: &Web, facing| {
        let scenes = ordinals.clone().map(|ordinal| web.scene(ordinal));
        let animals = scenes.flat_map(|scene| scene.animals);
        animals.filter(|animal| animal.facing == facing).count()
    };
    assert!(faces(&either, Facing::Left) > 150 && faces(&either, Facing::Right) > 150);
    for (asked, other) in [(Facing::Left, Facing::Right), (Facing::Right, Facing::Left)] {
        let told = Web {
            facing: Some(asked),
            ..either.clone()
        };
        assert!(faces(&told, asked) > 300);
        assert_eq!(faces(&told, other), 0);
        // All else is as it was.
        for ordinal in ordinals.clone() {
            let [told, either] = [&told, &either].map(|web| web.scene(ordinal));
            let bare = |scene: Scene| {
                let animals = scene.animals.into_iter();
                let seen: Vec<_> = animals.map(|it| (it.class, it.colour, it.pose)).collect();
                (seen, scene.place, scene.time, scene.weather, scene.detail)
            };
            assert_eq!(bare(told), bare(either));
        }
    }
}

#[test]
fn a_rate_changes_nothing_but_what_it_is_about() {
    let few = web(Split::Train);
    let many = Web {
        defects: 0.6,
        wrong: 0.6,
        ..few.clone()
    };
    for ordinal in 0..500 {
        let (one, other) = (few.example(ordinal), many.example(ordinal));
        if other.scene.is_sound() {
            assert_eq!(one.scene, other.scene);
            if other.caption.wrong.is_none() {
                assert_eq!(one, other);
            }
        }
        // What is wrong stays wrong.
        assert!(one.caption.wrong.is_none() || other.caption.wrong.is_some());
        assert!(one.scene.is_sound() || !other.scene.is_sound());
    }
}

#[test]
fn negatives_differ_in_the_one_thing_that_they_name() {
    let mut found = BTreeMap::<Fact, usize>::new();
    for ordinal in 0..1000 {
        let (_, scene) = drawn(
            ordinal,
            &Rates {
                defect: 0.3,
                misreading: 0.1,
            },
        );
        let facts = captions::facts(&scene);
        for (fact, negative) in negatives::negatives(&scene, ordinal) {
            assert_eq!(Fact::differing(&captions::facts(&negative), &facts), [fact]);
            assert_eq!(negative.defects(), scene.defects());
            negative.check().unwrap();
            // What is said of the one is no longer true of the other.
            let answer = truth(&negative, &facts, Class::Dog, About::PromptRespected);
            assert_eq!(answer, Answer::No);
            let moved = negative
                .animals
                .iter()
                .zip(&scene.animals)
                .any(|(a, b)| (a.x, a.y) != (b.x, b.y));
            assert!(!moved || fact == Fact::Count);
            *found.entry(fact).or_default() += 1;
        }
    }
    assert!(Fact::ALL.iter().all(|fact| found[fact] > 600), "{found:?}");
}

#[test]
fn look_alikes_are_others() {
    for &class in Class::ALL {
        let alike = captions::look_alikes(class);
        assert!(!alike.is_empty() && !alike.contains(&class));
    }
}
