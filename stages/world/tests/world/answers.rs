//! The truth table, defect by defect, and the judge's and the detector's errors.

use ccsr_world::About::{
    Abnormalities, Anatomy, ClassVisible, ColoursMatch, ConfusableObjects, LooksNormal,
    NaturalBehaviour, OddPatterns, PromptRespected, Realism,
};
use ccsr_world::{
    About, Answer, Class, Colour, DefectKind, Place, Pose, Rates, Wish, detect, judge, truth,
};

use crate::{drawn, one, seed, with};

/// The ten answers as letters, `-` for nan.
fn letters(scene: &ccsr_world::Scene, wish: &Wish, class: Class) -> String {
    let letter = |about: &About| match truth(scene, wish, class, *about) {
        Answer::Yes => 'y',
        Answer::No => 'n',
        Answer::Nan => '-',
    };
    About::ALL.iter().map(letter).collect()
}

#[test]
fn the_table_of_truth() {
    let sound = one(Class::Elephant, Pose::Standing);
    let wish = sound.as_wish();
    let table = [
        // Realism, odd patterns, visible, looks normal, behaviour, confusable, anatomy, colours, abnormal, prompt.
        (None, "ynyyynyyny"),
        (Some(DefectKind::LegMissing), "ynynynnyyy"),
        (Some(DefectKind::ExtraLeg), "ynynynnyyy"),
        (Some(DefectKind::SecondTrunk), "ynynynnyyy"),
        (Some(DefectKind::HeadMissing), "ynynnnnyyy"),
        (Some(DefectKind::TailMissing), "ynyyynnyyy"),
        (Some(DefectKind::WrongColours), "yyyyynynyn"),
        (Some(DefectKind::MissingShadow), "nnyyynyyyy"),
        (Some(DefectKind::TornPatch), "nyynynyyyy"),
        (Some(DefectKind::Ghost), "nyyyyyyyyy"),
    ];
    for (kind, answers) in table {
        let scene = kind.map_or(sound.clone(), |kind| with(sound.clone(), kind));
        assert_eq!(letters(&scene, &wish, Class::Elephant), answers, "{kind:?}");
    }
    let giraffe = with(one(Class::Giraffe, Pose::Standing), DefectKind::SecondNeck);
    assert_eq!(
        letters(&giraffe, &giraffe.as_wish(), Class::Giraffe),
        "ynynynnyyy"
    );
}

#[test]
fn questions_about_an_absent_class_do_not_apply() {
    let scene = one(Class::Cow, Pose::Standing);
    assert_eq!(
        letters(&scene, &Wish::parse("a lion"), Class::Lion),
        "ynn----nnn"
    );
}

#[test]
fn behaviour_and_company_count() {
    let mut scene = one(Class::Dog, Pose::Drinking);
    scene.place = Place::Desert;
    let wish = scene.as_wish();
    assert_eq!(
        truth(&scene, &wish, Class::Dog, NaturalBehaviour),
        Answer::No
    );
    assert_eq!(
        truth(&scene, &wish, Class::Dog, PromptRespected),
        Answer::Yes
    );
    let mut cat = one(Class::Cat, Pose::Standing).animals.remove(0);
    (cat.x, cat.scale) = (0.15, 0.25);
    scene.animals.push(cat);
    assert_eq!(
        truth(&scene, &wish, Class::Dog, ConfusableObjects),
        Answer::Yes
    );
    assert_eq!(
        truth(&scene, &wish, Class::Dog, PromptRespected),
        Answer::No
    );
}

#[test]
fn every_part_of_a_wish_is_checked() {
    let scene = one(Class::Dog, Pose::Standing);
    for (text, respected) in [
        ("", true),
        ("a dog", true),
        (
            "a brown dog standing in a meadow, noon, clear sky, hills in the background",
            true,
        ),
        ("two dogs", false),
        ("a cat", false),
        ("a black dog", false),
        ("a dog running", false),
        ("a dog in a forest", false),
        ("a dog at night", false),
        ("a dog, rain", false),
        ("a dog with mountains in the background", false),
    ] {
        let answer = truth(&scene, &Wish::parse(text), Class::Dog, PromptRespected);
        assert_eq!(answer, respected.into(), "{text}");
    }
    let asked = Wish {
        colour: Some(Colour::Black),
        ..Wish::default()
    };
    assert_eq!(truth(&scene, &asked, Class::Dog, ColoursMatch), Answer::No);
}

#[test]
fn sound_scenes_that_fulfil_their_wish_are_ideal() {
    for ordinal in 0..400 {
        let (wish, scene) = drawn(ordinal, &Rates::default());
        let class = wish.class.unwrap();
        for (about, answer) in [
            (Realism, Answer::Yes),
            (OddPatterns, Answer::No),
            (ClassVisible, Answer::Yes),
            (LooksNormal, Answer::Yes),
            (NaturalBehaviour, Answer::Yes),
            (ConfusableObjects, Answer::No),
            (Anatomy, Answer::Yes),
            (ColoursMatch, Answer::Yes),
            (Abnormalities, Answer::No),
            (PromptRespected, Answer::Yes),
        ] {
            let found = truth(&scene, &wish, class, about);
            assert_eq!(found, answer, "{about} of {}", scene.to_text());
        }
    }
}

#[test]
fn names_of_questions_are_read_and_errors_list_them() {
    for &about in About::ALL {
        assert_eq!(about.name().parse::<About>().unwrap(), about);
    }
    let error = "beauty".parse::<About>().unwrap_err().to_string();
    assert!(
        error.starts_with("`beauty`") && error.contains("odd-patterns, class-visible"),
        "{error}"
    );
}

#[test]
fn a_judge_errs_as_often_as_told_and_is_less_sure_then() {
    let (wish, scene) = drawn(3, &Rates::default());
    let class = wish.class.unwrap();
    let (mut errors, mut sure) = (0, [0.0_f64; 2]);
    for ordinal in 0..2000 {
        let (answer, margin) = judge(&scene, &wish, class, Anatomy, &seed(ordinal), 0.2);
        let errs = answer != Answer::Yes;
        errors += usize::from(errs);
        sure[usize::from(errs)] += margin;
        assert!(margin > 0.0 && margin < 1.0);
        assert_eq!(
            judge(&scene, &wish, class, Anatomy, &seed(ordinal), 0.0).0,
            Answer::Yes
        );
        assert_eq!(
            judge(&scene, &wish, class, Anatomy, &seed(ordinal), 1.0).0,
            Answer::No
        );
    }
    assert!((330..470).contains(&errors), "{errors}");
    assert!(sure[0] / (2000 - errors) as f64 > 0.3 + sure[1] / errors as f64);
}

#[test]
fn a_detector_finds_what_is_there_and_doubts_what_is_defective() {
    let (mut found, mut total, mut preferred) = (0, 0, 0);
    for ordinal in 0..500 {
        let class = Class::ALL[ordinal as usize % Class::ALL.len()];
        let sound = one(class, Pose::Standing);
        let broken = with(sound.clone(), DefectKind::LegMissing);
        let best = |scene, noise| {
            detect(scene, &["rock", class.plural()], 256, &seed(noise))
                .first()
                .map_or(0.0, |d| {
                    assert_eq!(d.label, 1);
                    d.confidence
                })
        };
        found += usize::from(best(&sound, ordinal) > 0.6);
        preferred += usize::from(best(&sound, ordinal) > best(&broken, ordinal + 1000));
        total += 1;
    }
    assert!(found * 100 >= total * 99, "{found} of {total}");
    assert!(preferred * 100 >= total * 90, "{preferred} of {total}");
}

#[test]
fn detections_lie_in_the_image_near_the_truth_the_surest_first() {
    let vocabulary: Vec<&str> = Class::ALL.iter().map(|class| class.name()).collect();
    for ordinal in 0..300 {
        let (_, scene) = drawn(
            ordinal,
            &Rates {
                defect: 0.3,
                misreading: 0.3,
            },
        );
        let found = detect(&scene, &vocabulary, 128, &seed(ordinal));
        assert!(found.is_sorted_by(|a, b| a.confidence >= b.confidence));
        for d in &found {
            assert!(0.0 <= d.x0 && d.x0 < d.x1 && d.x1 <= 128.0, "{d:?}");
            assert!(0.0 <= d.y0 && d.y0 < d.y1 && d.y1 <= 128.0, "{d:?}");
            assert!((ccsr_world::FLOOR..1.0).contains(&d.confidence));
            let absent = scene
                .animals
                .iter()
                .all(|animal| animal.class.name() != vocabulary[d.label]);
            assert!(!absent || d.confidence <= 0.3, "{d:?}");
        }
    }
    let (_, scene) = drawn(1, &Rates::default());
    assert!(detect(&scene, &["teapot", ""], 64, &seed(0)).is_empty());
    // A phrase finds what its animal finds.
    let class = scene.animals[0].class;
    let phrase = format!("a photo of a {}", class.name());
    assert_eq!(
        detect(&scene, &[&phrase], 64, &seed(0)),
        detect(&scene, &[class.name()], 64, &seed(0))
    );
}
