//! Gives a sound scene one or two defects.

use crate::kinds::DefectKind;
use crate::random::Random;
use crate::scene::{Animal, Scene, Spot, rounded};

/// How often a spoilt scene has a second defect.
const SECOND: f64 = 0.3;

pub(super) fn spoil(scene: &mut Scene, random: &mut Random) {
    let count = 1 + usize::from(random.chance(SECOND));
    for _ in 0..count {
        let had = scene.defects();
        let fitting: Vec<DefectKind> = DefectKind::ALL
            .iter()
            .copied()
            .filter(|&kind| !had.contains(&kind))
            .filter(|&kind| {
                kind.is_of_scene() || scene.animals.iter().any(|animal| may_have(animal, kind))
            })
            .collect();
        let kind = random.pick(&fitting);
        match kind {
            DefectKind::Ghost => scene.ghost = Some(spot(random, (0.14, 0.34), (0.2, 0.28))),
            DefectKind::TornPatch => scene.torn = Some(spot(random, (0.3, 0.78), (0.2, 0.27))),
            _ => {
                let bearers: Vec<usize> = (0..scene.animals.len())
                    .filter(|&index| may_have(&scene.animals[index], kind))
                    .collect();
                scene.animals[random.pick(&bearers)].defects.push(kind);
            }
        }
    }
}

/// Whether the defect can be seen on the animal, beside those that it has.
fn may_have(animal: &Animal, kind: DefectKind) -> bool {
    let conflict = |other: DefectKind| {
        use DefectKind::{ExtraLeg, HeadMissing, LegMissing, SecondNeck, SecondTrunk};
        other == kind
            || matches!(
                (kind, other),
                (ExtraLeg, LegMissing) | (LegMissing, ExtraLeg)
            )
            || matches!(
                (kind, other),
                (HeadMissing, SecondNeck | SecondTrunk) | (SecondNeck | SecondTrunk, HeadMissing)
            )
    };
    kind.suits(animal.class, animal.pose) && !animal.defects.iter().any(|&other| conflict(other))
}

fn spot(random: &mut Random, (top, bottom): (f32, f32), (small, large): (f32, f32)) -> Spot {
    Spot {
        x: rounded(random.between(0.16, 0.84)),
        y: rounded(random.between(top, bottom)),
        size: rounded(random.between(small, large)),
    }
}
