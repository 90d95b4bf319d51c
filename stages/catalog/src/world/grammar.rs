//! `world.grammar`: prompts from a grammar.

use std::sync::Arc;

use ccsr_stage::{Misfits, RoleKind, Value};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::roles::{Grammar, Network, Style, Writer};

/// Parameters of `world.grammar`.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Params {}

/// Writes prompts in keyword style about the world's animals.
pub struct WorldGrammar;

impl Network for WorldGrammar {}

impl Writer for WorldGrammar {
    fn check(&self, class: &str) -> Result<(), String> {
        super::class(class).map(|_| ())
    }

    fn grammar(&self) -> Option<&dyn Grammar> {
        Some(self)
    }
}

impl Grammar for WorldGrammar {
    fn write(&self, class: &str, style: Style, ordinal: u64, seed: u64) -> String {
        let style = match style {
            Style::Camera => ccsr_world::Style::Camera,
            Style::Plain => ccsr_world::Style::Plain,
        };
        let class = super::class(class).expect("the class was checked");
        ccsr_world::grammar::prompt_in(style, seed, class, ordinal)
    }
}

impl RoleKind for WorldGrammar {
    const ROLE: &'static str = "writer";
    const NAME: &'static str = "world.grammar";
    const REVISION: u32 = 1;
    type Params = Params;
    type Object = Arc<dyn Writer>;

    fn new(_: Params, _: &Value) -> Result<Self::Object, Misfits> {
        Ok(Arc::new(Self))
    }
}
