//! Toxiproxy's API, so that tests written for Toxiproxy run unchanged against our proxy.
//!
//! ```text
//! GET·POST         /proxies            all of them, by name · one more
//! GET·PATCH·DELETE /proxies/P          one: its address, whether it listens, its toxics
//! GET·POST         /proxies/P/toxics   its toxics · one more
//! GET·PATCH·DELETE /proxies/P/toxics/T one: attributes and toxicity
//! POST             /populate           a list of proxies, of which those stay that do not differ
//! POST             /reset              everything listens, and no toxics
//! GET              /version            of the API
//!
//! route    where requests lead
//! body     JSON as Toxiproxy reads it
//! spec     a proxy as it is asked for
//! kind     the types of toxics, and what they are among ours
//! entry    a proxy with its toxics, as it is and as clients see it
//! trouble  what is said to requests that are not fulfilled
//! ```
//!
//! Where it is told to change something by `PATCH`, `POST` does the same, as clients of 2.5 and before have it.
//!
//! Different on purpose:
//! - Proxies listen on loopback only. Who asks for every address of the host gets loopback's; any other
//!   address is refused.
//! - A half-closed connection stays half open. A toxic that closes a connection closes both its streams.
//! - Toxics of a stream act in one order, whichever was added first.
//! - `reset_peer` waits for data; an end of a stream alone does not set it off.
//! - Attributes below 0 are refused: Toxiproxy takes them, and fails on some once data flows.
//!
//! Deliberately absent: HTTP (whoever serves this has that), and `/metrics`, which Toxiproxy has when it is
//! started so.

mod body;
mod entry;
mod kind;
mod route;
mod spec;
mod trouble;

use std::collections::BTreeMap;

use evenkeel_units::Seed;
use serde::Serialize;

use self::body::Object;
use self::entry::{Entry, Seen, Toxic};
use self::route::Route;
use crate::proxy::{Proxy, ProxyError};

pub use self::body::{Why, Wrong};
pub use self::spec::Spec;
pub use self::trouble::Trouble;

/// The version of the API; clients ask whether it is 2.6 or more.
const VERSION: &str = "2.12.0";
const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";

/// A request, as far as it matters.
#[derive(Copy, Clone, Debug)]
pub struct Request<'a> {
    /// Such as `GET`.
    pub method: &'a str,
    /// Without query.
    pub path: &'a str,
    /// Who asks, by its `User-Agent`.
    pub agent: &'a str,
    /// JSON.
    pub body: &'a [u8],
}

/// An answer, ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// As HTTP has it.
    pub status: u16,
    /// Its `Content-Type`.
    pub content: &'static str,
    /// What it says; empty for nothing.
    pub body: String,
}

/// All proxies and what lies on them. They end when this is dropped.
#[derive(Debug)]
pub struct Toxiproxy {
    proxy: Proxy,
    entries: BTreeMap<String, Entry>,
    /// Numbers of toxics; later ones have higher ones.
    numbers: usize,
}

impl Toxiproxy {
    /// Without proxies.
    pub fn start(seed: Seed) -> Result<Self, ProxyError> {
        let proxy = Proxy::without_links(seed)?;
        Ok(Self { proxy, entries: BTreeMap::new(), numbers: 0 })
    }

    /// Answers a request; what it asks for is done by then.
    pub async fn answer(&mut self, request: &Request<'_>) -> Answer {
        let Some(route) = Route::of(request.path) else {
            return Answer::text(404, "404 page not found\n");
        };
        // A page in a browser may send requests here that nobody meant to send.
        if request.agent.starts_with("Mozilla/") {
            return Answer::text(403, "User agent not allowed\n");
        }
        let body = request.body;
        let answer = match (request.method, route) {
            ("GET", Route::Version) => {
                let body = format!("{{\"version\": \"{VERSION}\"}}\n");
                Ok(Answer { status: 200, content: "application/json;charset=utf-8", body })
            }
            ("POST", Route::Reset) => self.reset().await,
            ("POST", Route::Populate) => self.populate_from(body).await,
            ("GET", Route::Proxies) => {
                let all = self.entries.iter().map(|(name, it)| (name, it.seen(name)));
                Answer::json(200, &all.collect::<BTreeMap<_, _>>())
            }
            ("POST", Route::Proxies) => self.create(body).await,
            ("GET", Route::Proxy(proxy)) => self.show(200, &proxy),
            ("POST" | "PATCH", Route::Proxy(proxy)) => self.update(&proxy, body).await,
            ("DELETE", Route::Proxy(proxy)) => self.remove(&proxy).await,
            ("GET", Route::Toxics(proxy)) => {
                self.entry(&proxy).and_then(|it| Answer::json(200, &it.in_order()))
            }
            ("POST", Route::Toxics(proxy)) => self.add_toxic(&proxy, body).await,
            ("GET", Route::Toxic(proxy, toxic)) => self
                .entry(&proxy)
                .and_then(|it| it.toxic(&toxic))
                .and_then(|it| Answer::json(200, it)),
            ("POST" | "PATCH", Route::Toxic(proxy, toxic)) => {
                self.update_toxic(&proxy, &toxic, body).await
            }
            ("DELETE", Route::Toxic(proxy, toxic)) => self.remove_toxic(&proxy, &toxic).await,
            _ => Ok(Answer { status: 405, content: TEXT, body: String::new() }),
        };
        answer.unwrap_or_else(|it| Answer::trouble(&it))
    }

    /// Adds proxies, one after the other; one that is there already stays when it does not differ, and is
    /// replaced otherwise.
    ///
    /// # Errors
    /// The first that cannot be had; those before it are there.
    pub async fn populate(&mut self, specs: &[Spec]) -> Result<(), Trouble> {
        for spec in specs {
            self.put(spec).await?;
        }
        Ok(())
    }

    async fn populate_from(&mut self, body: &[u8]) -> Result<Answer, Trouble> {
        #[derive(Serialize)]
        struct Populated<'a> {
            #[serde(skip_serializing_if = "Option::is_none")]
            error: Option<String>,
            #[serde(skip_serializing_if = "Option::is_none")]
            status: Option<u16>,
            proxies: Vec<Seen<'a>>,
        }
        let (mut names, mut trouble) = (Vec::new(), None);
        match body::value(body).and_then(|it| all_of(&it)) {
            Ok(specs) => {
                for spec in specs {
                    if let Err(it) = self.put(&spec).await {
                        trouble = Some(it);
                        break;
                    }
                    names.push(spec.name);
                }
            }
            Err(it) => trouble = Some(it),
        }
        let status = trouble.as_ref().map(|it| it.status);
        let found = names.iter().filter_map(|it| self.entries.get_key_value(it));
        let proxies = found.map(|(name, it)| it.seen(name)).collect();
        let error = trouble.map(|it| it.text);
        Answer::json(status.unwrap_or(201), &Populated { error, status, proxies })
    }

    async fn put(&mut self, spec: &Spec) -> Result<(), Trouble> {
        if let Some(entry) = self.entries.get(&spec.name) {
            if !entry.differs(spec).await? {
                return Ok(());
            }
            self.stop(&spec.name).await?;
        }
        self.add(spec).await
    }

    async fn create(&mut self, body: &[u8]) -> Result<Answer, Trouble> {
        let value = body::value(body)?;
        let mut given = Object::at("", &value);
        let spec = Spec::read(&mut given, Spec::unsaid());
        given.check()?;
        for (field, text) in [("name", &spec.name), ("upstream", &spec.upstream)] {
            if text.is_empty() {
                return Err(Trouble::missing(field));
            }
        }
        if self.entries.contains_key(&spec.name) {
            return Err(Trouble::proxy_exists());
        }
        self.add(&spec).await?;
        self.show(201, &spec.name)
    }

    fn show(&self, status: u16, proxy: &str) -> Result<Answer, Trouble> {
        Answer::json(status, &self.entry(proxy)?.seen(proxy))
    }

    async fn update(&mut self, proxy: &str, body: &[u8]) -> Result<Answer, Trouble> {
        let Entry { listen, upstream, enabled, .. } = self.entry(proxy)?;
        let (listen, upstream, enabled) = (listen.clone(), upstream.clone(), *enabled);
        let before = Spec { name: proxy.to_owned(), listen, upstream, enabled };
        let value = body::value(body)?;
        let mut given = Object::at("", &value);
        // Its name stays as it is.
        let spec = Spec { name: proxy.to_owned(), ..Spec::read(&mut given, before) };
        given.check()?;
        if self.entry(proxy)?.differs(&spec).await? {
            self.stop(proxy).await?;
            let entry = self.entry_mut(proxy)?;
            (entry.listen, entry.upstream) = (spec.listen, spec.upstream);
        }
        match spec.enabled {
            true => self.listen(proxy).await?,
            false => self.stop(proxy).await?,
        }
        self.show(200, proxy)
    }

    async fn remove(&mut self, proxy: &str) -> Result<Answer, Trouble> {
        self.stop(proxy).await?;
        self.entries.remove(proxy);
        Ok(Answer::nothing())
    }

    async fn reset(&mut self) -> Result<Answer, Trouble> {
        let names: Vec<_> = self.entries.keys().cloned().collect();
        for name in names {
            self.listen(&name).await?;
            for toxic in std::mem::take(&mut self.entry_mut(&name)?.toxics) {
                self.proxy.lift(&name, toxic.number).await?;
            }
        }
        Ok(Answer::nothing())
    }

    async fn add_toxic(&mut self, proxy: &str, body: &[u8]) -> Result<Answer, Trouble> {
        let entry = self.entry(proxy)?;
        let value = body::value(body)?;
        let number = self.numbers;
        let toxic = Toxic::read(&value, number)?;
        if entry.toxics.iter().any(|it| it.name == toxic.name) {
            return Err(Trouble::toxic_exists());
        }
        self.lay(proxy, &toxic).await?;
        self.numbers += 1;
        let answer = Answer::json(200, &toxic);
        self.entry_mut(proxy)?.toxics.push(toxic);
        answer
    }

    async fn update_toxic(
        &mut self,
        proxy: &str,
        toxic: &str,
        body: &[u8],
    ) -> Result<Answer, Trouble> {
        let mut changed = self.entry(proxy)?.toxic(toxic)?.clone();
        changed.update(&body::value(body)?)?;
        self.lay(proxy, &changed).await?;
        let answer = Answer::json(200, &changed);
        let toxics = &mut self.entry_mut(proxy)?.toxics;
        toxics
            .iter_mut()
            .filter(|it| it.number == changed.number)
            .for_each(|it| it.clone_from(&changed));
        answer
    }

    async fn remove_toxic(&mut self, proxy: &str, toxic: &str) -> Result<Answer, Trouble> {
        let entry = self.entry(proxy)?;
        let number = entry.toxic(toxic)?.number;
        if entry.enabled {
            self.proxy.lift(proxy, number).await?;
        }
        self.entry_mut(proxy)?.toxics.retain(|it| it.number != number);
        Ok(Answer::nothing())
    }

    fn entry(&self, proxy: &str) -> Result<&Entry, Trouble> {
        self.entries.get(proxy).ok_or_else(Trouble::no_proxy)
    }

    fn entry_mut(&mut self, proxy: &str) -> Result<&mut Entry, Trouble> {
        self.entries.get_mut(proxy).ok_or_else(Trouble::no_proxy)
    }

    /// A new proxy, or one in the place of another that has been stopped; when it cannot listen, all is as
    /// it was.
    async fn add(&mut self, spec: &Spec) -> Result<(), Trouble> {
        let mut entry = Entry {
            listen: spec.listen.clone(),
            upstream: spec.upstream.clone(),
            enabled: false,
            toxics: Vec::new(),
        };
        if spec.enabled {
            entry.listen(&spec.name, &mut self.proxy).await?;
        }
        self.entries.insert(spec.name.clone(), entry);
        Ok(())
    }

    /// Lets a proxy listen, with all its toxics. Harmless when it does.
    async fn listen(&mut self, proxy: &str) -> Result<(), Trouble> {
        let entry = self.entries.get_mut(proxy).ok_or_else(Trouble::no_proxy)?;
        entry.listen(proxy, &mut self.proxy).await
    }

    /// Ends the listening of a proxy, and all its connections. Harmless when it does not listen.
    async fn stop(&mut self, proxy: &str) -> Result<(), Trouble> {
        self.entry_mut(proxy)?.enabled = false;
        Ok(self.proxy.close(proxy).await?)
    }

    async fn lay(&mut self, proxy: &str, toxic: &Toxic) -> Result<(), Trouble> {
        if self.entry(proxy)?.enabled {
            toxic.lay(proxy, &mut self.proxy).await?;
        }
        Ok(())
    }
}

/// A list without anything wrong in it.
fn all_of(list: &serde_json::Value) -> Result<Vec<Spec>, Trouble> {
    let (specs, wrongs) = Spec::read_all(list);
    wrongs.into_iter().next().map_or(Ok(specs), |it| Err(it.why.into()))
}

impl Answer {
    fn text(status: u16, body: &str) -> Self {
        Self { status, content: TEXT, body: body.to_owned() }
    }

    fn json(status: u16, value: &impl Serialize) -> Result<Self, Trouble> {
        let body = serde_json::to_string(value).map_err(|it| Trouble::unwritten(&it))?;
        Ok(Self { status, content: JSON, body })
    }

    fn nothing() -> Self {
        Self::text(204, "")
    }

    fn trouble(trouble: &Trouble) -> Self {
        let body = serde_json::to_string(trouble).unwrap_or_default();
        Self { status: trouble.status, content: JSON, body: body + "\n" }
    }
}
