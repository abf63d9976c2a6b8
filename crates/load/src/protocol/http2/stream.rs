//! Streams: what is under way on one connection, by number.

use crate::call::Headers;

/// One exchange.
#[derive(Copy, Clone, Debug, Default)]
pub(super) struct Stream {
    /// Its number on the wire; 0 in a free place.
    pub(super) id: u32,
    /// Its number to whoever began it.
    pub(super) exchange: u32,
    /// How much we may send.
    pub(super) window: i64,
    /// How much has come since we last said so.
    pub(super) came: u32,
    /// How much of its body is to come, where its head has said so.
    pub(super) left: Option<u64>,
    /// Whether its final head has come.
    pub(super) answered: bool,
    /// Whether all of the request has been handed out.
    pub(super) sent: bool,
    pub(super) wants: Wants,
}

/// What somebody looks at.
#[derive(Copy, Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::protocol) struct Wants {
    pub(in crate::protocol) headers: Headers,
    pub(in crate::protocol) body: bool,
    pub(in crate::protocol) trailers: bool,
    /// The request is HEAD, whose answer has no body whatever its head says.
    pub(in crate::protocol) no_body: bool,
}

/// The streams of a connection: an open table, in which numbers that follow each other never meet.
#[derive(Debug)]
pub(super) struct Streams {
    places: Vec<Stream>,
    count: usize,
}

impl Streams {
    pub(super) fn new() -> Self {
        Self { places: vec![Stream::default(); 16], count: 0 }
    }

    pub(super) const fn len(&self) -> usize {
        self.count
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Stream> {
        self.places.iter().filter(|it| it.id != 0)
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Stream> {
        self.places.iter_mut().filter(|it| it.id != 0)
    }

    pub(super) fn insert(&mut self, stream: Stream) {
        if (self.count + 1) * 2 > self.places.len() {
            let larger = vec![Stream::default(); self.places.len() * 2];
            for old in std::mem::replace(&mut self.places, larger) {
                if old.id != 0 {
                    self.put(old);
                }
            }
        }
        self.put(stream);
        self.count += 1;
    }

    pub(super) fn get(&mut self, id: u32) -> Option<&mut Stream> {
        let at = self.find(id)?;
        Some(&mut self.places[at])
    }

    pub(super) fn remove(&mut self, id: u32) -> Option<Stream> {
        let mut free = self.find(id)?;
        let removed = std::mem::take(&mut self.places[free]);
        self.count -= 1;
        // Whoever stands behind moves up, unless it would then stand before where it is looked for.
        let mask = self.places.len() - 1;
        let mut at = free;
        loop {
            at = (at + 1) & mask;
            let id = self.places[at].id;
            if id == 0 {
                return Some(removed);
            }
            let home = self.home(id);
            if at.wrapping_sub(home) & mask >= at.wrapping_sub(free) & mask {
                self.places[free] = std::mem::take(&mut self.places[at]);
                free = at;
            }
        }
    }

    fn home(&self, id: u32) -> usize {
        (id >> 1) as usize & (self.places.len() - 1)
    }

    fn find(&self, id: u32) -> Option<usize> {
        if id == 0 {
            return None;
        }
        let mut at = self.home(id);
        loop {
            match self.places[at].id {
                0 => return None,
                it if it == id => return Some(at),
                _ => at = (at + 1) & (self.places.len() - 1),
            }
        }
    }

    fn put(&mut self, stream: Stream) {
        let mut at = self.home(stream.id);
        while self.places[at].id != 0 {
            at = (at + 1) & (self.places.len() - 1);
        }
        self.places[at] = stream;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_table_is_a_map(steps in prop::collection::vec((any::<bool>(), 0..80u32), 0..300)) {
            let (mut streams, mut model) = (Streams::new(), BTreeMap::new());
            for (at, (add, which)) in steps.into_iter().enumerate() {
                let id = which * 2 + 1;
                let exchange = at as u32;
                if add && !model.contains_key(&id) {
                    streams.insert(Stream { id, exchange, ..Stream::default() });
                    model.insert(id, exchange);
                } else {
                    prop_assert_eq!(streams.remove(id).map(|it| it.exchange), model.remove(&id));
                }
                prop_assert_eq!(streams.len(), model.len());
                for (&id, &exchange) in &model {
                    prop_assert_eq!(streams.get(id).map(|it| it.exchange), Some(exchange));
                }
            }
        }
    }
}
