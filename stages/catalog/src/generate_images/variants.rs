//! Adapters and scales: what every candidate is drawn with, from the same noise.

use ccsr_stage::{Digest, Inputs, Misfit, Misfits, StageError, Value};

use super::Params;
use crate::roles::Drawer;

/// The port of adapters.
pub(super) const ADAPTERS: &str = "adapters";

/// What candidates are drawn with.
pub(super) struct Variant {
    pub(super) adapter: Option<(Digest, f64)>,
    /// Of the adapter, if its table says it.
    pub(super) epoch: Value,
    pub(super) scale: f64,
}

/// What every candidate is drawn with: every adapter, as much of it as each scale says.
pub(super) fn variants(
    scales: Option<&[f64]>,
    inputs: &Inputs<'_>,
) -> Result<Vec<Variant>, StageError> {
    let Some(adapters) = inputs.tables.get(ADAPTERS) else {
        return Ok(vec![Variant {
            adapter: None,
            epoch: Value::Null,
            scale: 1.0,
        }]);
    };
    if adapters.is_empty() {
        return Err(StageError::input("the table of adapters is empty"));
    }
    let scales = scales.unwrap_or(&[1.0]);
    let mut variants = Vec::with_capacity(adapters.len() * scales.len());
    let mut epochs = Vec::with_capacity(adapters.len());
    for row in adapters.rows() {
        let (adapter, epoch) = (row.blob("adapter")?, row.find("epoch").cloned());
        if epochs.contains(&epoch) {
            return Err(StageError::input(
                "two adapters are of the same `epoch`, or of none: their images could not be told apart; give each table of \
                 adapters a stage of its own",
            ));
        }
        epochs.push(epoch.clone());
        variants.extend(scales.iter().map(|scale| Variant {
            // None of it is the model as it was, and what was drawn with that is kept.
            adapter: (*scale != 0.0).then_some((adapter, *scale)),
            epoch: epoch.clone().unwrap_or_default(),
            scale: *scale,
        }));
    }
    Ok(variants)
}

/// That adapters can be added to what the drawer draws with.
pub(super) fn check_adapters(params: &Params, drawer: &dyn Drawer) -> Result<(), StageError> {
    if params.adapter.is_some() {
        return Err(StageError::input(
            "`adapter` names a folder, and the port `adapters` is bound, too; take one away",
        ));
    }
    if !drawer.takes_adapters() {
        return Err(StageError::input(
            "the suite's drawer takes no adapters; `stable-diffusion` does",
        ));
    }
    Ok(())
}

/// What of the scales does not fit.
pub(super) fn misfits_of_scales(scales: Option<&[f64]>) -> Misfits {
    let mut misfits = Misfits::new();
    let Some(scales) = scales else {
        return misfits;
    };
    if scales.is_empty() {
        let message = "`scales` is empty; expected some, such as `[0, 0.5, 1]`";
        misfits.add(Misfit::new(["scales"], message));
    }
    for (index, scale) in scales.iter().enumerate() {
        let place = ["scales".to_owned(), index.to_string()];
        if !(-100.0..=100.0).contains(scale) {
            let message = format!("`{scale}` is not from -100 to 100");
            misfits.add(Misfit::new(place, message));
        } else if scales[..index].contains(scale) {
            misfits.add(Misfit::new(place, format!("`scales` names {scale} twice")));
        }
    }
    misfits
}
