//! Page: objectives in a browser, as the last round has judged them.
//!
//! ```text
//! /            all of them, by service
//! /slo/NAME    one: how it stands, and how it got there
//! sheet        what is asked for the page of one, also for a report in a file
//! ```
//!
//! A page is drawn when somebody asks, once for each round. With `?after=N` the answer waits for the round after number `N`,
//! so that whoever looks on sees what changes when it does.

mod sheet;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use evenkeel_report::slo::{self, Served, Sheet};
use evenkeel_slo::attribution::Cause;
use evenkeel_slo::standing::Counted;
use evenkeel_slo::{Coverage, History, Interval, Objective};
use evenkeel_units::Clock;
use http_body_util::Full;
use hyper::{Response, StatusCode};
use jiff::Timestamp;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::time::Instant;

pub use self::sheet::{Known, sheet};
use self::sheet::{coarse, course, sheet_of};
use crate::door::{plain, with};
use crate::objectives::{Judged, Source};
use crate::server::World;
use crate::watch::{Documents, Round, Stood};

/// Who waits for the next round is answered after this with what there is.
const WAIT: Duration = Duration::from_secs(20);
/// How often it is looked whether there is one.
const LOOK: Duration = Duration::from_millis(500);
/// Pages that are kept for whoever else asks for the same.
const KEPT_MAX: usize = 64;

type Answer = Response<Full<Bytes>>;

/// Pages that were drawn of the last round, by path.
#[derive(Debug, Default)]
pub(crate) struct Pages {
    drawn: Mutex<BTreeMap<String, (u64, Bytes)>>,
}

/// Whether a path is that of a page.
pub(crate) fn is_here(path: &str) -> bool {
    path == "/" || path.starts_with("/slo/")
}

impl Pages {
    /// The page at a path, of a round after number `after`; `places` bounds how many are drawn at a time.
    pub(crate) async fn answer<C: Clock + 'static>(
        &self,
        world: &Arc<World<C>>,
        places: &Arc<Semaphore>,
        path: &str,
        after: u64,
    ) -> Answer {
        let Some(round) = newer(world, after).await else {
            let yet = "Nothing was judged yet: ask again in a moment.\n";
            return plain(StatusCode::SERVICE_UNAVAILABLE, yet);
        };
        let number = number(&round);
        if let Some((_, page)) = self.kept().get(path).filter(|it| it.0 == number) {
            return with(StatusCode::OK, HTML, page.clone());
        }
        let Ok(place) = Arc::clone(places).acquire_owned().await else {
            return plain(StatusCode::SERVICE_UNAVAILABLE, "This server ends.\n");
        };
        let (world, asked, runtime) = (Arc::clone(world), path.to_owned(), Handle::current());
        let drawn = tokio::task::spawn_blocking(move || {
            let page = runtime.block_on(draw(&world, &round, &asked));
            drop(place);
            page
        });
        let Ok(page) = drawn.await else {
            return plain(StatusCode::INTERNAL_SERVER_ERROR, "That went wrong here.\n");
        };
        let Some(page) = page.map(Bytes::from) else {
            return plain(StatusCode::NOT_FOUND, "There is no such objective.\n");
        };
        let mut kept = self.kept();
        kept.retain(|_, it| it.0 == number);
        if kept.len() < KEPT_MAX {
            kept.insert(path.to_owned(), (number, page.clone()));
        }
        drop(kept);
        with(StatusCode::OK, HTML, page)
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, (u64, Bytes)>> {
        // What is kept here is whole after every step.
        self.drawn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const HTML: &str = "text/html; charset=utf-8";

/// The last round, once there is one after `after`, or after a while whatever there is.
async fn newer<C: Clock>(world: &World<C>, after: u64) -> Option<Arc<Round>> {
    let end = Instant::now() + WAIT;
    loop {
        let last = world.watch.last();
        let is_newer = last.as_ref().is_some_and(|it| number(it) > after);
        if is_newer || Instant::now() >= end {
            return last;
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Rounds are told apart by their moment.
fn number(of: &Round) -> u64 {
    u64::try_from(of.at.as_millisecond()).unwrap_or(0)
}

/// The page at a path; `None` where there is no such objective.
async fn draw<C: Clock>(world: &World<C>, round: &Round, path: &str) -> Option<String> {
    let wanted = world.wanted();
    let documents = &wanted.documents;
    let every = wanted.config.evaluation_every.as_secs();
    let every_seconds = u32::try_from(every).unwrap_or(u32::MAX);
    let served = Served { number: number(round), every_seconds: every_seconds.max(1) };
    let Some(name) = path.strip_prefix("/slo/") else {
        let (causes, flaw) = went_on(world, round, &round.all);
        let sheet = |it: &Stood| {
            let judged = judged(it, round.at, flaw.as_deref());
            let course = coarse(&it.objective, &judged);
            sheet_of(&it.objective, known(documents, &it.objective, &causes), judged, course)
        };
        let sheets: Vec<Sheet> = round.all.iter().map(sheet).collect();
        return Some(slo::overview(&sheets, served));
    };
    let stood = round.all.iter().find(|it| slo::segment(&it.objective.name) == name)?;
    let of = &*stood.objective;
    let (causes, flaw) = went_on(world, round, std::slice::from_ref(stood));
    let mut judged = judged(stood, round.at, flaw.as_deref());
    let source = Source::Snapshot(Box::new(world.store.snapshot()));
    let course = match course(&source, of, &judged).await {
        Ok(it) => it,
        // What cannot be asked is not drawn; that it cannot is said.
        Err(error) => {
            judged.flaw = judged.flaw.or_else(|| Some(error.to_string()));
            coarse(of, &judged)
        }
    };
    let sheet = sheet_of(of, known(documents, of, &causes), judged, course);
    Some(slo::page(&sheet, served))
}

/// What went on while the budgets of some objectives burned, or what keeps it from being known.
fn went_on<C: Clock>(
    world: &World<C>,
    round: &Round,
    of: &[Stood],
) -> (Vec<Cause>, Option<String>) {
    let from = of.iter().map(|it| it.objective.elapsed(round.at).from).min();
    let over = Interval::new(from.unwrap_or(round.at), round.at);
    match world.events.as_ref().map(|it| it.of(over)) {
        None => (Vec::new(), None),
        Some(Ok(causes)) => (causes, None),
        Some(Err(why)) => (Vec::new(), Some(why)),
    }
}

/// What the documents say of an objective, and what went on. They were read before, and are right.
fn known(documents: &Documents, of: &Objective, causes: &[Cause]) -> Known {
    let known = Known::of(&documents.library, of).unwrap_or_default();
    let source = "the samples of this server".to_owned();
    Known { causes: causes.to_vec(), source, ..known }
}

/// How an objective stood; one that could not be judged has no data, and says why. What else is wrong is said where nothing is
/// wrong with it.
fn judged(of: &Stood, at: Timestamp, flaw: Option<&str>) -> Judged {
    match &of.judged {
        Ok(it) => {
            Judged { flaw: it.flaw.clone().or_else(|| flaw.map(str::to_owned)), ..it.clone() }
        }
        Err(error) => {
            let elapsed = of.objective.elapsed(at);
            let coverage = Coverage { present: Duration::ZERO, of: elapsed.length() };
            let slice = elapsed.length().max(Duration::from_secs(1));
            let gap = History::new(elapsed.from, slice, vec![None]);
            // One slice is no more than a history may have.
            let history = gap.unwrap_or_else(|_| unreachable!("one slice is a history"));
            Judged {
                standing: of.objective.standing(at, &Counted::new(), coverage),
                history: history.into(),
                queries: Vec::new(),
                flaw: Some(error.to_string()),
            }
        }
    }
}
