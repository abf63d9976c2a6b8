//! Pool: all targets of all jobs. Who is asked when, and who has come or gone.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use evenkeel_series::Labels;
use evenkeel_units::{Clock, locked};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::due;
use super::fetch::{Answer, Fetch};
use super::session::{Session, Terms};
use super::target::{Dropped, Target, targets};
use crate::config::{Config, Scheme, Scrape, StaticGroup, groups};
use crate::intake::{Batch, Intake};

/// No file of targets is larger.
const FILE_MAX: u64 = 8 << 20;
/// A scrape that begins later than this share of the interval has the moment at which it began.
const LATE: i64 = 50;

/// How a target is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Health {
    /// When it was last asked, in milliseconds since 1970.
    pub asked: Option<i64>,
    /// How long that took.
    pub took: Duration,
    /// Why that failed.
    pub error: Option<String>,
    /// Samples that were not taken in since it has been known.
    pub refused: usize,
}

/// A target that is asked.
#[derive(Debug)]
struct Active {
    target: Target,
    health: Mutex<Health>,
}

/// The targets of all jobs as they are now.
#[derive(Clone, Debug, Default)]
pub struct Watched(Arc<Mutex<BTreeMap<String, Job>>>);

#[derive(Debug, Default)]
struct Job {
    active: Vec<Arc<Active>>,
    dropped: Vec<Dropped>,
}

impl Watched {
    /// The targets that are asked, by job.
    pub fn active(&self) -> Vec<(String, Target, Health)> {
        let jobs = locked(&self.0);
        let each = jobs.iter().flat_map(|(name, job)| job.active.iter().map(move |it| (name, it)));
        each.map(|(name, it)| (name.clone(), it.target.clone(), locked(&it.health).clone()))
            .collect()
    }

    /// The targets that are not asked, by job.
    pub fn dropped(&self) -> Vec<(String, Dropped)> {
        let jobs = locked(&self.0);
        let each = jobs.iter().flat_map(|(name, job)| job.dropped.iter().map(move |it| (name, it)));
        each.map(|(name, it)| (name.clone(), it.clone())).collect()
    }
}

/// Says when asking is over.
pub type Stopping = watch::Receiver<bool>;

/// What a pool leaves to the one that goes on where it was, by job.
pub struct Past<S>(BTreeMap<String, Left<S>>);

impl<S> Default for Past<S> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

/// What is left of a job.
struct Left<S> {
    targets: BTreeMap<Key, Paused<S>>,
    files: Files,
}

impl<S> Default for Left<S> {
    fn default() -> Self {
        Self { targets: BTreeMap::new(), files: Files::new() }
    }
}

/// A target that is not asked at present.
struct Paused<S> {
    session: Session<S>,
    health: Health,
    /// When it was to be asked next.
    due: i64,
}

/// The labels of a target and its URL, by which it is the same.
type Key = (Labels, String);

/// What files of targets said when they could be read last.
type Files = BTreeMap<PathBuf, Vec<StaticGroup>>;

/// Asks all targets of all jobs.
pub struct Pool<I, C> {
    jobs: Vec<Arc<Way<I, C>>>,
    watched: Watched,
    store: Arc<I>,
    clock: C,
}

/// How the targets of a job are asked.
struct Way<I, C> {
    scrape: Scrape,
    terms: Terms,
    fetch: Fetch,
    store: Arc<I>,
    clock: C,
    watched: Watched,
}

/// Whether a target is to be asked again.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
enum Fate {
    Asked,
    /// It is no target any more: its series have ended.
    Gone,
    /// We end, and it may go on.
    Left,
}

impl<I: Intake, C: Clock + Clone + 'static> Pool<I, C> {
    /// Reads certificates; asks nobody yet.
    ///
    /// # Errors
    /// The job and what is wrong with its certificates.
    pub fn open(config: &Config, store: &Arc<I>, clock: &C) -> Result<Self, String> {
        Self::after(&Watched::default(), config, store, clock)
    }

    /// One that goes on where another was, of which `watched` are the targets.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn after(
        watched: &Watched,
        config: &Config,
        store: &Arc<I>,
        clock: &C,
    ) -> Result<Self, String> {
        let way = |scrape: &Scrape| {
            // Rules may turn any target to https.
            let rewrites = !scrape.relabel.is_empty() || !scrape.files.is_empty();
            let names_scheme = scrape.groups.iter().any(|it| it.labels.contains_key("__scheme__"));
            let needs_tls = scrape.scheme == Scheme::Https || names_scheme;
            let opened = Fetch::open(scrape, needs_tls || rewrites);
            let opened = match opened {
                Err(_) if !needs_tls => Fetch::open(scrape, false),
                other => other,
            };
            Ok(Arc::new(Way {
                scrape: scrape.clone(),
                terms: Terms::of(scrape),
                fetch: opened.map_err(|it| format!("job {}: {it}", scrape.job))?,
                store: Arc::clone(store),
                clock: clock.clone(),
                watched: watched.clone(),
            }))
        };
        let jobs = config.scrapes.iter().map(way).collect::<Result<_, String>>()?;
        let (watched, store, clock) = (watched.clone(), Arc::clone(store), clock.clone());
        Ok(Self { jobs, watched, store, clock })
    }

    /// The targets as they are, while this runs and after.
    pub fn watched(&self) -> Watched {
        self.watched.clone()
    }

    /// Asks until it is told to stop, and says what it leaves. Where another pool was before, targets that are the same are
    /// asked on, and the series of the others end. What is under way when it stops is given up, and asked for by the next.
    pub async fn run(self, mut past: Past<I::Series>, stopping: Stopping) -> Past<I::Series> {
        let names: BTreeSet<_> = self.jobs.iter().map(|it| &it.scrape.job).collect();
        locked(&self.watched.0).retain(|job, _| names.contains(job));
        let mut all = JoinSet::new();
        for way in &self.jobs {
            let left = past.0.remove(&way.scrape.job).unwrap_or_default();
            all.spawn(Arc::clone(way).run(left, stopping.clone()));
        }
        for it in past.0.into_values().flat_map(|it| it.targets.into_values()) {
            end(it.session, &*self.store, &self.clock);
        }
        let mut past = Past::default();
        while let Some(left) = all.join_next().await {
            // It has told why, should it have ended by a panic.
            past.0.extend(left.ok());
        }
        past
    }
}

impl<I: Intake, C: Clock + Clone + 'static> Way<I, C> {
    async fn run(
        self: Arc<Self>,
        mut left: Left<I::Series>,
        mut stopping: Stopping,
    ) -> (String, Left<I::Series>) {
        let mut tasks = JoinSet::new();
        let mut asked: BTreeMap<Key, (Arc<Active>, watch::Sender<Fate>)> = BTreeMap::new();
        let every = self.scrape.files.iter().map(|it| it.every).min();
        loop {
            let mut all = self.scrape.groups.clone();
            all.extend(self.files(&mut left.files).await);
            let (found, dropped) = self.found(&all);
            let wanted: BTreeSet<_> = found.iter().map(key).collect();
            asked.retain(|key, (_, fate)| {
                let is_wanted = wanted.contains(key);
                if !is_wanted {
                    fate.send_replace(Fate::Gone);
                }
                is_wanted
            });
            for target in found {
                let key = key(&target);
                let paused = left.targets.remove(&key);
                asked.entry(key).or_insert_with(|| {
                    let health = paused.as_ref().map(|it| it.health.clone()).unwrap_or_default();
                    let active = Arc::new(Active { target, health: Mutex::new(health) });
                    let (fate, told) = watch::channel(Fate::Asked);
                    tasks.spawn(Arc::clone(&self).follow(Arc::clone(&active), paused, told));
                    (active, fate)
                });
            }
            for it in std::mem::take(&mut left.targets).into_values() {
                end(it.session, &*self.store, &self.clock);
            }
            let active = asked.values().map(|it| Arc::clone(&it.0)).collect();
            locked(&self.watched.0).insert(self.scrape.job.clone(), Job { active, dropped });
            let refreshed = async {
                match every {
                    Some(every) => tokio::time::sleep(every).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = refreshed => {}
                _ = stopping.wait_for(|it| *it) => break,
            }
            while tasks.try_join_next().is_some() {}
        }
        asked.values().for_each(|(_, fate)| _ = fate.send_replace(Fate::Left));
        while let Some(paused) = tasks.join_next().await {
            left.targets.extend(paused.ok().flatten());
        }
        (self.scrape.job.clone(), left)
    }

    fn found(&self, groups: &[StaticGroup]) -> (Vec<Target>, Vec<Dropped>) {
        let (found, mut dropped) = targets(&self.scrape, groups);
        match self.scrape.limits.targets.filter(|it| found.len() > *it) {
            None => (found, dropped),
            Some(limit) => {
                let why = Some(format!("{} targets, and {limit} are allowed", found.len()));
                dropped.extend(
                    found
                        .into_iter()
                        .map(|it| Dropped { discovered: it.discovered, why: why.clone() }),
                );
                (Vec::new(), dropped)
            }
        }
    }

    /// What the files say; of a file that cannot be read, what it said before.
    async fn files(&self, last_good: &mut Files) -> Vec<StaticGroup> {
        let patterns = self.scrape.files.iter().flat_map(|it| it.patterns.iter());
        let mut named = BTreeSet::new();
        for pattern in patterns {
            named.extend(matching(pattern).await);
        }
        last_good.retain(|file, _| named.contains(file));
        for file in named {
            if let Some(groups) = read(&file).await {
                last_good.insert(file, groups);
            }
        }
        last_good.values().flatten().cloned().collect()
    }

    /// Asks a target for as long as it is one. Says how it can be gone on with, unless it is none any more.
    async fn follow(
        self: Arc<Self>,
        active: Arc<Active>,
        paused: Option<Paused<I::Series>>,
        mut fate: watch::Receiver<Fate>,
    ) -> Option<(Key, Paused<I::Series>)> {
        let target = &active.target;
        let every = i64::try_from(target.every.as_millis()).unwrap_or(i64::MAX);
        let next = |now: i64| due(now, every, target.offset());
        let now = self.wall();
        let (mut session, mut planned) = match paused {
            // What was due meanwhile is asked for now.
            Some(it) => (it.session.under(&self.terms), it.due.min(next(now))),
            None => (Session::new(self.terms.clone(), target.labels.clone()), next(now)),
        };
        let mut batch = Batch::default();
        loop {
            let wait = Duration::from_millis((planned - self.wall()).max(0).unsigned_abs());
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                _ = fate.wait_for(|it| *it != Fate::Asked) => break,
            }
            let (now, began) = (self.wall(), self.clock.now());
            let at = if (now - planned).abs() > every / LATE { now } else { planned };
            let answer = tokio::select! {
                answer = self.fetch.get(target) => answer,
                _ = fate.wait_for(|it| *it != Fate::Asked) => break,
            };
            let took = self.clock.now() - began;
            self.take(&mut session, &mut batch, at, took, answer, &active);
            planned = next(self.wall());
        }
        if *fate.borrow() == Fate::Gone {
            end(session, &*self.store, &self.clock);
            return None;
        }
        let health = locked(&active.health).clone();
        Some((key(target), Paused { session, health, due: planned }))
    }

    fn take(
        &self,
        session: &mut Session<I::Series>,
        batch: &mut Batch<I::Series>,
        at: i64,
        took: Duration,
        answer: Result<Answer, String>,
        active: &Active,
    ) {
        let store = &*self.store;
        let mut error = answer.as_ref().err().cloned();
        let mut refused = 0;
        // The second time, when the store has forgotten series that the session knows.
        for _ in 0..2 {
            let scraped = match &answer {
                Err(_) => None,
                Ok(Answer { body, format }) => {
                    let taken = session.take(body, *format, at, store, batch);
                    error = taken.as_ref().err().map(ToString::to_string);
                    taken.ok()
                }
            };
            if scraped.is_none() {
                session.lose(at, batch);
            }
            let appended =
                session.report(at, took, scraped, store, batch).and_then(|()| store.append(batch));
            match appended {
                Ok(it) if it.forgotten > 0 => session.renew(),
                Ok(it) => {
                    refused = it.total();
                    break;
                }
                Err(it) => {
                    error = Some(it.to_string());
                    break;
                }
            }
        }
        let mut health = locked(&active.health);
        (health.asked, health.took, health.error) = (Some(at), took, error);
        health.refused += refused;
    }

    fn wall(&self) -> i64 {
        self.clock.wall().as_millisecond()
    }
}

/// Ends all series of a target that is none any more.
fn end<I: Intake>(mut session: Session<I::Series>, store: &I, clock: &impl Clock) {
    let mut batch = Batch::default();
    session.end(clock.wall().as_millisecond(), &mut batch);
    // A store that takes nothing has said so to whoever asked it last.
    store.append(&batch).map(drop).unwrap_or_default();
}

fn key(target: &Target) -> Key {
    (target.labels.clone(), target.url.to_string())
}

/// The files that a pattern names.
async fn matching(pattern: &Path) -> Vec<PathBuf> {
    let name = pattern.file_name().and_then(|it| it.to_str()).unwrap_or_default();
    if !name.contains('*') {
        return vec![pattern.to_owned()];
    }
    let folder = pattern.parent().filter(|it| !it.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let mut found = Vec::new();
    let Ok(mut entries) = tokio::fs::read_dir(folder).await else { return found };
    while let Ok(Some(entry)) = entries.next_entry().await {
        if entry.file_name().to_str().is_some_and(|it| fits(it, name)) {
            found.push(entry.path());
        }
    }
    found
}

/// Whether a name fits a pattern in which `*` stands for anything.
pub(crate) fn fits(name: &str, pattern: &str) -> bool {
    let parts: Vec<&str> = pattern.split('*').collect();
    let [first, middle @ .., last] = parts.as_slice() else { return name == pattern };
    let Some(mut rest) = name.strip_prefix(first).and_then(|it| it.strip_suffix(last)) else {
        return false;
    };
    for part in middle {
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    true
}

async fn read(file: &Path) -> Option<Vec<StaticGroup>> {
    use tokio::io::AsyncReadExt as _;

    let mut bytes = Vec::new();
    let opened = tokio::fs::File::open(file).await.ok()?;
    opened.take(FILE_MAX).read_to_end(&mut bytes).await.ok()?;
    groups(&file.display().to_string(), bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        for (name, pattern, is_meant) in [
            ("a.json", "*.json", true),
            ("a.yml", "*.json", false),
            ("shop-a-1.json", "shop-*-*.json", true),
            ("shop-a.json", "shop-*-*.json", false),
            ("a.json", "a.json", true),
            ("b.json", "a.json", false),
        ] {
            assert_eq!(fits(name, pattern), is_meant, "{name} {pattern}");
        }
    }
}
