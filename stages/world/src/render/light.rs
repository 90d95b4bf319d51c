//! The light of an hour and its weather.

use super::canvas::Ink;
use crate::kinds::{Time, Weather};

/// What the light does to everything that is painted.
pub(super) struct Light {
    /// The sky at the top and at the horizon.
    pub(super) sky: (Ink, Ink),
    /// Factors for the land's red, green and blue.
    land: [f32; 3],
    /// Factors for the animals', which stay brighter so that they can be told apart at night.
    animals: [f32; 3],
    /// The side to which shadows fall: `-1` left, `1` right.
    pub(super) shadow_side: f32,
    /// How long shadows are, against the animal's width.
    pub(super) shadow_length: f32,
    /// The opacity of shadows.
    pub(super) shadow: f32,
    /// Whether snow lies.
    snow: bool,
}

impl Light {
    pub(super) fn of(time: Time, weather: Weather) -> Self {
        let rgb = Ink::rgb;
        let (top, bottom, land, side, length) = match time {
            Time::Sunrise => (
                rgb(122, 152, 214),
                rgb(255, 196, 160),
                [1.0, 0.88, 0.86],
                1.0,
                1.25,
            ),
            Time::Morning => (
                rgb(112, 178, 236),
                rgb(222, 238, 246),
                [1.0, 1.0, 0.98],
                0.7,
                1.08,
            ),
            Time::Noon => (
                rgb(52, 136, 226),
                rgb(178, 220, 248),
                [1.04, 1.04, 1.0],
                0.0,
                0.95,
            ),
            Time::Afternoon => (
                rgb(88, 152, 218),
                rgb(246, 230, 190),
                [1.04, 0.98, 0.88],
                -0.7,
                1.08,
            ),
            Time::Sunset => (
                rgb(92, 66, 138),
                rgb(255, 138, 66),
                [1.0, 0.78, 0.64],
                -1.0,
                1.25,
            ),
            Time::Night => (
                rgb(12, 16, 46),
                rgb(46, 58, 106),
                [0.4, 0.46, 0.66],
                0.5,
                1.0,
            ),
        };
        let night = time == Time::Night;
        let (veil, share, dim) = match weather {
            Weather::Clear => (rgb(255, 255, 255), 0.0, 1.0),
            Weather::Cloudy => (rgb(186, 194, 204), 0.45, 0.94),
            Weather::Rain => (rgb(108, 118, 132), 0.66, 0.8),
            Weather::Snow => (rgb(206, 212, 222), 0.55, 0.98),
            Weather::Mist => (rgb(212, 216, 218), 0.6, 0.96),
        };
        let veil = if night {
            veil.lit([0.3, 0.34, 0.46])
        } else {
            veil
        };
        let animals = land.map(|factor| if night { 0.42 + factor * 0.42 } else { 0.25 + factor * 0.75 } * dim);
        Self {
            sky: (top.mix(veil, share), bottom.mix(veil, share * 0.8)),
            land: land.map(|factor| factor * dim),
            animals,
            shadow_side: side,
            shadow_length: length,
            // Overcast skies and the moon cast weak shadows, but never none: a missing one is a defect.
            shadow: if weather == Weather::Clear { 0.5 } else { 0.42 }
                + if night { 0.12 } else { 0.0 },
            snow: weather == Weather::Snow,
        }
    }

    /// An ink of water, stone or wood.
    pub(super) fn on_land(&self, ink: Ink) -> Ink {
        ink.lit(self.land)
    }

    /// An ink of ground and leaves, on which snow may lie.
    pub(super) fn on_ground(&self, ink: Ink) -> Ink {
        let ink = if self.snow {
            ink.mix(Ink::rgb(240, 244, 250), 0.66)
        } else {
            ink
        };
        ink.lit(self.land)
    }

    /// An ink of an animal.
    pub(super) fn on_animal(&self, ink: Ink) -> Ink {
        ink.lit(self.animals)
    }
}
