//! Captions say what is so, or one thing that is not.

use std::collections::{BTreeMap, HashSet};

use ccsr_world::{
    About, Answer, Class, DefectKind, Fact, Rates, Scene, Wish, captions, draw, grammar, truth,
};

use crate::seed;

/// Scenes of all kinds: defects, strangers, landscapes, up to six animals.
fn scenes(count: u64) -> impl Iterator<Item = Scene> {
    let rates = Rates {
        defect: 0.3,
        misreading: 0.3,
    };
    (0..count).map(move |ordinal| {
        let class = Class::ALL[ordinal as usize % Class::ALL.len()];
        let mut wish = grammar::wish(5, class, ordinal);
        match ordinal % 23 {
            0 => wish = Wish::default(),
            1 => wish.count = Some(1 + (ordinal % 6) as u8),
            _ => {}
        }
        draw(&wish, &seed(ordinal), &rates)
    })
}

fn respected(scene: &Scene, text: &str) -> Answer {
    let wish = Wish::parse(text);
    let class = wish.class.unwrap_or(Class::Dog);
    truth(scene, &wish, class, About::PromptRespected)
}

#[test]
fn captions_are_read_back_and_hold() {
    for (ordinal, scene) in (0..).zip(scenes(4000)) {
        for seed in 0..4 {
            let caption = captions::caption(&scene, 4 * ordinal + seed);
            assert_eq!(Wish::parse(&caption.text), caption.says, "{}", caption.text);
            assert_eq!(
                respected(&scene, &caption.text),
                Answer::Yes,
                "{}",
                caption.text
            );
            assert_eq!(caption.wrong, None);
        }
    }
}

#[test]
fn wrong_captions_are_wrong_in_the_one_thing_that_they_name() {
    let mut found = BTreeMap::<Fact, usize>::new();
    for (ordinal, scene) in (0..).zip(scenes(4000)) {
        let facts = captions::facts(&scene);
        let caption = captions::wrong(&scene, ordinal);
        let fact = caption.wrong.unwrap();
        assert_eq!(Wish::parse(&caption.text), caption.says, "{}", caption.text);
        assert_eq!(
            respected(&scene, &caption.text),
            Answer::No,
            "{}",
            caption.text
        );
        // Whatever else it says is so.
        let said = Fact::ALL.iter().filter(|fact| fact.is_in(&caption.says));
        let differing = Fact::differing(&caption.says, &facts);
        let wrong: Vec<Fact> = said
            .copied()
            .filter(|fact| differing.contains(fact))
            .collect();
        assert_eq!(wrong, [fact], "{}", caption.text);
        *found.entry(fact).or_default() += 1;
    }
    // None is rare.
    assert_eq!(found.len(), Fact::ALL.len(), "{found:?}");
    assert!(found.values().all(|&count| count > 300), "{found:?}");
}

#[test]
fn brief_captions_say_little() {
    let (mut said, mut wrong) = (BTreeMap::<Fact, usize>::new(), 0);
    for (seed, scene) in (0..).zip(scenes(2000)) {
        let facts = captions::facts(&scene);
        for things in 1..=2 {
            let right = captions::brief(&scene, things, seed);
            assert_eq!(right.wrong, None);
            assert_eq!(
                respected(&scene, &right.text),
                Answer::Yes,
                "{}",
                right.text
            );
            let spoilt = captions::brief_wrong(&scene, things, seed);
            assert_eq!(
                respected(&scene, &spoilt.text),
                Answer::No,
                "{}",
                spoilt.text
            );
            assert!(Fact::differing(&spoilt.says, &facts).contains(&spoilt.wrong.unwrap()));
            wrong += usize::from(spoilt.wrong != Some(Fact::Class));
            for caption in [right, spoilt] {
                assert_eq!(Wish::parse(&caption.text), caption.says, "{}", caption.text);
                let beside = |fact: &Fact| {
                    let implied = *fact == Fact::Count && facts.count == Some(1);
                    *fact != Fact::Class && !implied && fact.is_in(&caption.says)
                };
                let beside: Vec<Fact> = Fact::ALL.iter().copied().filter(beside).collect();
                assert!(beside.len() <= things, "{things}: {}", caption.text);
                for fact in beside {
                    *said.entry(fact).or_default() += 1;
                }
            }
        }
    }
    assert_eq!(said.len(), Fact::ALL.len() - 1, "{said:?}");
    assert!(said.values().all(|&count| count > 300), "{said:?}");
    assert!(wrong > 3000, "{wrong} of 4000 are wrong beside the class");
}

#[test]
fn claims_hold_if_they_say_so() {
    let (mut right, mut all, mut of_defects) = (0_usize, 0_usize, 0_usize);
    for (seed, scene) in (0..).zip(scenes(1000)) {
        let (facts, defects) = (captions::facts(&scene), scene.defects());
        for claim in captions::claims(&scene, 12, seed) {
            let text = &claim.text;
            let kind = DefectKind::from_name(text);
            // Each is read as the only thing that a prompt says, a colour as that of its animals.
            let holds = kind.map_or_else(
                || {
                    let mut says = Wish::parse(text);
                    if says.is_empty() {
                        let colour = Wish::parse(&format!("{text} zebras")).colour;
                        says.colour = Some(colour.unwrap_or_else(|| panic!("{text:?}")));
                    }
                    let differing = Fact::differing(&says, &facts);
                    let mut said = Fact::ALL.iter().filter(|fact| fact.is_in(&says));
                    said.all(|fact| !differing.contains(fact))
                },
                |kind| defects.contains(&kind),
            );
            of_defects += usize::from(kind.is_some());
            right += usize::from(claim.holds);
            all += 1;
            assert_eq!(holds, claim.holds, "{text:?} of {facts:?}, {defects:?}");
        }
    }
    assert!((all * 3 / 10..all / 2).contains(&right), "{right} of {all}");
    assert!(of_defects > 3000, "{of_defects} of {all} are about defects");
}

#[test]
fn captions_vary() {
    let scene = scenes(3).last().unwrap();
    let texts: HashSet<String> = (0..500)
        .map(|seed| captions::caption(&scene, seed).text)
        .collect();
    assert!(texts.len() > 450, "{} of 500", texts.len());
    let lengths = texts.iter().map(|text| text.split_whitespace().count());
    let (shortest, longest) = (lengths.clone().min(), lengths.max());
    assert!(
        shortest < Some(5) && longest > Some(25),
        "{shortest:?}..{longest:?}"
    );
    // The words of several thousand captions are enough to learn from, and few enough for a small model.
    let words: HashSet<String> = scenes(3000)
        .flat_map(|scene| {
            let text = captions::caption(&scene, 1).text.to_lowercase();
            text.split(|c: char| !c.is_alphanumeric())
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .collect();
    assert!((200..500).contains(&words.len()), "{}", words.len());
}
