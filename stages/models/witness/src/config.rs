//! Configurations: `config.json`.

use burn::prelude::*;
use serde::{Deserialize, Serialize};

use crate::Witness;

/// The most values that a fact may have, and the most facts.
const MOST: usize = 1024;

/// What a witness speaks of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fact {
    /// What it is called.
    pub name: String,
    /// The values that it can have, of which each image has one.
    pub values: Vec<String>,
}

/// The only kind of network that there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
enum ModelType {
    #[default]
    #[serde(rename = "ccsr-witness")]
    Witness,
}

/// A witness's sizes, and what it speaks of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct WitnessConfig {
    /// The side of images in pixels.
    pub image_size: usize,
    /// Channels at each level; each level has half the side of the one before, the first of the image.
    pub block_out_channels: Vec<usize>,
    /// Residual blocks at each level.
    pub layers_per_block: usize,
    /// Groups of a normalisation.
    pub norm_num_groups: usize,
    /// What it speaks of.
    pub facts: Vec<Fact>,
}

/// `config.json` as it is written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    model_type: ModelType,
    image_size: usize,
    block_out_channels: Vec<usize>,
    layers_per_block: usize,
    norm_num_groups: usize,
    facts: Vec<Fact>,
}

impl From<WitnessConfig> for Written {
    fn from(config: WitnessConfig) -> Self {
        Self {
            model_type: ModelType::Witness,
            image_size: config.image_size,
            block_out_channels: config.block_out_channels,
            layers_per_block: config.layers_per_block,
            norm_num_groups: config.norm_num_groups,
            facts: config.facts,
        }
    }
}

impl TryFrom<Written> for WitnessConfig {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let config = Self {
            image_size: written.image_size,
            block_out_channels: written.block_out_channels,
            layers_per_block: written.layers_per_block,
            norm_num_groups: written.norm_num_groups,
            facts: written.facts,
        };
        config.check().map(|()| config)
    }
}

impl WitnessConfig {
    /// Levels and blocks for images of the `mini` suite: about 590,000 parameters.
    pub fn small(facts: Vec<Fact>) -> Self {
        Self {
            image_size: 64,
            block_out_channels: vec![32, 64, 96, 96],
            layers_per_block: 1,
            norm_num_groups: 8,
            facts,
        }
    }

    /// A network of this size, without weights.
    pub fn init(&self, device: &Device) -> Witness {
        Witness::new(self, device)
    }

    /// How many values each fact can have.
    pub fn widths(&self) -> Vec<usize> {
        self.facts.iter().map(|fact| fact.values.len()).collect()
    }

    /// That a network can be made of it.
    fn check(&self) -> Result<(), String> {
        let levels = self.block_out_channels.len();
        if !(1..=8).contains(&levels) {
            return Err(format!(
                "expected from 1 to 8 levels in `block_out_channels`, found {levels}"
            ));
        }
        let whole = 1 << levels;
        if self.image_size == 0 || self.image_size > 4096 || !self.image_size.is_multiple_of(whole)
        {
            return Err(format!(
                "expected `image_size` up to 4096 and a multiple of {whole}, since it is halved {levels} times, found {}",
                self.image_size
            ));
        }
        let groups = self.norm_num_groups;
        let fits = |channels: &usize| {
            groups > 0 && (1..=4096).contains(channels) && channels.is_multiple_of(groups)
        };
        if let Some(channels) = self.block_out_channels.iter().find(|it| !fits(it)) {
            return Err(format!(
                "{channels} channels of `block_out_channels` cannot be split into `norm_num_groups: {groups}`"
            ));
        }
        if self.layers_per_block > 64 {
            return Err(format!(
                "expected `layers_per_block` up to 64, found {}",
                self.layers_per_block
            ));
        }
        if self.facts.is_empty() || self.facts.len() > MOST {
            return Err(format!("expected from 1 to {MOST} `facts`"));
        }
        for fact in &self.facts {
            let values = fact.values.len();
            if !(2..=MOST).contains(&values) {
                return Err(format!(
                    "expected from 2 to {MOST} values of the fact `{}`, found {values}",
                    fact.name
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn written() -> serde_json::Value {
        let fact = |name: &str, values: &[&str]| Fact {
            name: name.to_owned(),
            values: values.iter().map(|value| (*value).to_owned()).collect(),
        };
        let facts = vec![
            fact("sound", &["no", "yes"]),
            fact("count", &["0", "1", "2"]),
        ];
        serde_json::to_value(WitnessConfig::small(facts)).unwrap()
    }

    #[test]
    fn what_was_written_is_read() {
        let written = written();
        assert_eq!(written["model_type"], "ccsr-witness");
        let read: WitnessConfig = serde_json::from_value(written).unwrap();
        assert_eq!(read.widths(), [2, 3]);
        assert_eq!(read.block_out_channels, [32, 64, 96, 96]);
    }

    #[test]
    fn what_no_network_can_be_made_of_is_refused() {
        for (name, value, why) in [
            ("model_type", json!("clip"), "expected `ccsr-witness`"),
            ("image_size", json!(72), "a multiple of 16"),
            ("image_size", json!(0), "up to 4096"),
            ("block_out_channels", json!([]), "from 1 to 8 levels"),
            ("block_out_channels", json!([32, 36]), "36 channels"),
            ("norm_num_groups", json!(0), "`norm_num_groups: 0`"),
            ("layers_per_block", json!(65), "up to 64"),
            ("facts", json!([]), "from 1 to 1024 `facts`"),
            (
                "facts",
                json!([{"name": "sound", "values": ["yes"]}]),
                "the fact `sound`, found 1",
            ),
            ("depth", json!(3), "unknown field `depth`"),
        ] {
            let mut config = written();
            config[name] = value;
            let error = serde_json::from_value::<WitnessConfig>(config).unwrap_err();
            assert!(error.to_string().contains(why), "{name}: {error}");
        }
    }
}
