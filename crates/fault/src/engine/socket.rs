//! The socket of an engine: one request, one answer.
//!
//! Requests are of HTTP/1.0, whose answers end with their connection and come in one piece. Every one of them has an end:
//! an engine that hangs is an error.

use std::env;
use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use evenkeel_units::{Clock as _, SystemClock};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::container::Run;

/// Names the engine, for every program that speaks to one.
const HOST: &str = "DOCKER_HOST";
/// An answer is no stream.
const ANSWER_BYTES_MAX: usize = 64 << 20;
/// No timeout of a socket may be zero.
const AT_ONCE: Duration = Duration::from_millis(1);
/// A question is answered within this time, or the engine hangs. One about a container that just starts or ends waits
/// until it has.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// An engine, by its socket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Engine {
    pub(crate) socket: PathBuf,
}

/// What an engine says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Said {
    version: String,
    api_version: String,
    #[serde(default)]
    components: Vec<Component>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Component {
    name: String,
}

/// Why an engine does not do as asked.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// There is none.
    #[error(
        "there is no container engine: none of {looked_at} is there; start one, or name its socket as `engine`"
    )]
    None {
        /// Where it was looked for.
        looked_at: String,
    },
    /// It is elsewhere.
    #[error("DOCKER_HOST is `{0}`, and only an engine on a Unix socket can be asked")]
    Elsewhere(String),
    /// It is there and cannot be asked.
    #[error("cannot ask the container engine on {}: {error}; {help}", socket.display())]
    Ask {
        /// Where it listens.
        socket: PathBuf,
        /// Why not.
        error: io::Error,
        /// What helps.
        help: &'static str,
    },
    /// It said why.
    #[error("the container engine on {} says: {said}", socket.display())]
    Said {
        /// Where it listens.
        socket: PathBuf,
        /// In its words.
        said: String,
    },
    /// It did as told, and that had no effect.
    #[error("the container engine was told to {verb} {run}, and it is as before")]
    Unmoved {
        /// What it was told.
        verb: &'static str,
        /// Of whom.
        run: Box<Run>,
    },
    /// We would break what we run in.
    #[error(
        "{0} is the container that this runs in, and is never hit: name the others more closely"
    )]
    Ourselves(String),
}

/// An answer.
struct Answer {
    status: u16,
    body: Vec<u8>,
}

impl Engine {
    /// The one on this socket, or the usual one: that of `DOCKER_HOST`, of Docker, or of Podman.
    pub(crate) fn at(socket: Option<&Path>) -> Result<Self, EngineError> {
        let named = env::var(HOST).ok().filter(|it| !it.is_empty());
        match (socket, named) {
            (Some(socket), _) => Ok(Self { socket: socket.to_owned() }),
            (None, Some(named)) => match named.strip_prefix("unix://") {
                Some(path) => Ok(Self { socket: path.into() }),
                None => Err(EngineError::Elsewhere(named)),
            },
            (None, None) => {
                let usual = usual();
                let found = usual.iter().find(|it| it.exists()).cloned();
                found.map(|socket| Self { socket }).ok_or_else(|| {
                    let all: Vec<String> =
                        usual.iter().map(|it| it.display().to_string()).collect();
                    EngineError::None { looked_at: all.join(", ") }
                })
            }
        }
    }

    /// Its name and version, such as `Docker 20.10.24`.
    pub(crate) fn product(&self) -> Result<String, EngineError> {
        let said = self.said()?;
        let is_podman = said.components.iter().any(|it| it.name.starts_with("Podman"));
        Ok(format!("{} {}", if is_podman { "Podman" } else { "Docker" }, said.version))
    }

    fn said(&self) -> Result<Said, EngineError> {
        let answer = self.exchange("GET", "/version", ANSWER_MAX)?;
        self.read(&answer)
    }

    /// Asks something. `None`: there is no such thing.
    pub(super) fn get<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>, EngineError> {
        let answer = self.versioned("GET", path, ANSWER_MAX)?;
        match answer.status {
            404 => Ok(None),
            200 => self.read(&answer).map(Some),
            _ => Err(self.refused(&answer)),
        }
    }

    /// Has something done. `false`: there is nobody to whom it could be done.
    pub(super) fn post(&self, path: &str, patience: Duration) -> Result<bool, EngineError> {
        let answer = self.versioned("POST", path, patience)?;
        match answer.status {
            404 => Ok(false),
            // It was so already.
            200..=299 | 304 => Ok(true),
            _ => Err(self.refused(&answer)),
        }
    }

    fn versioned(
        &self,
        method: &str,
        path: &str,
        patience: Duration,
    ) -> Result<Answer, EngineError> {
        let version = self.said()?.api_version;
        self.exchange(method, &format!("/v{version}{path}"), patience)
    }

    fn exchange(
        &self,
        method: &str,
        path: &str,
        patience: Duration,
    ) -> Result<Answer, EngineError> {
        exchange(&self.socket, method, path, patience).map_err(|error| self.unasked(error))
    }

    fn read<T: DeserializeOwned>(&self, answer: &Answer) -> Result<T, EngineError> {
        serde_json::from_slice(&answer.body).map_err(|error| self.unasked(error.into()))
    }

    fn refused(&self, answer: &Answer) -> EngineError {
        #[derive(Deserialize)]
        struct Why {
            message: String,
        }
        let why = serde_json::from_slice::<Why>(&answer.body).map(|it| it.message);
        let said = why.unwrap_or_else(|_| format!("status {}", answer.status));
        EngineError::Said { socket: self.socket.clone(), said }
    }

    fn unasked(&self, error: io::Error) -> EngineError {
        let help = match error.kind() {
            io::ErrorKind::PermissionDenied => "run this as root, or as a member of its group",
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                "start it, or name another socket as `engine`"
            }
            io::ErrorKind::TimedOut => "it hangs, or the host is overloaded",
            _ => "is it one?",
        };
        EngineError::Ask { socket: self.socket.clone(), error, help }
    }
}

/// Where engines listen that nobody has moved: Docker, then Podman, of the system and of a user.
fn usual() -> Vec<PathBuf> {
    let own = env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let of_user = |file: &str| own.as_ref().map(|it| it.join(file));
    [
        Some("/var/run/docker.sock".into()),
        of_user("docker.sock"),
        Some("/run/podman/podman.sock".into()),
        of_user("podman/podman.sock"),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn exchange(socket: &Path, method: &str, path: &str, patience: Duration) -> io::Result<Answer> {
    let clock = SystemClock::start();
    let mut stream = UnixStream::connect(socket)?;
    stream.set_write_timeout(Some(patience))?;
    // Nothing in a path of ours needs to be escaped.
    write!(stream, "{method} {path} HTTP/1.0\r\nHost: engine\r\nContent-Length: 0\r\n\r\n")?;
    let mut heard = Vec::new();
    let mut bytes = vec![0; 64 << 10];
    loop {
        let left = patience.saturating_sub(clock.now().elapsed());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left.max(AT_ONCE)))?;
        match stream.read(&mut bytes) {
            Ok(0) => return answer(&heard),
            Ok(read) => heard.extend(bytes.iter().take(read)),
            Err(error) => match error.kind() {
                io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock => {}
                _ => return Err(error),
            },
        }
        if heard.len() > ANSWER_BYTES_MAX {
            return Err(io::Error::other("its answer does not end"));
        }
    }
}

/// Reads an answer that has come to its end.
fn answer(heard: &[u8]) -> io::Result<Answer> {
    let strange = || io::Error::new(io::ErrorKind::InvalidData, "this is no answer of HTTP");
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut head = httparse::Response::new(&mut headers);
    let Ok(httparse::Status::Complete(length)) = head.parse(heard) else { return Err(strange()) };
    let body = heard.get(length..).unwrap_or_default().to_vec();
    Ok(Answer { status: head.code.ok_or_else(strange)?, body })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::os::unix::net::UnixListener;
    use std::thread;

    /// An engine that says the same to everybody.
    fn engine(says: &'static str) -> (tempfile::TempDir, Engine) {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("engine.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        thread::spawn(move || {
            for client in listener.incoming() {
                let mut client = client.unwrap();
                let read = client.read(&mut [0; 4096]).unwrap();
                assert!(read > 0);
                client.write_all(says.as_bytes()).unwrap();
            }
        });
        (folder, Engine { socket })
    }

    #[test]
    fn podman_is_told_from_docker() {
        let says = "HTTP/1.0 200 OK\r\n\r\n{\"Version\": \"4.3.1\", \"ApiVersion\": \"1.41\", \
                    \"Components\": [{\"Name\": \"Podman Engine\", \"Version\": \"4.3.1\"}]}";
        let (_folder, engine) = engine(says);
        assert_eq!(engine.product().unwrap(), "Podman 4.3.1");
    }

    #[test]
    fn what_is_no_engine_is_said_to_be_none() {
        let (_folder, engine) = engine("+PONG\r\n");
        let error = engine.product().unwrap_err().to_string();
        assert!(error.ends_with("this is no answer of HTTP; is it one?"), "{error}");
    }

    #[test]
    fn an_engine_that_is_not_there_can_be_started() {
        let engine = Engine { socket: "/nowhere/engine.sock".into() };
        let error = engine.product().unwrap_err().to_string();
        assert!(
            error.starts_with("cannot ask the container engine on /nowhere/engine.sock: ")
                && error.ends_with("; start it, or name another socket as `engine`"),
            "{error}"
        );
    }

    proptest! {
        #[test]
        fn no_answer_makes_it_panic(heard: Vec<u8>) {
            answer(&heard).map(drop).unwrap_or_default();
        }
    }
}
