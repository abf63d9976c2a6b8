//! Head: the series that live, in memory.
//!
//! ```text
//! live   Live: one series, its growing tail and what is not in a segment yet
//! pages  Pages: all of them, as a value that a snapshot copies for next to nothing
//! ```
//!
//! A snapshot keeps the pages as they are. Whoever writes afterwards copies the page and the series that it touches,
//! once, so that readers and the writer never wait for one another.

pub(crate) mod live;
pub(crate) mod pages;

use std::hash::{BuildHasher as _, Hash as _, Hasher as _};
use std::sync::{Arc, PoisonError, RwLock};

use evenkeel_series::Labels;
use hashbrown::{DefaultHashBuilder, HashTable};

use crate::index::Index;
pub(crate) use live::{Live, Taken};
pub(crate) use pages::Pages;

/// A series in memory, for as long as it is there. Whoever writes often asks for it once.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SeriesRef {
    pub(crate) slot: u32,
    /// The lower half of its id: whether the slot is still of the same series.
    pub(crate) proof: u32,
}

impl SeriesRef {
    pub(crate) const fn new(slot: u32, id: u64) -> Self {
        Self { slot, proof: id as u32 }
    }

    /// Whether both are found in one page.
    pub(crate) const fn shares_page(self, other: Self) -> bool {
        pages::page_of(self.slot) == pages::page_of(other.slot)
    }
}

/// The series that live.
#[derive(Debug, Default)]
pub(crate) struct Head {
    pub(crate) pages: Pages,
    /// Slots by the hash of their labels.
    table: HashTable<u32>,
    hasher: DefaultHashBuilder,
    free: Vec<u32>,
    /// Shared with snapshots: series are only ever added to it, and a new one takes its place when some leave.
    pub(crate) index: Arc<RwLock<Index>>,
}

impl Head {
    /// The series of some labels, which are sorted by name, none empty, each name once.
    pub(crate) fn find<'a>(
        &self,
        pairs: impl Iterator<Item = (&'a str, &'a str)> + Clone,
    ) -> Option<(u32, &Live)> {
        let same = |slot: &u32| {
            let live = self.pages.get(*slot);
            live.is_some_and(|live| same_pairs(pairs_of(&live.labels), pairs.clone()))
        };
        let slot = *self.table.find(self.hash(pairs.clone()), same)?;
        Some((slot, self.pages.get(slot)?))
    }

    /// Adds a series that is not there, and says where.
    pub(crate) fn add<'a>(
        &mut self,
        id: u64,
        pairs: impl Iterator<Item = (&'a str, &'a str)> + Clone,
    ) -> u32 {
        let slot = self.free.pop().unwrap_or_else(|| self.pages.slots());
        self.insert(slot, id, pairs);
        slot
    }

    /// Puts a series where it was before a restart. What was there before, or was the same series elsewhere, has left
    /// before that.
    pub(crate) fn add_at<'a>(
        &mut self,
        slot: u32,
        id: u64,
        pairs: impl Iterator<Item = (&'a str, &'a str)> + Clone,
    ) {
        self.remove(slot);
        if let Some((elsewhere, _)) = self.find(pairs.clone()) {
            self.remove(elsewhere);
        }
        self.insert(slot, id, pairs);
    }

    fn insert<'a>(
        &mut self,
        slot: u32,
        id: u64,
        pairs: impl Iterator<Item = (&'a str, &'a str)> + Clone,
    ) {
        let hash = self.hash(pairs.clone());
        let labels = self.index.write().unwrap_or_else(PoisonError::into_inner).add(slot, pairs);
        self.pages.set(slot, Some(Live::new(id, labels)));
        let (pages, hasher) = (&self.pages, &self.hasher);
        self.table.insert_unique(hash, slot, |slot| {
            pages.get(*slot).map_or(0, |live| hash_of(hasher, pairs_of(&live.labels)))
        });
    }

    /// After a restart: which slots below the highest are not taken.
    pub(crate) fn find_free(&mut self) {
        self.free = (0..self.pages.slots()).filter(|it| self.pages.get(*it).is_none()).collect();
    }

    /// Lets some series go; the slots are sorted.
    pub(crate) fn remove_all(&mut self, slots: &[u32]) {
        if slots.is_empty() {
            return;
        }
        let index = self.index.read().unwrap_or_else(PoisonError::into_inner).without(slots);
        self.index = Arc::new(RwLock::new(index));
        for slot in slots {
            self.forget(*slot);
            self.free.push(*slot);
        }
    }

    fn remove(&mut self, slot: u32) {
        if let Some(live) = self.pages.get(slot) {
            let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
            index.remove(slot, &live.labels);
            drop(index);
            self.forget(slot);
        }
    }

    fn forget(&mut self, slot: u32) {
        let Some(live) = self.pages.get(slot) else { return };
        let hash = self.hash(pairs_of(&live.labels));
        if let Ok(entry) = self.table.find_entry(hash, |it| *it == slot) {
            entry.remove();
        }
        self.pages.set(slot, None);
    }

    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    fn hash<'a>(&self, pairs: impl Iterator<Item = (&'a str, &'a str)>) -> u64 {
        hash_of(&self.hasher, pairs)
    }
}

fn hash_of<'a>(
    hasher: &DefaultHashBuilder,
    pairs: impl Iterator<Item = (&'a str, &'a str)>,
) -> u64 {
    let mut state = hasher.build_hasher();
    for (name, value) in pairs {
        name.hash(&mut state);
        value.hash(&mut state);
    }
    state.finish()
}

pub(crate) fn pairs_of(labels: &Labels) -> impl Iterator<Item = (&str, &str)> + Clone {
    labels.iter().map(|label| (&*label.name, &*label.value))
}

/// Whether two series have one name.
pub(crate) fn same_pairs<'a, 'b>(
    one: impl Iterator<Item = (&'a str, &'a str)>,
    mut other: impl Iterator<Item = (&'b str, &'b str)>,
) -> bool {
    one.into_iter().all(|pair| other.next() == Some(pair)) && other.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_is_found_until_it_leaves_and_its_slot_is_taken_again() {
        let mut head = Head::default();
        let pairs = |it: &'static str| [("a", it), ("b", "x")].into_iter();
        let slots: Vec<u32> =
            ["1", "2", "3"].into_iter().zip(7..).map(|(it, id)| head.add(id, pairs(it))).collect();
        assert_eq!(slots, [0, 1, 2]);
        assert_eq!(head.find(pairs("2")).map(|(slot, live)| (slot, live.id)), Some((1, 8)));
        head.remove_all(&[1]);
        assert!(head.find(pairs("2")).is_none() && head.find(pairs("3")).is_some());
        assert_eq!((head.add(10, pairs("4")), head.len()), (1, 3));
    }

    #[test]
    fn a_copy_of_the_pages_does_not_see_what_is_written_later() {
        let mut head = Head::default();
        let slot = head.add(1, [("a", "1")].into_iter());
        let copy = head.pages.clone();
        let point = evenkeel_series::Point { at: 1, value: 2.0 };
        head.pages.get_mut(slot).unwrap().put(point);
        assert_eq!(copy.get(slot).unwrap().tail.len(), 0);
        assert_eq!(head.pages.get(slot).unwrap().tail.len(), 1);
    }
}
