//! `world.drawer`: images of scenes, drawn as well or badly as its rates say.

use std::sync::Arc;

use ccsr_stage::{Batch, Digest, Misfits, RoleKind, StageError, Unit, Value};
use ccsr_world::{Rates, Wish};
use image::RgbImage;
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::roles::{DrawRequest, Drawer, Drawing, Network, Reads};

/// Parameters of `world.drawer`.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Params {
    /// How often a picture has a defect (a leg too many, no shadow, …), `0.0..=1.0`.
    pub defect_rate: f64,
    /// How often a part of the prompt is not respected, `0.0..=1.0`.
    pub misreading_rate: f64,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            defect_rate: 0.35,
            misreading_rate: 0.15,
        }
    }
}

/// Draws what a prompt asks for, and knows what it drew.
pub struct WorldDrawer {
    rates: Rates,
}

impl WorldDrawer {
    fn drawing(&self, input: &Value) -> Result<Drawing, StageError> {
        let noise: Digest = super::text(input, "noise")?.parse().map_err(|error| {
            StageError::failed(format!("a unit's noise cannot be read: {error}"))
        })?;
        let size = input
            .get("size")
            .and_then(Value::as_int)
            .unwrap_or_default();
        let wish = Wish::parse(super::text(input, "prompt")?);
        let scene = ccsr_world::draw(&wish, noise.as_bytes(), &self.rates);
        let image = scene.render(size as u32);
        let pixels = RgbImage::from_raw(image.width, image.height, image.pixels);
        Ok(Drawing {
            image: pixels
                .ok_or_else(|| StageError::failed("the world's image has too few pixels"))?,
            scene: Some(scene.to_text()),
            note: None,
        })
    }
}

impl Network for WorldDrawer {}

impl Drawer for WorldDrawer {
    fn input(&self, request: &DrawRequest<'_>) -> Result<Reads, StageError> {
        Ok(vec![
            ("prompt", Value::from(request.prompt)),
            // As text: it names no blob.
            ("noise", Value::from(request.noise.to_string())),
            ("size", Value::Int(i64::from(request.size))),
        ])
    }

    fn knows_scene(&self) -> bool {
        true
    }

    fn draw(&self, batch: &Batch<'_>) -> Vec<Result<Drawing, StageError>> {
        let draw = |unit: &Arc<Unit>| self.drawing(&unit.input);
        batch.units.par_iter().map(draw).collect()
    }
}

impl RoleKind for WorldDrawer {
    const ROLE: &'static str = "drawer";
    const NAME: &'static str = "world.drawer";
    const REVISION: u32 = 2;
    type Params = Params;
    type Object = Arc<dyn Drawer>;

    fn new(params: Params, _: &Value) -> Result<Self::Object, Misfits> {
        let mut misfits = super::share("defect_rate", params.defect_rate);
        misfits.add(super::share("misreading_rate", params.misreading_rate));
        misfits.check()?;
        let rates = Rates {
            defect: params.defect_rate,
            misreading: params.misreading_rate,
        };
        Ok(Arc::new(Self { rates }))
    }
}
