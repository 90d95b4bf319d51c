//! What is true of a scene, as facts of one value each, which a CLIP's eyes can be taught.

use ccsr_world::{
    About, Answer, Background, Class, DefectKind, Place, Pose, Scene, Time, Weather, Wish, Witness,
};

use crate::facts::{Fact, place, shared};

/// What the answers to questions can be.
const ANSWERS: [Answer; 3] = [Answer::Yes, Answer::No, Answer::Nan];

/// Questions about a picture alone: two more of the ten ask how it follows a prompt.
fn questions() -> impl Iterator<Item = About> {
    let of_prompt = [About::ColoursMatch, About::PromptRespected];
    let all = About::ALL.iter().copied();
    all.filter(move |about| !of_prompt.contains(about))
}

/// How many values each fact has.
pub(super) fn widths() -> Vec<usize> {
    let witnessed = Fact::ALL.map(|fact| fact.values().len());
    // Of poses, there may be none, or several.
    let seen = [
        Pose::ALL.len() + 2,
        Place::ALL.len(),
        Background::ALL.len(),
        Time::ALL.len(),
        Weather::ALL.len(),
    ];
    let defects = DefectKind::ALL.iter().map(|_| 2);
    let answers = questions().map(|_| ANSWERS.len());
    let all = witnessed.into_iter().chain(seen);
    all.chain(defects).chain(answers).collect()
}

/// The number of the value that each fact has.
pub(super) fn of(scene: &Scene) -> Vec<usize> {
    let looked = Witness::of(scene);
    let poses = looked.seen().iter().map(|animal| animal.pose);
    let seen = [
        shared(Pose::ALL, poses),
        place(Place::ALL, scene.place),
        place(Background::ALL, scene.background),
        place(Time::ALL, scene.time),
        place(Weather::ALL, scene.weather),
    ];
    let defects = scene.defects();
    let defects = DefectKind::ALL
        .iter()
        .map(|kind| usize::from(defects.contains(kind)));
    // Without an animal, what is asked about one does not apply, whichever it is.
    let class = looked.seen().first().map_or(Class::ALL[0], |it| it.class);
    let answers = questions().map(|about| {
        let answer = looked.truth(&Wish::default(), class, about);
        place(&ANSWERS, answer)
    });
    let all = Fact::of_scene(scene).into_iter().chain(seen);
    all.chain(defects).chain(answers).collect()
}

#[cfg(test)]
pub(super) mod samples {
    use serde_json::{Value as Json, json};

    /// A scene of one elephant.
    pub(in super::super) fn elephant(defects: &Json) -> Json {
        let elephant = json!({"class": "elephant", "colour": "grey", "pose": "standing", "x": 0.5, "y": 0.8, "scale": 0.3,
                              "facing": "left", "defects": defects});
        json!({"animals": [elephant], "place": "savanna", "background": "hills", "time": "noon",
               "weather": "clear", "detail": 1})
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::train_clip::by_fact;

    fn scene(defects: &Json) -> Scene {
        Scene::from_text(&samples::elephant(defects).to_string()).unwrap()
    }

    #[test]
    fn every_fact_of_a_scene_has_a_value_that_it_can_have() {
        for defects in [json!([]), json!(["extra-leg"])] {
            let (values, widths) = (of(&scene(&defects)), widths());
            assert_eq!(values.len(), widths.len());
            assert!(
                values
                    .iter()
                    .zip(&widths)
                    .all(|(value, width)| value < width)
            );
        }
    }

    #[test]
    fn a_leg_too_many_is_five_facts_and_no_more() {
        let (sound, flawed) = (of(&scene(&json!([]))), of(&scene(&json!(["extra-leg"]))));
        let differing = sound
            .iter()
            .zip(&flawed)
            .filter(|(one, other)| one != other);
        // Sound, an extra leg; looks normal, anatomy, abnormalities.
        assert_eq!(differing.count(), 5);
        assert_eq!(by_fact([&sound, &flawed].into_iter(), 1)[3], [1, 0]);
    }
}
