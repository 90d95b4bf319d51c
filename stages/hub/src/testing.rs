//! A hub on this machine, for tests: it speaks as much of the protocol as a pull hears, and fails in
//! the ways that hubs and networks fail.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use serde_json::json;

use crate::digest;

/// A server that answers until the test's process ends.
pub struct Server {
    address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
}

/// How a hub keeps a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// In git, and sends it itself.
    Small,
    /// In a storage, to which it redirects.
    Large,
}

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The connection ends after so many bytes of a file's body, so many times.
    BreakOff {
        /// Bytes that are sent.
        after: usize,
        /// How often.
        times: usize,
    },
    /// Every request whose path contains this text is answered so, so many times.
    Answer {
        /// The text.
        path: &'static str,
        /// The code.
        status: u16,
        /// What stands in `X-Error-Code`.
        code: &'static str,
        /// How often.
        times: usize,
    },
    /// The first byte of every file is another.
    FlipByte,
    /// Every file comes one byte longer than it is.
    TooLong,
    /// Ranges are ignored.
    NoRanges,
    /// The listing names files and says no more about them.
    NamesOnly,
    /// The listing names this file, too.
    AlsoLists(&'static str),
}

/// A request that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// `GET` or `HEAD`.
    pub method: String,
    /// The path and what is behind `?`.
    pub path: String,
    /// Headers, their names in small letters.
    pub headers: BTreeMap<String, String>,
    /// Bytes of the answer's body.
    pub sent: usize,
}

#[derive(Default)]
struct Shared {
    models: BTreeMap<String, Model>,
    storage: BTreeMap<String, Vec<u8>>,
    storage_at: Option<String>,
    token: Option<String>,
    faults: Vec<Fault>,
    requests: Vec<Request>,
}

struct Model {
    commit: String,
    files: BTreeMap<String, (Kept, Vec<u8>)>,
}

/// An answer before it is sent.
struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    is_file: bool,
}

impl Server {
    /// Begins to listen, with nothing to give.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("this machine has a loopback");
        let address = listener.local_addr().expect("it is bound");
        let shared = Arc::new(Mutex::new(Shared::default()));
        let answering = shared.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = answering.clone();
                // That a client hangs up is nothing to a server.
                thread::spawn(move || drop(answer(stream, &shared)));
            }
        });
        Self { address, shared }
    }

    /// Its address, as `HF_ENDPOINT` takes it.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Publishes a model's files at a commit, which is `main` from now on.
    pub fn publish(&self, id: &str, commit: &str, files: &[(&str, Kept, &[u8])]) {
        let mut shared = self.shared();
        let files = files.iter().map(|(path, kept, content)| {
            shared
                .storage
                .insert(digest::names(content).0, content.to_vec());
            ((*path).to_owned(), (*kept, content.to_vec()))
        });
        let model = Model {
            commit: commit.to_owned(),
            files: files.collect(),
        };
        shared.models.insert(id.to_owned(), model);
    }

    /// Lets another server keep the large files.
    pub fn store_at(&self, other: &Self) {
        let storage = self.shared().storage.clone();
        other.shared().storage.extend(storage);
        self.shared().storage_at = Some(other.endpoint());
    }

    /// Shows models only to who brings this token.
    pub fn ask_for(&self, token: &str) {
        self.shared().token = Some(token.to_owned());
    }

    /// Lets something go wrong from now on.
    pub fn fail(&self, fault: Fault) {
        self.shared().faults.push(fault);
    }

    /// Lets nothing go wrong any more.
    pub fn heal(&self) {
        self.shared().faults.clear();
    }

    /// The requests that came since this was last asked.
    pub fn requests(&self) -> Vec<Request> {
        std::mem::take(&mut self.shared().requests)
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        locked(&self.shared)
    }
}

fn locked(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

fn answer(stream: TcpStream, shared: &Mutex<Shared>) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    let mut words = first.split(' ').map(str::to_owned);
    let mut request = Request {
        method: words.next().unwrap_or_default(),
        path: words.next().unwrap_or_default(),
        headers: BTreeMap::new(),
        sent: 0,
    };
    for line in lines {
        let line = line?;
        let Some((name, value)) = line.split_once(':') else {
            break;
        };
        let name = name.to_ascii_lowercase();
        request.headers.insert(name, value.trim().to_owned());
    }
    let (head, body) = locked(shared).settle(request);
    let mut stream = stream;
    stream.write_all(head.as_bytes())?;
    stream.write_all(&body)
}

impl Shared {
    /// The head and the body of the answer, as far as it is sent.
    fn settle(&mut self, mut request: Request) -> (String, Vec<u8>) {
        let mut answer = self.reply(&request);
        let length = answer.body.len();
        if request.method == "HEAD" {
            answer.body.clear();
        }
        if answer.is_file
            && let Some(after) = self.breaks_off()
        {
            answer.body.truncate(after);
        }
        let mut head = format!("HTTP/1.1 {} .\r\nConnection: close\r\n", answer.status);
        for (name, value) in answer.headers {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        let _ = write!(head, "Content-Length: {length}\r\n\r\n");
        request.sent = answer.body.len();
        self.requests.push(request);
        (head, answer.body)
    }

    fn breaks_off(&mut self) -> Option<usize> {
        self.faults.iter_mut().find_map(|fault| match fault {
            Fault::BreakOff { after, times } if *times > 0 => {
                *times -= 1;
                Some(*after)
            }
            _ => None,
        })
    }

    fn reply(&mut self, request: &Request) -> Answer {
        for fault in &mut self.faults {
            if let Fault::Answer {
                path,
                status,
                code,
                times,
            } = fault
                && *times > 0
                && request.path.contains(*path)
            {
                *times -= 1;
                return Answer::error(*status, code);
            }
        }
        let path = request.path.split('?').next().unwrap_or_default();
        if let Some(name) = path.strip_prefix("/storage/") {
            return match self.storage.get(name) {
                Some(content) => self.file(request, content, Vec::new()),
                None => Answer::error(404, ""),
            };
        }
        let bearer = self.token.as_ref().map(|token| format!("Bearer {token}"));
        if bearer
            .as_ref()
            .is_some_and(|bearer| request.headers.get("authorization") != Some(bearer))
        {
            return Answer::error(401, "RepoNotFound");
        }
        if let Some(rest) = path.strip_prefix("/api/models/") {
            let (id, revision) = rest.split_once("/revision/").unwrap_or((rest, "main"));
            return self.listing(id, revision);
        }
        let parts = path.trim_start_matches('/').split_once("/resolve/");
        match parts.and_then(|(id, rest)| Some((id, rest.split_once('/')?))) {
            Some((id, (commit, file))) => self.resolve(request, id, commit, file),
            None => Answer::error(404, ""),
        }
    }

    fn listing(&self, id: &str, revision: &str) -> Answer {
        let Some(model) = self.models.get(id) else {
            return Answer::error(404, "RepoNotFound");
        };
        if revision != "main" && revision != model.commit {
            return Answer::error(404, "RevisionNotFound");
        }
        let bare = self.faults.contains(&Fault::NamesOnly);
        let described = |(path, (kept, content)): (&String, &(Kept, Vec<u8>))| {
            let (sha256, git) = digest::names(content);
            let size = content.len();
            match kept {
                _ if bare => json!({"rfilename": path}),
                Kept::Small => json!({"rfilename": path, "size": size, "blobId": git}),
                Kept::Large => json!({"rfilename": path, "size": size, "blobId": git,
                    "lfs": {"sha256": sha256, "size": size, "pointerSize": 130}}),
            }
        };
        let mut files: Vec<_> = model.files.iter().map(described).collect();
        files.extend(self.faults.iter().filter_map(|fault| match fault {
            Fault::AlsoLists(path) => {
                Some(json!({"rfilename": path, "size": 1, "blobId": "0".repeat(40)}))
            }
            _ => None,
        }));
        let body = json!({"id": id, "sha": model.commit, "siblings": files}).to_string();
        Answer::ok(body.into_bytes())
    }

    fn resolve(&self, request: &Request, id: &str, commit: &str, file: &str) -> Answer {
        let found = self.models.get(id).filter(|model| model.commit == commit);
        let Some((kept, content)) = found.and_then(|model| model.files.get(file)) else {
            return Answer::error(404, "EntryNotFound");
        };
        let (sha256, git) = digest::names(content);
        match kept {
            Kept::Small => {
                let headers = vec![("ETag", format!("\"{git}\""))];
                self.file(request, content, headers)
            }
            Kept::Large => {
                let at = self.storage_at.clone().unwrap_or_default();
                let headers = vec![
                    ("Location", format!("{at}/storage/{sha256}")),
                    ("X-Linked-ETag", format!("\"{sha256}\"")),
                    ("X-Linked-Size", content.len().to_string()),
                ];
                Answer {
                    status: 302,
                    headers,
                    body: Vec::new(),
                    is_file: false,
                }
            }
        }
    }

    fn file(
        &self,
        request: &Request,
        content: &[u8],
        mut headers: Vec<(&'static str, String)>,
    ) -> Answer {
        let mut content = content.to_vec();
        if self.faults.contains(&Fault::FlipByte)
            && let Some(first) = content.first_mut()
        {
            *first ^= 1;
        }
        if self.faults.contains(&Fault::TooLong) {
            content.push(0);
        }
        let range = request.headers.get("range");
        let range = range.filter(|_| !self.faults.contains(&Fault::NoRanges));
        let from: Option<usize> = range.and_then(|range| {
            range
                .strip_prefix("bytes=")?
                .strip_suffix('-')?
                .parse()
                .ok()
        });
        let status = match from {
            Some(from) if from < content.len() => {
                let (last, all) = (content.len() - 1, content.len());
                headers.push(("Content-Range", format!("bytes {from}-{last}/{all}")));
                content.drain(..from);
                206
            }
            Some(_) => return Answer::error(416, ""),
            None => 200,
        };
        Answer {
            status,
            headers,
            body: content,
            is_file: true,
        }
    }
}

impl Answer {
    fn ok(body: Vec<u8>) -> Self {
        Self {
            status: 200,
            headers: Vec::new(),
            body,
            is_file: false,
        }
    }

    fn error(status: u16, code: &str) -> Self {
        let code = (!code.is_empty()).then(|| ("X-Error-Code", code.to_owned()));
        Self {
            status,
            headers: code.into_iter().collect(),
            body: Vec::new(),
            is_file: false,
        }
    }
}
