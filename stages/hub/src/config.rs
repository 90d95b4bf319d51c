//! What a [`Hub`](crate::Hub) must be told: where the cache and the hub are, and who is asking.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// Where the cache and the hub are, and who is asking.
#[derive(Clone, Debug)]
pub struct Config {
    /// The folder of the `models--…` folders.
    pub cache: PathBuf,
    /// The hub's address, without a slash at its end.
    pub endpoint: String,
    /// Who is asking.
    pub token: Option<Token>,
    /// Never ask the hub.
    pub offline: bool,
    /// How to get out.
    pub proxies: Proxies,
    /// What the hub is told about the program that asks.
    pub user_agent: String,
    /// How often a request is made again after it failed for a reason that may pass.
    pub retries: u32,
    /// How long to wait before the first of them; every further wait is twice as long.
    pub backoff: Duration,
    /// How long nothing may arrive before a connection counts as broken.
    pub patience: Duration,
}

impl Config {
    /// The public hub.
    pub const ENDPOINT: &'static str = "https://huggingface.co";

    /// The public hub, asked by nobody in particular, for a cache in this folder.
    pub fn new(cache: impl Into<PathBuf>) -> Self {
        Self {
            cache: cache.into(),
            endpoint: Self::ENDPOINT.to_owned(),
            token: None,
            offline: false,
            proxies: Proxies::None,
            user_agent: concat!("ccsr-hub/", env!("CARGO_PKG_VERSION")).to_owned(),
            retries: 4,
            backoff: Duration::from_secs(1),
            patience: Duration::from_mins(1),
        }
    }
}

/// How requests get out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proxies {
    /// Straight.
    None,
    /// As `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` say, which the HTTP client then reads itself.
    Environment,
}

/// An access token. It does not show itself when it is printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// A token without the white space around it; nothing, if there is nothing else, or something that
    /// cannot stand in a header.
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        let fits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        fits.then(|| Self(text.to_owned()))
    }

    pub(crate) fn bearer(&self) -> String {
        format!("Bearer {}", self.0)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}
