//! Snapshot: the store as it was at one moment, for whoever asks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};

use evenkeel_series::{Labels, Matcher, Series, Source, SourceError, Span};

use crate::head::{Live, Pages};
use crate::index::{Asked, Index, Postings, resolve};
use crate::metadata::Metadata;
use crate::reading::Reading;
use crate::segment::Segment;

/// The store as it was at one moment: of each batch it has all or nothing. It costs next to nothing to take, and keeps
/// nobody from writing; what was removed since stays readable in it.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub(crate) pages: Pages,
    pub(crate) index: Arc<RwLock<Index>>,
    pub(crate) segments: Arc<[Arc<Segment>]>,
    pub(crate) metadata: Arc<BTreeMap<String, Metadata>>,
}

/// Where the samples of a series lie.
#[derive(Debug)]
pub(crate) struct View<'a> {
    pub(crate) id: u64,
    pub(crate) live: Option<&'a Live>,
    /// Where that is.
    slot: u32,
    /// In which segments, and in which rows of them.
    pub(crate) rows: Vec<(&'a Segment, u32)>,
}

impl View<'_> {
    fn labels(&self) -> Labels {
        let live = self.live.map(|live| live.labels.clone());
        let stored = || {
            let (segment, row) = self.rows.last()?;
            Some(segment.labels(&segment.row(*row)?))
        };
        live.or_else(stored).unwrap_or_default()
    }
}

impl Snapshot {
    /// The labels of the series that meet every matcher and may have samples in a span, in order.
    pub fn series(&self, matchers: &[Matcher], span: Span) -> Vec<Labels> {
        let mut all: Vec<Labels> = self.views(matchers, span).iter().map(View::labels).collect();
        all.sort_unstable();
        all
    }

    /// The names of all labels of the series that meet every matcher and may have samples in a span.
    pub fn label_names(&self, matchers: &[Matcher], span: Span) -> BTreeSet<String> {
        if matchers.is_empty() {
            let mut names = BTreeSet::new();
            let mut add = |name: &str| _ = names.insert(name.to_owned());
            self.each_postings(span, |postings| postings.each_name(&mut add));
            return names;
        }
        let all = self.series(matchers, span);
        all.iter().flatten().map(|label| label.name.to_string()).collect()
    }

    /// The values of a label of the series that meet every matcher and may have samples in a span.
    pub fn label_values(&self, name: &str, matchers: &[Matcher], span: Span) -> BTreeSet<String> {
        if matchers.is_empty() {
            let mut values = BTreeSet::new();
            self.each_postings(span, |postings| {
                postings.each_value(name, &mut |value, _| _ = values.insert(value.to_owned()));
            });
            return values;
        }
        let all = self.series(matchers, span);
        let values = all.iter().map(|labels| labels.get(name));
        values.filter(|value| !value.is_empty()).map(str::to_owned).collect()
    }

    /// Says each label of the living series, by name and value, with how many of them have it.
    pub fn living_by_label(&self, mut visit: impl FnMut(&str, &str, usize)) {
        let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
        let mut names = Vec::new();
        index.each_name(&mut |name| names.push(name.to_owned()));
        for name in names {
            index.each_value(&name, &mut |value, series| visit(&name, value, series.len()));
        }
    }

    /// What families of metrics are said to be.
    pub fn metadata(&self) -> &BTreeMap<String, Metadata> {
        &self.metadata
    }

    fn each_postings(&self, span: Span, mut visit: impl FnMut(&dyn Postings)) {
        visit(&*self.index.read().unwrap_or_else(PoisonError::into_inner));
        for segment in self.meeting(span) {
            visit(segment);
        }
    }

    fn meeting(&self, span: Span) -> impl Iterator<Item = &Segment> {
        let segments = self.segments.iter().map(Arc::as_ref);
        segments.filter(move |segment| span.meets(segment.from(), segment.to()))
    }

    /// The order of labels of all living series, if those that are to be put in order all live.
    fn places(&self, views: &[View<'_>]) -> Option<Arc<[u32]>> {
        if views.iter().any(|view| view.live.is_none()) {
            return None;
        }
        let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
        index.places(views.len(), |slot| Some(&self.pages.get(slot)?.labels))
    }

    /// The series that meet every matcher and may have samples in a span, by id.
    fn views(&self, matchers: &[Matcher], span: Span) -> Vec<View<'_>> {
        // Who adds a series waits for the index: patterns are tried on its values before it is held. A value that comes meanwhile is
        // of a series that came after this snapshot.
        let index = || self.index.read().unwrap_or_else(PoisonError::into_inner);
        let look = |matcher| Asked::looked_up(matcher, |name| index().values(name));
        let looked_up: Vec<Asked<'_>> = matchers.iter().map(look).collect();
        let mut views: Vec<View<'_>> = {
            let index = index();
            let slots = resolve(&looked_up, &*index);
            // A series that came after this snapshot is in its index, and not in its pages.
            let view = |slot: &u32| {
                let live = self.pages.get(*slot)?;
                Some(View { id: live.id, live: Some(live), slot: *slot, rows: Vec::new() })
            };
            slots.iter().filter_map(view).collect()
        };
        views.sort_by_key(|view| view.id);
        let asked: Vec<Asked<'_>> = matchers.iter().map(Asked::of).collect();
        let segments = self.meeting(span).count();
        for segment in self.meeting(span) {
            let rows = resolve(&asked, segment);
            let known = views.len();
            let mut at = 0;
            for (id, row) in segment.ids(&rows, span) {
                while at < known && views[at].id < id {
                    at += 1;
                }
                if at < known && views[at].id == id {
                    let rows = &mut views[at].rows;
                    if rows.is_empty() {
                        rows.reserve_exact(segments);
                    }
                    rows.push((segment, row));
                } else {
                    views.push(View { id, live: None, slot: 0, rows: vec![(segment, row)] });
                }
            }
            // Two sorted runs, or one: next to nothing for a stable sort.
            views.sort_by_key(|view| view.id);
        }
        views.retain(|it| !it.rows.is_empty() || it.live.is_some_and(|live| live.meets(span)));
        views
    }
}

impl Source for Snapshot {
    fn select<'a>(
        &'a self,
        matchers: &[Matcher],
        span: Span,
    ) -> Result<Vec<Box<dyn Series + 'a>>, SourceError> {
        let mut views = self.views(matchers, span);
        let places = self.places(&views);
        if let Some(places) = &places {
            views.sort_unstable_by_key(|view| places.get(view.slot as usize));
        }
        let readings = views.into_iter().map(|view| Reading { labels: view.labels(), view });
        let mut found: Vec<Reading<'a>> = readings.collect();
        if places.is_none() {
            found.sort_unstable_by(|one, other| one.labels.cmp(&other.labels));
        }
        Ok(found.into_iter().map(|it| Box::new(it) as Box<dyn Series + 'a>).collect())
    }
}
