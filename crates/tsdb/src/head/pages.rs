//! Pages: all living series, as a value that a snapshot copies for next to nothing.

use std::sync::Arc;

use super::{Live, SeriesRef};

/// So many series share a page; a page is copied when one of them changes while a snapshot is alive.
const PAGE: usize = 64;

type Page = [Option<Arc<Live>>; PAGE];

/// On which page a slot is.
pub(crate) const fn page_of(slot: u32) -> usize {
    slot as usize / PAGE
}

/// A page that is being written.
#[derive(Debug)]
pub(crate) struct PageMut<'a>(&'a mut Page);

impl PageMut<'_> {
    /// Looks at what is going to be written. Of many series hardly one is in the processor's cache: asked for together
    /// they come together, while each write by itself would wait for its own.
    pub(crate) fn look_ahead(&self, series: impl Iterator<Item = SeriesRef>) {
        let lives = series.filter_map(|it| self.0[it.slot as usize % PAGE].as_ref());
        let seen = lives.fold(0, |seen, live| seen ^ Arc::strong_count(live) ^ live.look());
        std::hint::black_box(seen);
    }

    /// The series, if it is still the one that is meant; copied first if a snapshot has it too.
    pub(crate) fn get_mut(&mut self, series: SeriesRef) -> Option<&mut Live> {
        let live = self.0[series.slot as usize % PAGE].as_mut()?;
        (live.id as u32 == series.proof).then(|| Arc::make_mut(live))
    }
}

/// Series by slot.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pages(Vec<Arc<Page>>);

impl Pages {
    pub(crate) fn get(&self, slot: u32) -> Option<&Live> {
        let page = self.0.get(page_of(slot))?;
        page[slot as usize % PAGE].as_deref()
    }

    /// The page of a slot, copied first if a snapshot has it too.
    pub(crate) fn page_mut(&mut self, slot: u32) -> Option<PageMut<'_>> {
        self.0.get_mut(page_of(slot)).map(|page| PageMut(Arc::make_mut(page)))
    }

    /// The series, copied first if a snapshot has it too.
    pub(crate) fn get_mut(&mut self, slot: u32) -> Option<&mut Live> {
        let page = Arc::make_mut(self.0.get_mut(page_of(slot))?);
        page[slot as usize % PAGE].as_mut().map(Arc::make_mut)
    }

    pub(crate) fn set(&mut self, slot: u32, live: Option<Live>) {
        let at = page_of(slot);
        while self.0.len() <= at {
            self.0.push(Arc::new([const { None }; PAGE]));
        }
        Arc::make_mut(&mut self.0[at])[slot as usize % PAGE] = live.map(Arc::new);
    }

    /// One more than the highest slot that is taken.
    pub(crate) fn slots(&self) -> u32 {
        let last = |page: &Arc<Page>| page.iter().rposition(Option::is_some).map(|at| at + 1);
        let (at, taken) =
            (0..self.0.len()).rev().find_map(|at| Some((at, last(&self.0[at])?))).unwrap_or((0, 0));
        (at * PAGE + taken) as u32
    }

    /// Every series, by slot.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &Arc<Live>)> {
        let all = self.0.iter().flat_map(|page| page.iter());
        (0..).zip(all).filter_map(|(slot, live)| Some((slot, live.as_ref()?)))
    }
}
