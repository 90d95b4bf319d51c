//! Keys: what names an action and what names a whole stage.
//!
//! A key is a digest in a domain of its own, so that neither can be taken for the other or for a
//! blob. What goes into the value that is digested is the callers' business.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Digest, ParseDigestError, Value};

/// Separates action keys from every other use of BLAKE3. Frozen: another text forgets every outcome.
const ACTION_CONTEXT: &str = "ccsr-flow 2026 action key v1";
/// The same for stage keys.
const STAGE_CONTEXT: &str = "ccsr-flow 2026 stage key v1";

macro_rules! key {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Digest);

        impl $name {
            /// Wraps a digest that is such a key already.
            pub const fn from_digest(digest: Digest) -> Self {
                Self(digest)
            }

            /// The digest.
            pub const fn digest(&self) -> Digest {
                self.0
            }

            pub(crate) const fn as_bytes(&self) -> &[u8; 32] {
                self.0.as_bytes()
            }

            pub(crate) const fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(Digest::from_bytes(bytes))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0.short())
            }
        }

        impl FromStr for $name {
            type Err = ParseDigestError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    };
}

key! {
    /// Names a piece of work: everything that its outcome depends on, and nothing else.
    ActionKey
}

key! {
    /// Names one evaluation of a whole stage.
    StageKey
}

impl ActionKey {
    /// The key of the action of this `kind` and `revision` on `input`.
    pub fn of(kind: &str, revision: u32, input: &Value) -> Self {
        let named = Value::list([
            Value::from(kind),
            Value::Int(revision.into()),
            input.clone(),
        ]);
        Self(derive(ACTION_CONTEXT, &named))
    }
}

impl StageKey {
    /// The key of the stage that `value` describes.
    pub fn of(value: &Value) -> Self {
        Self(derive(STAGE_CONTEXT, value))
    }
}

fn derive(context: &str, value: &Value) -> Digest {
    Digest::from_bytes(blake3::derive_key(context, &value.canonical()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_enters_the_key_and_domains_do_not_meet() {
        let input = Value::map([("prompt", Value::from("an elephant"))]);
        let key = ActionKey::of("image.generate", 1, &input);
        assert_eq!(key, ActionKey::of("image.generate", 1, &input));
        assert_ne!(key, ActionKey::of("image.generate", 2, &input));
        assert_ne!(key, ActionKey::of("image.judge", 1, &input));
        assert_ne!(key, ActionKey::of("image.generate", 1, &Value::Null));
        let same = Value::list([Value::from("image.generate"), Value::Int(1), input]);
        assert_ne!(key.digest(), StageKey::of(&same).digest());
        assert_ne!(key.digest(), same.digest());
    }

    /// These texts are the format: a change here forgets every cached outcome.
    #[test]
    fn keys_are_frozen() {
        let input = Value::map([("seed", Value::Int(7))]);
        let action = ActionKey::of("image.generate", 1, &input);
        assert_eq!(action.to_string(), FROZEN_ACTION);
        assert_eq!(StageKey::of(&input).to_string(), FROZEN_STAGE);
    }

    const FROZEN_ACTION: &str = "5c1c356f0321c8ad05f15c290bfa11f877597259188bddd4c8a3ed55fb0f91cf";
    const FROZEN_STAGE: &str = "cbfc89b618e43e6d9d4871568743a59fce7c62c98c8dd5d3243f170627cd5ad8";

    #[test]
    fn text_and_json_round_trip() {
        let key = StageKey::of(&Value::Null);
        assert_eq!(key.to_string().parse(), Ok(key));
        let json = serde_json::to_string(&key).unwrap();
        assert_eq!(serde_json::from_str::<StageKey>(&json).unwrap(), key);
    }
}
