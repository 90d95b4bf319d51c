//! Questions are in words that no pipeline uses, and their answers are true.

use std::collections::{BTreeMap, HashSet};

use ccsr_world::questions::{self, Balance, Topic};
use ccsr_world::{
    About, Answer, Class, Colour, DefectKind, Example, Fact, Pose, Scene, Split, Web, Wish,
    captions, truth,
};

use crate::{one, with};

fn examples(count: u64) -> impl Iterator<Item = (u64, Example)> {
    let web = Web {
        seed: 11,
        split: Split::Train,
        classes: Vec::new(),
        defects: 0.33,
        wrong: 0.0,
        facing: None,
    };
    (0..count).map(move |ordinal| (ordinal, web.example(ordinal)))
}

#[test]
fn the_papers_questions_have_many_other_words() {
    let files = [
        include_str!("../../../../pipelines/questions/paper.yaml"),
        include_str!("../../../../pipelines/questions/variant.yaml"),
    ];
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let taken = files.map(words).join(" ").to_lowercase();
    assert!(taken.contains("could this image be a photograph?"));
    let mut all = HashSet::new();
    for &about in About::ALL {
        let wordings = questions::wordings(about);
        assert!(wordings.len() >= 8, "{about}");
        for wording in wordings {
            assert!(all.insert(wording.to_lowercase()), "twice: {wording}");
            assert!(!taken.contains(&wording.to_lowercase()), "taken: {wording}");
        }
    }
}

#[test]
fn the_papers_questions_have_the_papers_answers() {
    for (ordinal, example) in examples(300) {
        for &about in About::ALL {
            let prompt = &example.caption.text;
            let topic = Topic::Paper(about);
            let question =
                questions::ask(&example.scene, prompt, example.class, topic, ordinal).unwrap();
            let text = &question.text;
            assert!(!text.contains(['{', '}']), "{text}");
            // The class that it asks after can be read in it.
            let class = Wish::parse(&text.replace(prompt.as_str(), "")).class;
            let class = class.unwrap_or(example.class);
            let answer = truth(&example.scene, &Wish::parse(prompt), class, about);
            assert_eq!(question.answer, answer, "{text}");
        }
    }
}

/// What a question says can be read in it by the same reader as prompts.
#[test]
fn plain_questions_are_answered_by_the_scene() {
    let mut read = BTreeMap::<Fact, [u32; 2]>::new();
    for (ordinal, example) in examples(1200) {
        let facts = captions::facts(&example.scene);
        for &fact in Fact::ALL {
            let topic = Topic::Fact(fact);
            let question =
                questions::ask(&example.scene, "", example.class, topic, ordinal).unwrap();
            let text = &question.text;
            assert!(!text.contains(['{', '}']), "{text}");
            let asked = Wish::parse(text);
            let absent = facts.class.is_none() || facts.class != asked.class;
            let holds = match fact {
                Fact::Class => {
                    let animals = &example.scene.animals;
                    Some(
                        animals
                            .iter()
                            .any(|animal| Some(animal.class) == asked.class),
                    )
                }
                // Where there are none, or animals of several classes, they are not counted here.
                Fact::Count if !absent => asked.count.map(|count| facts.count == Some(count)),
                Fact::Colour if !absent => {
                    let said = Colour::ALL
                        .iter()
                        .filter(|colour| text.contains(&colour.words()));
                    let longest = said.max_by_key(|colour| colour.words().len());
                    longest.map(|&colour| facts.colour == Some(colour))
                }
                Fact::Pose if !absent => asked.pose.map(|pose| facts.pose == Some(pose)),
                Fact::Place => asked.place.map(|place| facts.place == Some(place)),
                Fact::Time => asked.time.map(|time| facts.time == Some(time)),
                Fact::Weather => asked.weather.map(|weather| facts.weather == Some(weather)),
                Fact::Background => asked
                    .background
                    .map(|found| facts.background == Some(found)),
                _ => None,
            };
            let of_animal = matches!(fact, Fact::Colour | Fact::Pose);
            assert!(question.answer != Answer::Nan || of_animal, "{text}");
            if let Some(holds) = holds {
                assert_eq!(
                    question.answer,
                    Answer::from(holds),
                    "{text} {:?}",
                    example.scene
                );
                read.entry(fact).or_default()[usize::from(holds)] += 1;
            }
        }
    }
    // Enough of each was read, and about as many are so as are not.
    assert_eq!(read.len(), Fact::ALL.len(), "{read:?}");
    for (fact, [no, yes]) in read {
        assert!(no + yes > 150, "{fact}: {no} + {yes}");
        assert!(yes * 4 > no && no * 4 > yes, "{fact}: {no} and {yes}");
    }
}

#[test]
fn legs_heads_and_tails_are_counted() {
    let ask = |scene: &Scene, topic, seed| questions::ask(scene, "a dog", Class::Dog, topic, seed);
    let standing = one(Class::Dog, Pose::Standing);
    let lame = with(standing.clone(), DefectKind::LegMissing);
    for seed in 0..60 {
        let sound = ask(&standing, Topic::Legs, seed).unwrap();
        let spoilt = ask(&lame, Topic::Legs, seed).unwrap();
        // Now and then the question is about an animal that is not there.
        if sound.text.to_lowercase().contains("dog") {
            assert_eq!(sound.answer, Answer::Yes, "{}", sound.text);
        } else {
            assert_eq!(sound.answer, Answer::Nan, "{}", sound.text);
        }
        if spoilt.text.to_lowercase().contains("dog") {
            assert_eq!(spoilt.answer, Answer::No, "{}", spoilt.text);
            assert!(spoilt.finds_fault);
        }
        assert_eq!(ask(&one(Class::Dog, Pose::Sleeping), Topic::Legs, 1), None);
        for &kind in DefectKind::ALL {
            let (good, bad) = (
                ask(&standing, Topic::Defect(kind), seed),
                ask(&with(standing.clone(), kind), Topic::Defect(kind), seed),
            );
            assert!(good.is_none() || kind != DefectKind::SecondTrunk);
            for (question, there) in [(good, false), (bad, true)] {
                let Some(question) = question else { continue };
                if question.answer != Answer::Nan {
                    assert_eq!(question.finds_fault, there, "{}", question.text);
                    let no_head = [
                        "lack",
                        "missing",
                        "without a head",
                        "too many",
                        "more than four",
                    ];
                    if no_head.iter().any(|words| question.text.contains(words)) {
                        assert_eq!(question.answer, Answer::from(there), "{}", question.text);
                    }
                }
            }
        }
    }
}

#[test]
fn a_bank_is_even_on_request_and_repeats_nothing() {
    let mut counts = BTreeMap::<Topic, [u32; 3]>::new();
    let mut falls = [0_u32; 2];
    for (ordinal, example) in examples(2500) {
        let wrong = captions::wrong(&example.scene, ordinal);
        let prompts = [
            (example.caption.text.as_str(), example.class),
            (
                wrong.text.as_str(),
                wrong.says.class.unwrap_or(example.class),
            ),
        ];
        let even = Balance::Even { defects: 0.33 };
        let questions = questions::bank(&example.scene, &prompts, 12, even, ordinal);
        assert_eq!(questions.len(), 12);
        let texts: HashSet<&str> = questions.iter().map(|q| q.text.as_str()).collect();
        assert_eq!(texts.len(), 12);
        for question in questions {
            counts.entry(question.topic).or_default()[question.answer as usize] += 1;
        }
        for question in questions::bank(&example.scene, &prompts, 4, Balance::AsItFalls, ordinal) {
            if question.topic == Topic::Paper(About::Abnormalities) {
                falls[usize::from(question.answer == Answer::Yes)] += 1;
            }
        }
    }
    assert_eq!(counts.len(), Topic::all().count());
    for (topic, [yes, no, _]) in counts {
        let share = f64::from(yes) / f64::from(yes + no);
        // Only elephants have trunks: of few, little can be said.
        if yes + no < 100 {
            continue;
        }
        assert!(
            (0.33..0.67).contains(&share),
            "{}: {yes} yes, {no} no",
            topic.name()
        );
    }
    assert!(falls[0] > falls[1] * 3 / 2, "{falls:?}");
}
