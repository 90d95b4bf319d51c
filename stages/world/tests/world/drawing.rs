//! Rates, misreadings, and what may be combined.

use ccsr_world::{About, Answer, Class, Rates, Scene, Wish, draw, truth};

use crate::{drawn, seed};

const ROUNDS: u64 = 2000;

#[test]
fn the_same_seed_draws_the_same_scene() {
    for ordinal in 0..50 {
        let rates = Rates {
            defect: 0.5,
            misreading: 0.5,
        };
        assert_eq!(drawn(ordinal, &rates), drawn(ordinal, &rates));
    }
}

#[test]
fn a_scene_is_pinned() {
    let wish = Wish::parse("two brown bears walking in a forest at night");
    let scene = draw(
        &wish,
        &seed(1),
        &Rates {
            defect: 1.0,
            misreading: 0.0,
        },
    );
    assert_eq!(scene.to_text(), PINNED);
}

/// A change here changes every scene that was ever drawn.
const PINNED: &str = r#"{"animals":[{"class":"bear","colour":"brown","pose":"walking","x":0.297,"y":0.823,"scale":0.5,"facing":"left","depth":0.679,"defects":["wrong-colours"]},{"class":"bear","colour":"brown","pose":"walking","x":0.724,"y":0.85,"scale":0.488,"facing":"right","depth":0.539}],"place":"forest","background":"rainforest","time":"night","weather":"rain","detail":14739949}"#;

#[test]
fn defects_are_as_frequent_as_told() {
    for rate in [0.0, 0.3, 1.0] {
        let rates = Rates {
            defect: rate,
            misreading: 0.0,
        };
        let spoilt = (0..ROUNDS)
            .filter(|&ordinal| !drawn(ordinal, &rates).1.is_sound())
            .count();
        let expected = rate * ROUNDS as f64;
        assert!(
            (spoilt as f64 - expected).abs() < 0.04 * ROUNDS as f64,
            "{spoilt} for {expected}"
        );
    }
}

#[test]
fn a_misread_wish_is_never_respected_and_a_well_read_one_always() {
    let mut respected = 0;
    for ordinal in 0..ROUNDS {
        let ask = |misreading: f64| {
            let (wish, scene) = drawn(
                ordinal,
                &Rates {
                    defect: 0.0,
                    misreading,
                },
            );
            truth(&scene, &wish, wish.class.unwrap(), About::PromptRespected)
        };
        assert_eq!(ask(1.0), Answer::No, "{ordinal}");
        assert_eq!(ask(0.0), Answer::Yes, "{ordinal}");
        respected += u64::from(ask(0.4) == Answer::Yes);
    }
    let share = respected as f64 / ROUNDS as f64;
    assert!((0.56..0.64).contains(&share), "{share}");
}

#[test]
fn defects_change_nothing_else() {
    for ordinal in 0..300 {
        let sound = drawn(
            ordinal,
            &Rates {
                defect: 0.0,
                misreading: 0.4,
            },
        )
        .1;
        let mut spoilt = drawn(
            ordinal,
            &Rates {
                defect: 1.0,
                misreading: 0.4,
            },
        )
        .1;
        assert!((1..=2).contains(&spoilt.defects().len()));
        (spoilt.ghost, spoilt.torn) = (None, None);
        for animal in &mut spoilt.animals {
            animal.defects.clear();
        }
        assert_eq!(sound, spoilt);
    }
}

#[test]
fn every_class_and_defect_occurs() {
    let rates = Rates {
        defect: 1.0,
        misreading: 0.0,
    };
    let scenes: Vec<Scene> = (0..ROUNDS)
        .map(|ordinal| draw(&Wish::default(), &seed(ordinal), &rates))
        .collect();
    for &class in Class::ALL {
        assert!(
            scenes
                .iter()
                .any(|scene| scene.animals.iter().any(|animal| animal.class == class)),
            "{class}"
        );
    }
    for kind in ccsr_world::DefectKind::ALL {
        assert!(
            scenes.iter().any(|scene| scene.defects().contains(kind)),
            "{kind}"
        );
    }
    let landscapes = scenes
        .iter()
        .filter(|scene| scene.animals.is_empty())
        .count();
    assert!((900..1100).contains(&landscapes), "{landscapes}");
}

#[test]
fn impossible_counts_are_drawn_as_far_as_they_go() {
    let wish = Wish {
        class: Some(Class::Sheep),
        count: Some(99),
        ..Wish::default()
    };
    let scene = draw(&wish, &seed(0), &Rates::default());
    assert_eq!(scene.animals.len(), ccsr_world::MAX_ANIMALS);
    assert!(scene.check().is_ok());
    let none = Wish {
        count: Some(0),
        ..wish
    };
    assert!(
        draw(
            &none,
            &seed(0),
            &Rates {
                defect: 1.0,
                misreading: 1.0
            }
        )
        .check()
        .is_ok()
    );
}
