//! Scenes as text.

use ccsr_world::{Class, DefectKind, Pose, Rates, Scene, SceneError, Wish};

use crate::{drawn, one, with};

#[test]
fn texts_round_trip_and_are_small() {
    let mut longest = 0;
    for ordinal in 0..2000 {
        let (_, scene) = drawn(
            ordinal,
            &Rates {
                defect: 0.7,
                misreading: 0.5,
            },
        );
        let text = scene.to_text();
        assert_eq!(Scene::from_text(&text).unwrap(), scene, "{text}");
        if scene.animals.len() <= 3 {
            longest = longest.max(text.len());
        }
    }
    assert!(longest < 600, "{longest}");
}

#[test]
fn captions_say_what_the_scene_holds() {
    for ordinal in 0..2000 {
        let (_, scene) = drawn(
            ordinal,
            &Rates {
                defect: 0.3,
                misreading: 0.5,
            },
        );
        let caption = scene.caption();
        assert_eq!(Wish::parse(&caption), scene.as_wish(), "{caption}");
    }
    assert_eq!(
        one(Class::Elephant, Pose::LookingUp).caption(),
        "Photo of a grey elephant looking up, noon, clear sky, meadow, hills in the background"
    );
}

#[test]
fn bad_texts_are_refused_with_a_reason() {
    let refused = |text: &str| Scene::from_text(text).unwrap_err();
    assert!(matches!(refused("{}"), SceneError::Syntax(_)));
    let good = one(Class::Bear, Pose::Sleeping).to_text();
    assert!(Scene::from_text(&good).is_ok());
    let far = good.replace("\"x\":0.5", "\"x\":7.5");
    assert_eq!(refused(&far).to_string(), "`x` is 7.5, outside -1..=2");
    let unknown = good.replace("\"detail\"", "\"colour\":1,\"detail\"");
    assert!(matches!(refused(&unknown), SceneError::Syntax(_)));
    let lame = with(one(Class::Bear, Pose::Sleeping), DefectKind::LegMissing).to_text();
    let reason = "a sleeping bear cannot have the defect `leg-missing` (or has it twice)";
    assert_eq!(refused(&lame).to_string(), reason);
    let mut crowd = one(Class::Bear, Pose::Standing);
    crowd.animals = vec![crowd.animals[0].clone(); 9];
    assert!(matches!(
        refused(&crowd.to_text()),
        SceneError::TooMany { found: 9 }
    ));
}

#[test]
fn soundness_is_the_absence_of_any_defect() {
    assert!(one(Class::Elephant, Pose::Standing).is_sound());
    for &kind in DefectKind::ALL {
        let class = if kind == DefectKind::SecondNeck {
            Class::Giraffe
        } else {
            Class::Elephant
        };
        let scene = with(one(class, Pose::Standing), kind);
        assert!(!scene.is_sound() && scene.defects() == [kind]);
        assert_eq!(Scene::from_text(&scene.to_text()).unwrap(), scene);
    }
}
