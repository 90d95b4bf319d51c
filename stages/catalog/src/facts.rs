//! What a witness speaks of: the facts of the world, and what a scene or a prompt says of each.
//!
//! An animal counts if a person would notice it, as for the true answers to a judge's questions.

use ccsr_stage::StageError;
use ccsr_world::{Class, Colour, DefectKind, MAX_ANIMALS, Scene, Wish};

/// The value of class and colour where there is no animal.
const NONE: &str = "none";
/// Their value where animals differ, and the colour of an animal that has colours which no animal has.
const MIXED: &str = "mixed";

/// Something that is so or otherwise in an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact {
    /// The class of all animals.
    Class,
    /// How many animals there are, of whatever class.
    Count,
    /// The colour of all animals.
    Colour,
    /// Whether nothing is wrong.
    Sound,
}

impl Fact {
    /// All of them, in the order in which witnesses speak of them.
    pub const ALL: [Self; 4] = [Self::Class, Self::Count, Self::Colour, Self::Sound];

    /// What it is called.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Class => "class",
            Self::Count => "count",
            Self::Colour => "colour",
            Self::Sound => "sound",
        }
    }

    /// What its values are called.
    pub fn values(self) -> Vec<String> {
        let owned = |name: &str| name.to_owned();
        match self {
            Self::Class => {
                let classes = Class::ALL.iter().map(|class| class.name());
                classes.chain([NONE, MIXED]).map(owned).collect()
            }
            Self::Count => (0..=MAX_ANIMALS).map(|count| count.to_string()).collect(),
            Self::Colour => {
                let colours = Colour::ALL.iter().map(|colour| colour.name());
                colours.chain([NONE, MIXED]).map(owned).collect()
            }
            Self::Sound => ["no", "yes"].map(owned).into(),
        }
    }

    /// The numbers of the values that a scene has.
    pub(crate) fn of_scene(scene: &Scene) -> [usize; 4] {
        let looked = ccsr_world::Witness::of(scene);
        let seen = looked.seen();
        let classes = seen.iter().map(|animal| animal.class);
        let is_strange = |kinds: &[DefectKind]| kinds.contains(&DefectKind::WrongColours);
        let colour = if seen.iter().any(|animal| is_strange(&animal.defects)) {
            Colour::ALL.len() + 1
        } else {
            shared(Colour::ALL, seen.iter().map(|animal| animal.colour))
        };
        let sound = usize::from(scene.is_sound());
        [shared(Class::ALL, classes), seen.len(), colour, sound]
    }

    /// The numbers of the values that a prompt asks for; none where it leaves them open. Nobody asks for defects.
    pub(crate) fn of_wish(wish: &Wish) -> [Option<usize>; 4] {
        [
            wish.class.map(|class| place(Class::ALL, class)),
            wish.count.map(usize::from),
            wish.colour.map(|colour| place(Colour::ALL, colour)),
            Some(1),
        ]
    }
}

/// A scene, as a column `scene` has it.
pub(crate) fn read_scene(text: &str) -> Result<Scene, StageError> {
    Scene::from_text(text)
        .map_err(|error| StageError::input(format!("a `scene` cannot be read: {error}")))
}

/// Where one of a kind stands in the list of all.
pub(crate) fn place<T: PartialEq + Copy>(all: &[T], one: T) -> usize {
    let found = all.iter().position(|other| *other == one);
    found.expect("the list has all of the kind")
}

/// What all have in common, as the number of a value: the one after the last for none of them, the next if they differ.
pub(crate) fn shared<T: PartialEq + Copy>(all: &[T], mut found: impl Iterator<Item = T>) -> usize {
    match found.next() {
        None => all.len(),
        Some(first) if found.all(|other| other == first) => place(all, first),
        Some(_) => all.len() + 1,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;

    fn animal(class: &str, colour: &str, x: f64, defects: &Json) -> Json {
        json!({"class": class, "colour": colour, "pose": "standing", "x": x, "y": 0.8, "scale": 0.3, "facing": "left",
               "defects": defects})
    }

    fn said(animals: &[Json]) -> [String; 4] {
        let scene = json!({"animals": animals, "place": "savanna", "background": "hills", "time": "noon",
                           "weather": "clear", "detail": 1});
        let found = Fact::of_scene(&Scene::from_text(&scene.to_string()).unwrap());
        let named = |(fact, value): (Fact, usize)| fact.values()[value].clone();
        let mut named = Fact::ALL.into_iter().zip(found).map(named);
        std::array::from_fn(|_| named.next().unwrap())
    }

    #[test]
    fn a_scene_has_one_value_of_each_fact() {
        let none = &json!([]);
        let grey = animal("elephant", "grey", 0.25, none);
        assert_eq!(said(&[]), ["none", "0", "none", "yes"]);
        assert_eq!(
            said(std::slice::from_ref(&grey)),
            ["elephant", "1", "grey", "yes"]
        );
        let brown = animal("elephant", "brown", 0.75, none);
        assert_eq!(
            said(&[grey.clone(), brown]),
            ["elephant", "2", "mixed", "yes"]
        );
        let lion = animal("lion", "grey", 0.75, none);
        assert_eq!(said(&[grey.clone(), lion]), ["mixed", "2", "grey", "yes"]);
        let strange = animal("elephant", "grey", 0.75, &json!(["wrong-colours"]));
        assert_eq!(said(&[grey, strange]), ["elephant", "2", "mixed", "no"]);
        let outside = animal("elephant", "grey", 1.9, &json!(["extra-leg"]));
        assert_eq!(said(&[outside]), ["none", "0", "none", "no"]);
    }

    #[test]
    fn a_prompt_asks_for_values_or_leaves_them_open() {
        let of = |prompt| Fact::of_wish(&Wish::parse(prompt));
        assert_eq!(of("a photo of the sea"), [None, None, None, Some(1)]);
        assert_eq!(of("elephants"), [Some(0), None, None, Some(1)]);
        let [class, count, colour, _] = of("two black lions");
        assert_eq!(Fact::Class.values()[class.unwrap()], "lion");
        assert_eq!(Fact::Count.values()[count.unwrap()], "2");
        assert_eq!(Fact::Colour.values()[colour.unwrap()], "black");
        // More than a witness can count.
        assert_eq!(of("20 lions")[1], Some(20));
    }
}
