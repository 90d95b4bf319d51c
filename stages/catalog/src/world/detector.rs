//! `world.detector`: the boxes of a scene's animals, as an imperfect detector sees them.

use std::io::Cursor;
use std::sync::Arc;

use ccsr_stage::{Batch, ColumnType, Misfits, RoleKind, Row, StageError, Unit, Value};
use image::ImageReader;
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rounded;
use crate::roles::{Detector, Found, Network, Reads};

/// Parameters of `world.detector`.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Params {}

/// Finds the world's animals. Its noise is the image's digest: the same image, the same boxes.
pub struct WorldDetector;

fn found(unit: &Unit, batch: &Batch<'_>) -> Result<Vec<Found>, StageError> {
    let image = unit.input.get("image").and_then(Value::as_blob);
    let image = image.ok_or_else(|| StageError::failed("a unit came without its image"))?;
    let Some(Value::List(words)) = unit.input.get("vocabulary") else {
        return Err(StageError::failed("a unit came without its vocabulary"));
    };
    let words: Vec<&str> = words.iter().filter_map(Value::as_text).collect();
    let scene = super::scene(&unit.input)?;
    let dimensions = ImageReader::new(Cursor::new(batch.blobs.read(&image)?))
        .with_guessed_format()
        .map_err(|error| error.to_string())
        .and_then(|reader| reader.into_dimensions().map_err(|error| error.to_string()));
    let (size, _) = dimensions
        .map_err(|error| StageError::failed(format!("image {}: {error}", image.short())))?;
    let found = ccsr_world::detect(&scene, &words, size, image.as_bytes());
    let found = found.into_iter().map(|detection| Found {
        label: words[detection.label].to_owned(),
        confidence: rounded(f64::from(detection.confidence)),
        x0: rounded(f64::from(detection.x0)),
        y0: rounded(f64::from(detection.y0)),
        x1: rounded(f64::from(detection.x1)),
        y1: rounded(f64::from(detection.y1)),
    });
    Ok(found.collect())
}

impl Network for WorldDetector {}

impl Detector for WorldDetector {
    fn columns(&self) -> Vec<(&'static str, ColumnType)> {
        vec![("scene", ColumnType::Text)]
    }

    fn input(&self, row: Row<'_>, _: &Value) -> Result<Reads, StageError> {
        Ok(vec![("scene", row.text_value("scene")?)])
    }

    fn detect(&self, batch: &Batch<'_>) -> Vec<Result<Vec<Found>, StageError>> {
        batch
            .units
            .par_iter()
            .map(|unit| found(unit, batch))
            .collect()
    }
}

impl RoleKind for WorldDetector {
    const ROLE: &'static str = "detector";
    const NAME: &'static str = "world.detector";
    const REVISION: u32 = 1;
    type Params = Params;
    type Object = Arc<dyn Detector>;

    fn new(_: Params, _: &Value) -> Result<Self::Object, Misfits> {
        Ok(Arc::new(Self))
    }
}
