//! The words of questions. Only tables.
//!
//! `{class}` is the class, `{a class}` the class with its article, `{classes}` its plural, `{animal}` the class in
//! singular or plural as the image has it, `{Is}` and `{Does}` the verb that goes with it, `{some}` and
//! `{each}` the one animal, or one or each of several, `{prompt}` the caption,
//! `{value}` what a fact is asked to be, `{legs}` how many legs are right.

use crate::captions::Fact;
use crate::kinds::{DefectKind, Weather};
use crate::truth::About;

/// What follows a question that is answered by yes or no.
pub(super) const ENDINGS: &[&str] = &[
    "",
    "Answer yes or no.",
    "Answer with yes or no.",
    "Yes or no?",
    "Say yes or no.",
];

/// What follows a question that makes no sense without an animal of the class.
pub(super) const NAN_ENDINGS: &[&str] = &[
    "",
    "Answer yes or no, or nan if there is no {class}.",
    "Answer yes, no, or nan if no {class} is there.",
    "Yes or no? Say nan if there is no {class}.",
    "Say yes or no, and nan without {a class}.",
];

/// Other words for the paper's ten questions; those in the pipelines' question sets are not among them.
pub(super) const fn of_paper(about: About) -> &'static [&'static str] {
    match about {
        About::Realism => &[
            "Are the light and the shadows in this image like those of a real photo?",
            "Could a camera have taken this picture, judging by its shadows?",
            "Does everything here cast the shadow that it should, and is nothing unreal to be seen?",
            "Is the lighting of this picture true to life?",
            "Do shadows, light and surfaces look real?",
            "Would you take this image for a real photograph?",
            "Is this image realistic in its light and shadows?",
            "Are light and shadow as they would be outdoors?",
            "Does this look like something that was really photographed?",
        ],
        About::OddPatterns => &[
            "Is there any strange pattern or texture in this picture?",
            "Do you see spots, smears or colours that should not be there?",
            "Does any part of the image have a texture that is out of place?",
            "Is something odd painted over this image, or floating in it?",
            "Are there unexpected patterns anywhere?",
            "Are there pieces of this picture that make no sense?",
            "Does this image have unusual colours or noise somewhere?",
            "Can you find a pattern that does not belong here?",
            "Is any piece of this image garbled or weirdly coloured?",
        ],
        About::ClassVisible => &[
            "Is {a class} clearly visible?",
            "Can you make out {a class} in this picture?",
            "Does this image clearly show {a class}?",
            "Is at least one {class} in view?",
            "Is {a class} among the things to be seen here?",
            "Would you find {a class} in this photo?",
            "Does {a class} appear in this image?",
            "Looking at this image, do you recognise {a class}?",
            "Is {class} what one sees here?",
        ],
        About::LooksNormal => &[
            "Does the {class} look normal, from head to legs?",
            "Are the head, the neck and the legs of the {class} as usual?",
            "Is the shape of the {class} that of an ordinary {class}?",
            "Does the {class} have a normal posture, head and body?",
            "Is there nothing unusual about the head and the legs of the {class}?",
            "Would you call this {class} normal to look at?",
            "Do the head, the body and the legs of the {class} look right?",
            "Is the {class} drawn the way one knows {classes}?",
            "Does the {class} look like a normal {class} in normal surroundings?",
        ],
        About::NaturalBehaviour => &[
            "Does the {class} behave as {classes} do?",
            "Is the {class} doing something natural in this place?",
            "Would {a class} really do this here?",
            "Is the behaviour of the {class} natural?",
            "Does the {class} act like a living {class} in the wild?",
            "Is what the {class} is doing normal where it is?",
            "Could one watch {a class} do this in nature?",
            "Is this how {a class} behaves in such a place?",
            "Does it make sense for the {class} to do this here?",
        ],
        About::ConfusableObjects => &[
            "Is there another thing here that looks like {a class}?",
            "Could something else in the picture be taken for {a class}?",
            "Are there other animals or shapes that might be confused with the {class}?",
            "Does anything beside the {class} resemble one?",
            "Is something in view that is no {class} but might pass for one?",
            "Is there an object or animal next to the {class} that could be confused with it?",
            "Might a hasty viewer take another thing here for the {class}?",
            "Besides the {class}, is any other creature or figure to be seen?",
            "Does the image hold something confusable with the {class}?",
        ],
        About::Anatomy => &[
            "Is the anatomy of the {class} correct?",
            "Does the {class} have the right number of legs, heads and tails?",
            "Are all parts of the body of the {class} there, and none too many?",
            "Is the {class} without missing or extra limbs?",
            "Is the body of the {class} anatomically right?",
            "Has the {class} every part that {a class} has, and no more?",
            "Do the legs, the head and the tail of the {class} add up?",
            "Count the parts of the body of the {class}: are they right?",
            "Is each {class} here complete, with one head and all its legs?",
        ],
        About::ColoursMatch => &[
            "Are the colours those of \"{prompt}\"?",
            "Does the {class} have the colour that \"{prompt}\" asks for?",
            "Compare the colours with the text \"{prompt}\": do they agree?",
            "Are the colours as they are described in \"{prompt}\"?",
            "The text says \"{prompt}\". Is the colour right?",
            "Is the {class} coloured as in \"{prompt}\", or naturally if that says nothing?",
            "Would \"{prompt}\" lead you to expect these colours?",
            "Do the colours match this: \"{prompt}\"?",
            "For the caption \"{prompt}\", are the colours correct?",
        ],
        About::Abnormalities => &[
            "Is anything in this image abnormal?",
            "Is there any error in this picture, large or small?",
            "Does something here differ from what is normal?",
            "On a second look, is anything wrong with this image?",
            "Do you notice any flaw or deviation?",
            "Is there a mistake anywhere in the image?",
            "Does this picture have defects, even hidden ones?",
            "Is something in this picture not as it should be?",
            "Can you find anything abnormal, however subtle?",
        ],
        About::PromptRespected => &[
            "Does the picture agree with \"{prompt}\"?",
            "Is \"{prompt}\" a true description of this image?",
            "Is everything that \"{prompt}\" says to be seen here?",
            "Does this image match the text \"{prompt}\" in all points?",
            "Was the prompt \"{prompt}\" fully respected?",
            "Someone asked for \"{prompt}\". Is this what they wanted?",
            "Would \"{prompt}\" be a right caption for this picture?",
            "Does the image follow \"{prompt}\" in every detail?",
            "Is the image faithful to the request \"{prompt}\"?",
        ],
    }
}

/// Questions whether a fact is such and such.
pub(super) const fn of_fact(fact: Fact) -> &'static [&'static str] {
    match fact {
        Fact::Class => &[
            "Is there {a class} in this image?",
            "Is there {a class}?",
            "Do you see {a class}?",
            "Does the picture show any {classes}?",
            "Is one of the animals {a class}?",
        ],
        Fact::Count => &[
            "{Is there} exactly {value}?",
            "Do you count {value}?",
            "Does the image show {value}, no more and no fewer?",
            "{Is there} {value}, neither more nor less?",
        ],
        Fact::Colour => &[
            "{Is} the {animal} {value}?",
            "Is {value} the colour of the {animal}?",
            "{Does} the {animal} have the colour {value}?",
            "Would you call the {animal} {value}?",
        ],
        Fact::Pose => &[
            "{Is} the {animal} {value}?",
            "Do we see the {animal} {value}?",
            "Does the picture show the {animal} {value}?",
        ],
        Fact::Place => &[
            "Was this picture taken {value}?",
            "Is this {value}?",
            "Does the scene play {value}?",
        ],
        Fact::Background => &[
            "Is the background {value}?",
            "Can one see {value} in the background?",
            "Does one look at {value} in the distance?",
        ],
        Fact::Time => &[
            "Is it {value}?",
            "Does the light say that it is {value}?",
            "Was this picture taken when it was {value}?",
        ],
        Fact::Weather => &["{value}"],
    }
}

/// Questions whether it is this weather.
pub(super) const fn of_weather(weather: Weather) -> &'static [&'static str] {
    match weather {
        Weather::Clear => &[
            "Is the sky clear?",
            "Is the weather clear?",
            "Was this taken in clear weather?",
        ],
        Weather::Cloudy => &[
            "Is it cloudy?",
            "Is the sky full of clouds, without rain or snow?",
            "Is the weather cloudy?",
        ],
        Weather::Rain => &["Is it raining?", "Does rain fall?", "Is the weather rainy?"],
        Weather::Snow => &["Is it snowing?", "Does snow fall?", "Is the weather snowy?"],
        Weather::Mist => &[
            "Is it foggy?",
            "Is the air full of mist?",
            "Is the weather misty?",
        ],
    }
}

/// Whether the number of legs is right.
pub(super) const LEGS: &[&str] = &[
    "Does {each} have {legs} legs?",
    "Does {each} have exactly {legs} legs?",
    "Is the number of legs of {each} right?",
];

/// Questions after one defect, and whether a yes says that it is there.
pub(super) const fn of_defect(kind: DefectKind) -> &'static [(&'static str, bool)] {
    match kind {
        DefectKind::LegMissing => &[
            ("Is a leg of {some} missing?", true),
            ("Does {some} lack a leg?", true),
            ("Does {each} have at least {legs} legs?", false),
        ],
        DefectKind::ExtraLeg => &[
            ("Does {some} have a leg too many?", true),
            ("Does {some} have more than {legs} legs?", true),
        ],
        DefectKind::SecondTrunk => &[
            ("Does {some} have two trunks?", true),
            ("Is there one trunk to each elephant, and no more?", false),
        ],
        DefectKind::SecondNeck => &[
            ("Does {some} have two heads?", true),
            ("Does {some} have a second neck?", true),
            ("Does {each} have no more than one head?", false),
        ],
        DefectKind::HeadMissing => &[
            ("Does {each} have a head?", false),
            ("Is the head of {some} missing?", true),
            ("Is {some} without a head?", true),
        ],
        DefectKind::TailMissing => &[
            ("Does {each} have a tail?", false),
            ("Is the tail of {some} missing?", true),
        ],
        DefectKind::WrongColours => &[
            ("Does {some} have colours that no animal has?", true),
            ("Is {some} painted in several garish colours?", true),
        ],
        DefectKind::MissingShadow => &[
            ("Does {each} cast a shadow?", false),
            ("Is the shadow of {some} missing?", true),
        ],
        DefectKind::TornPatch => &[
            ("Is a piece of this image torn out and full of noise?", true),
            ("Is a part of the picture nothing but coloured noise?", true),
            ("Is the image whole, without a patch of noise?", false),
        ],
        DefectKind::Ghost => &[
            ("Does something translucent float in the air?", true),
            ("Is there a ghostly shape in the sky?", true),
            ("Is the air free of ghostly shapes?", false),
        ],
    }
}
