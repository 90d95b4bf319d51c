//! Asking a hub over HTTP: where things are, who may see them, what its answers mean.
//!
//! Redirects are followed by hand, for two reasons: what the hub says about a large file stands in
//! the answer that redirects to the storage, and a token is for the hub alone.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use ureq::http::header::{AUTHORIZATION, CONTENT_LENGTH, ETAG, LOCATION, RANGE};
use ureq::http::{HeaderMap, Response, StatusCode, Uri};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Body, Proxy};

use crate::config::{Config, Proxies};
use crate::digest::Etag;
use crate::error::HubError;
use crate::id::ModelId;
use crate::listing::Listing;
use crate::pull::Progress;

/// Answers that say "elsewhere", one after the other, before it is a circle.
const MAX_REDIRECTS: usize = 8;
/// No listing is larger (64 MiB).
const MAX_LISTING: u64 = 64 << 20;
/// Longest wait before a request is made again.
const MAX_WAIT: Duration = Duration::from_mins(1);
/// Of what a server says about an error, so many characters are told.
const MAX_MESSAGE: usize = 200;

/// A hub that can be asked.
pub(crate) struct Remote<'a> {
    config: &'a Config,
    agent: Agent,
}

/// What is asked for, in the words of its error.
pub(crate) struct Question<'a> {
    pub(crate) id: &'a ModelId,
    /// The file, or the model itself.
    pub(crate) file: Option<&'a str>,
    /// Only what is behind so many bytes.
    pub(crate) from: u64,
}

impl<'a> Remote<'a> {
    pub(crate) fn new(config: &'a Config) -> Self {
        // The certificates of this machine, which know a company's proxy; ring, for it needs no CMake.
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::PlatformVerifier)
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .build();
        let proxy = match config.proxies {
            Proxies::None => None,
            Proxies::Environment => Proxy::try_from_env(),
        };
        let agent = Agent::config_builder()
            .tls_config(tls)
            .proxy(proxy)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false)
            .user_agent(config.user_agent.as_str())
            .timeout_connect(Some(config.patience))
            .timeout_recv_response(Some(config.patience))
            .timeout_per_read(Some(config.patience))
            .build()
            .new_agent();
        Self { config, agent }
    }

    /// What a model holds.
    pub(crate) fn listing(
        &self,
        id: &ModelId,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<Listing, HubError> {
        let address = format!(
            "{}/api/models/{}/revision/{}?blobs=true",
            self.config.endpoint,
            id.repository(),
            escaped(id.revision(), false)
        );
        let question = Question {
            id,
            file: None,
            from: 0,
        };
        self.patiently(&id.to_string(), progress, || {
            let mut answer = self.get(&address, &question)?;
            let body = answer
                .body_mut()
                .with_config()
                .limit(MAX_LISTING)
                .read_to_vec();
            let body = body.map_err(|error| self.unreachable(&address, &error))?;
            Listing::read(&body).map_err(|problem| self.not_a_hub(problem))
        })
    }

    /// The size and etag of a file.
    pub(crate) fn describe(
        &self,
        id: &ModelId,
        commit: &str,
        file: &str,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<(u64, Etag), HubError> {
        let question = Question {
            id,
            file: Some(file),
            from: 0,
        };
        self.patiently(file, progress, || {
            let mut address = self.address(id, commit, file);
            for _ in 0..MAX_REDIRECTS {
                let answer = self.ask("HEAD", &address, 0)?;
                let headers = answer.headers();
                let etag = text(headers, "x-linked-etag").or_else(|| text(headers, ETAG.as_str()));
                let size = text(headers, "x-linked-size")
                    .or_else(|| text(headers, CONTENT_LENGTH.as_str()));
                let elsewhere = self.elsewhere(&address, &answer)?;
                // The hub itself knows the file under another name, or this answer describes it.
                if let Some(next) = elsewhere
                    && text(headers, "x-linked-etag").is_none()
                {
                    address = next;
                    continue;
                }
                self.accept(&address, &question, answer.status(), headers, None)?;
                let size = size.and_then(|size| size.parse().ok());
                let etag = etag.as_deref().and_then(Etag::read);
                return size.zip(etag).ok_or_else(|| {
                    self.not_a_hub(format!("it tells no size or no etag of `{file}`"))
                });
            }
            Err(self.not_a_hub("its redirects do not end".to_owned()))
        })
    }

    /// Opens a file at a commit.
    pub(crate) fn open(
        &self,
        commit: &str,
        question: &Question<'_>,
    ) -> Result<Response<Body>, HubError> {
        let file = question.file.unwrap_or_default();
        self.get(&self.address(question.id, commit, file), question)
    }

    /// Does something that asks the hub, again and again while what fails may pass.
    fn patiently<T>(
        &self,
        what: &str,
        progress: &mut dyn FnMut(Progress<'_>),
        mut act: impl FnMut() -> Result<T, HubError>,
    ) -> Result<T, HubError> {
        let mut tries = 0;
        loop {
            match act() {
                Err(error) if error.may_pass() && tries < self.config.retries => {
                    self.pause(tries, what, &error, progress);
                    tries += 1;
                }
                done => return done,
            }
        }
    }

    /// Waits before the next try, the longer the more there were.
    pub(crate) fn pause(
        &self,
        tries: u32,
        file: &str,
        error: &HubError,
        progress: &mut dyn FnMut(Progress<'_>),
    ) {
        let twice = 2_u32.saturating_pow(tries);
        let wait = self.config.backoff.saturating_mul(twice).min(MAX_WAIT);
        progress(Progress::Retrying { file, error, wait });
        std::thread::sleep(wait);
    }

    pub(crate) const fn retries(&self) -> u32 {
        self.config.retries
    }

    fn address(&self, id: &ModelId, commit: &str, file: &str) -> String {
        let (endpoint, repository) = (&self.config.endpoint, id.repository());
        format!(
            "{endpoint}/{repository}/resolve/{commit}/{}",
            escaped(file, true)
        )
    }

    /// Asks, and follows redirects to where the content is.
    fn get(&self, address: &str, question: &Question<'_>) -> Result<Response<Body>, HubError> {
        let mut address = address.to_owned();
        for _ in 0..MAX_REDIRECTS {
            let mut answer = self.ask("GET", &address, question.from)?;
            if let Some(next) = self.elsewhere(&address, &answer)? {
                address = next;
                continue;
            }
            let (status, headers) = (answer.status(), answer.headers().clone());
            if status.is_success() || status == StatusCode::RANGE_NOT_SATISFIABLE {
                return Ok(answer);
            }
            let body = answer
                .body_mut()
                .with_config()
                .limit(1 << 16)
                .read_to_string()
                .ok();
            self.accept(&address, question, status, &headers, body)?;
            return Ok(answer);
        }
        Err(self.not_a_hub("its redirects do not end".to_owned()))
    }

    /// One request and its answer, whatever it is.
    fn ask(&self, method: &str, address: &str, from: u64) -> Result<Response<Body>, HubError> {
        let mut request = match method {
            "HEAD" => self.agent.head(address),
            _ => self.agent.get(address),
        };
        if let Some(token) = &self.config.token
            && same_host(address, &self.config.endpoint)
        {
            request = request.header(AUTHORIZATION, token.bearer());
        }
        if from > 0 {
            request = request.header(RANGE, format!("bytes={from}-"));
        }
        let answer = request.call();
        answer.map_err(|error| self.unreachable(address, &error))
    }

    /// Where an answer sends to, if it does.
    fn elsewhere(
        &self,
        address: &str,
        answer: &Response<Body>,
    ) -> Result<Option<String>, HubError> {
        if !matches!(answer.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
            return Ok(None);
        }
        let target = text(answer.headers(), LOCATION.as_str())
            .and_then(|location| joined(address, &location))
            .ok_or_else(|| self.not_a_hub("it redirects to nowhere".to_owned()))?;
        if address.starts_with("https:") && !target.starts_with("https:") {
            let problem = format!("it redirects from HTTPS to `{}`", host_of(&target));
            return Err(self.not_a_hub(problem));
        }
        Ok(Some(target))
    }

    /// An answer that is not what was asked for is an error, and which one.
    fn accept(
        &self,
        address: &str,
        question: &Question<'_>,
        status: StatusCode,
        headers: &HeaderMap,
        body: Option<String>,
    ) -> Result<(), HubError> {
        if status.is_success() || status.is_redirection() {
            return Ok(());
        }
        let (id, repository) = (question.id.to_string(), question.id.repository());
        let token = self.config.token.is_some();
        let message =
            text(headers, "x-error-message").or_else(|| body.and_then(|body| sentence(&body)));
        let host = host_of(address);
        // Of its storage the hub's codes say nothing.
        let ours = same_host(address, &self.config.endpoint);
        let code = text(headers, "x-error-code")
            .filter(|_| ours)
            .unwrap_or_default();
        let page = format!("{}/{repository}", self.config.endpoint);
        Err(match (code.as_str(), status.as_u16()) {
            ("GatedRepo", _) => HubError::Gated {
                id,
                page,
                token,
                message,
            },
            // The hub answers 401 for what does not exist, lest one learn what does.
            ("RepoNotFound", 401) | (_, 401 | 403) if ours => {
                HubError::Unauthorized { id, token, message }
            }
            ("RevisionNotFound", _) => HubError::NoRevision {
                repository,
                revision: question.id.revision().to_owned(),
                page: format!("{page}/tree/main"),
            },
            (_, 404) if ours => match question.file {
                Some(file) => HubError::NoFile {
                    id,
                    file: file.to_owned(),
                },
                None => HubError::NoModel {
                    repository,
                    endpoint: self.config.endpoint.clone(),
                },
            },
            (_, 429) => HubError::TooMany { host, token },
            (_, status) => HubError::Status {
                host,
                status,
                what: question.file.map_or(id, str::to_owned),
                message,
            },
        })
    }

    fn unreachable(&self, address: &str, error: &ureq::Error) -> HubError {
        let host = host_of(address);
        let problem = match error {
            ureq::Error::HostNotFound => "no such host".to_owned(),
            ureq::Error::Timeout(_) => {
                format!("no answer within {} s", self.config.patience.as_secs_f64())
            }
            ureq::Error::Rustls(_) | ureq::Error::Tls(_) => {
                let problem = error.to_string();
                return HubError::Untrusted { host, problem };
            }
            // What rustls refuses during the handshake comes as such.
            ureq::Error::Io(error) if error.kind() == ErrorKind::InvalidData => {
                let problem = error.to_string();
                return HubError::Untrusted { host, problem };
            }
            ureq::Error::BadUri(_) | ureq::Error::Http(_) => {
                let (endpoint, problem) = (self.config.endpoint.clone(), error.to_string());
                return HubError::BadEndpoint { endpoint, problem };
            }
            ureq::Error::Io(error) => error.to_string(),
            other => other.to_string(),
        };
        HubError::Unreachable {
            host,
            problem,
            kept: false,
        }
    }

    fn not_a_hub(&self, problem: String) -> HubError {
        HubError::NotAHub {
            host: host_of(&self.config.endpoint),
            problem,
        }
    }
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    Some(headers.get(name)?.to_str().ok()?.to_owned())
}

/// What a server says about an error: `{"error": …}`, or one line that is no page.
fn sentence(body: &str) -> Option<String> {
    let json = serde_json::from_str::<serde_json::Value>(body).ok();
    let said = json.and_then(|json| Some(json.get("error")?.as_str()?.to_owned()));
    let said = said.unwrap_or_else(|| body.trim().to_owned());
    let plain = !said.is_empty() && !said.starts_with('<') && !said.contains('\n');
    // It goes to a terminal.
    let said = said.chars().filter(|c| !c.is_control()).take(MAX_MESSAGE);
    plain.then(|| said.collect())
}

/// Scheme, host and port: whom a token is for.
fn same_host(one: &str, other: &str) -> bool {
    let origin = |address: &str| {
        let uri: Uri = address.parse().ok()?;
        let scheme = uri.scheme_str()?.to_owned();
        let port = uri
            .port_u16()
            .unwrap_or(if scheme == "https" { 443 } else { 80 });
        Some((scheme, uri.host()?.to_ascii_lowercase(), port))
    };
    origin(one).is_some() && origin(one) == origin(other)
}

fn host_of(address: &str) -> String {
    let uri: Option<Uri> = address.parse().ok();
    let host = uri.and_then(|uri| Some(uri.authority()?.as_str().to_owned()));
    host.unwrap_or_else(|| address.to_owned())
}

/// The address that a `Location` means, seen from another.
fn joined(base: &str, location: &str) -> Option<String> {
    if location.starts_with("http://") || location.starts_with("https://") {
        return Some(location.to_owned());
    }
    let uri: Uri = base.parse().ok()?;
    let origin = format!("{}://{}", uri.scheme_str()?, uri.authority()?);
    location
        .starts_with('/')
        .then(|| format!("{origin}{location}"))
}

/// A path as it stands in an address; slashes stay slashes, if they are to.
fn escaped(path: &str, slashes: bool) -> String {
    use std::fmt::Write as _;
    path.bytes().fold(String::new(), |mut text, byte| {
        let plain = byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
        if plain || (slashes && byte == b'/') {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_for_one_origin() {
        let hub = "https://huggingface.co";
        assert!(same_host("https://HuggingFace.co:443/a", hub));
        for other in [
            "http://huggingface.co/a",
            "https://huggingface.co:8443/a",
            "https://cdn.huggingface.co/a",
            "https://huggingface.co.example.org/a",
            "nonsense",
        ] {
            assert!(!same_host(other, hub), "{other}");
        }
    }

    #[test]
    fn addresses_are_written_and_followed() {
        assert_eq!(escaped("refs/pr/1", false), "refs%2Fpr%2F1");
        assert_eq!(escaped("a b/c#.json", true), "a%20b/c%23.json");
        let joined = |location| joined("http://h:1/a/b", location);
        assert_eq!(joined("/c").as_deref(), Some("http://h:1/c"));
        assert_eq!(joined("https://x/c").as_deref(), Some("https://x/c"));
        assert_eq!(joined("c"), None);
    }

    #[test]
    fn what_a_server_says_is_told_if_it_is_a_sentence() {
        assert_eq!(
            sentence("{\"error\":\"Invalid\"}").as_deref(),
            Some("Invalid")
        );
        assert_eq!(sentence("<html>\n…"), None);
        assert_eq!(
            sentence("bad\u{1b}[2J gate").as_deref(),
            Some("bad[2J gate")
        );
    }
}
