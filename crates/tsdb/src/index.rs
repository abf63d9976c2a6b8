//! Index: which series meet some matchers.
//!
//! For every value of every label there is a sorted list of series (its postings). A matcher asks for the union of the
//! lists of the values that it means; several for the intersection of those, smallest first. A matcher that the empty
//! value meets means also the series without the label: it takes away the lists of the values that it does not mean.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use evenkeel_series::{Label, Labels, Matcher, Operation};

/// Lists of series by label and value, wherever they lie. A series is a number.
pub(crate) trait Postings {
    /// Every series.
    fn all(&self) -> Cow<'_, [u32]>;

    /// Those with a label of this value.
    fn of(&self, name: &str, value: &str) -> Cow<'_, [u32]>;

    /// Every value of a label, in order, with its series.
    fn each_value(&self, name: &str, visit: &mut dyn FnMut(&str, Cow<'_, [u32]>));

    /// Every label that any series has, in order.
    fn each_name(&self, visit: &mut dyn FnMut(&str));
}

/// A matcher, and what is known of it before series are looked for.
#[derive(Debug)]
pub(crate) struct Asked<'m> {
    matcher: &'m Matcher,
    /// Whether series without the label meet it.
    takes_none: bool,
    /// The values that it means or, where series without the label meet it, does not mean; `None`: nobody looked.
    values: Option<Vec<Arc<str>>>,
}

impl<'m> Asked<'m> {
    /// Nothing but the matcher is known: each value is looked at when it is met.
    pub(crate) fn of(matcher: &'m Matcher) -> Self {
        Self { matcher, takes_none: matcher.is_met_by(""), values: None }
    }

    /// Of the values that a label has, as `values` gives them, those are known that matter. A pattern may take long, so
    /// `values` lets go of whatever others wait for.
    pub(crate) fn looked_up(
        matcher: &'m Matcher,
        values: impl FnOnce(&str) -> Vec<Arc<str>>,
    ) -> Self {
        let it = Self::of(matcher);
        if is_plain(matcher) || !it.takes_none && literals(matcher).is_some() {
            return it;
        }
        let mut values = values(matcher.name());
        values.retain(|value| matcher.is_met_by(value) != it.takes_none);
        Self { values: Some(values), ..it }
    }
}

/// Whether no value has to be looked at.
fn is_plain(matcher: &Matcher) -> bool {
    match matcher.operation() {
        Operation::Equal | Operation::NotEqual => true,
        Operation::Matches => matcher.value() == ".*",
        Operation::MatchesNot => false,
    }
}

/// The series that meet every matcher.
pub(crate) fn resolve<'a>(matchers: &[Asked<'_>], postings: &'a dyn Postings) -> Cow<'a, [u32]> {
    let (without, with): (Vec<_>, Vec<_>) = matchers.iter().partition(|it| it.takes_none);
    let mut wanted: Vec<Cow<'a, [u32]>> =
        with.into_iter().map(|asked| meant(asked, postings)).collect();
    wanted.sort_by_key(|list| list.len());
    let mut lists = wanted.into_iter();
    let mut found = lists.next().unwrap_or_else(|| postings.all());
    for list in lists {
        found = Cow::Owned(both(&found, &list));
    }
    for asked in without {
        if found.is_empty() {
            break;
        }
        let others = unmeant(asked, postings);
        if !others.is_empty() {
            found = Cow::Owned(first_only(&found, &others));
        }
    }
    found
}

/// The series whose label, which they have, meets a matcher.
fn meant<'a>(asked: &Asked<'_>, postings: &'a dyn Postings) -> Cow<'a, [u32]> {
    let matcher = asked.matcher;
    if let Some(values) = &asked.values {
        return with_any(matcher.name(), values, postings);
    }
    if matcher.operation() == Operation::Equal {
        return postings.of(matcher.name(), matcher.value());
    }
    if let Some(values) = literals(matcher) {
        return with_any(matcher.name(), &values, postings);
    }
    let mut lists = Vec::new();
    postings.each_value(matcher.name(), &mut |value, list| {
        if matcher.is_met_by(value) {
            lists.push(list.into_owned());
        }
    });
    Cow::Owned(union(lists))
}

/// The series whose label, which they have, does not meet a matcher.
fn unmeant<'a>(asked: &Asked<'_>, postings: &'a dyn Postings) -> Cow<'a, [u32]> {
    let matcher = asked.matcher;
    if let Some(values) = &asked.values {
        return with_any(matcher.name(), values, postings);
    }
    if matcher.operation() == Operation::NotEqual {
        return postings.of(matcher.name(), matcher.value());
    }
    if matcher.operation() == Operation::Matches && matcher.value() == ".*" {
        return Cow::Borrowed(&[]);
    }
    let mut lists = Vec::new();
    postings.each_value(matcher.name(), &mut |value, list| {
        if !matcher.is_met_by(value) {
            lists.push(list.into_owned());
        }
    });
    Cow::Owned(union(lists))
}

/// The series with any of some values of a label.
fn with_any<'a>(
    name: &str,
    values: &[impl AsRef<str>],
    postings: &'a dyn Postings,
) -> Cow<'a, [u32]> {
    let lists = values.iter().map(|value| postings.of(name, value.as_ref()).into_owned());
    Cow::Owned(union(lists.collect()))
}

/// The values of a pattern that only lists some, such as `a|b`.
fn literals(matcher: &Matcher) -> Option<Vec<&str>> {
    let plain = |it: char| it == '|' || !r"\.+*?()[]{}^$".contains(it);
    (matcher.operation() == Operation::Matches && matcher.value().chars().all(plain)).then(|| {
        let mut values: Vec<&str> = matcher.value().split('|').collect();
        values.sort_unstable();
        values.dedup();
        values
    })
}

fn union(mut lists: Vec<Vec<u32>>) -> Vec<u32> {
    if lists.len() == 1 {
        return lists.swap_remove(0);
    }
    let mut all: Vec<u32> = lists.into_iter().flatten().collect();
    all.sort_unstable();
    all
}

/// What is in both: a walk through the smaller, in ever longer strides through the larger.
fn both(small: &[u32], large: &[u32]) -> Vec<u32> {
    let mut rest = large;
    let mut found = Vec::new();
    for wanted in small {
        let mut stride = 1;
        while rest.get(stride).is_some_and(|it| it < wanted) {
            stride *= 2;
        }
        let near = &rest[..rest.len().min(stride + 1)];
        let at = near.partition_point(|it| it < wanted);
        rest = &rest[at..];
        if rest.first() == Some(wanted) {
            found.push(*wanted);
        }
    }
    found
}

fn first_only(first: &[u32], others: &[u32]) -> Vec<u32> {
    let mut others = others.iter().peekable();
    first
        .iter()
        .filter(|wanted| {
            while others.next_if(|it| it < wanted).is_some() {}
            others.peek() != Some(wanted)
        })
        .copied()
        .collect()
}

/// The index of the series in memory. Its texts are shared by the labels of the series.
#[derive(Clone, Debug, Default)]
pub(crate) struct Index {
    names: BTreeMap<Arc<str>, BTreeMap<Arc<str>, Vec<u32>>>,
    all: Vec<u32>,
    /// By slot, the place of a series among all in order of their labels: answers are in that order, and to compare
    /// labels takes long. It is made when somebody asks for many, and gone when a series comes.
    places: OnceLock<Arc<[u32]>>,
}

/// A part of all series that is worth putting all in order: one in so many.
const MANY: usize = 4;

impl Index {
    /// The places of series among all, by slot, for who is to put `count` of them in order. None when there are few, or
    /// when a series is here that the asker does not know.
    pub(crate) fn places<'a>(
        &self,
        count: usize,
        labels: impl Fn(u32) -> Option<&'a Labels>,
    ) -> Option<Arc<[u32]>> {
        if let Some(places) = self.places.get() {
            return Some(places.clone());
        }
        if count < self.all.len() / MANY {
            return None;
        }
        let pair = |slot: &u32| Some((labels(*slot)?, *slot));
        let mut sorted = self.all.iter().map(pair).collect::<Option<Vec<_>>>()?;
        sorted.sort_unstable();
        let mut places = vec![0; self.all.last().map_or(0, |last| *last as usize + 1)];
        for ((_, slot), place) in sorted.into_iter().zip(0..) {
            places[slot as usize] = place;
        }
        Some(self.places.get_or_init(|| places.into()).clone())
    }

    /// Every value of a label.
    pub(crate) fn values(&self, name: &str) -> Vec<Arc<str>> {
        self.names.get(name).into_iter().flatten().map(|(value, _)| Arc::clone(value)).collect()
    }

    /// Adds a series, and gives its labels with shared texts.
    pub(crate) fn add<'a>(
        &mut self,
        slot: u32,
        pairs: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> Labels {
        insert(&mut self.all, slot);
        self.places = OnceLock::new();
        Labels::new(pairs.map(|(name, value)| {
            let name =
                self.names.get_key_value(name).map_or_else(|| name.into(), |it| it.0.clone());
            let values = self.names.entry(name.clone()).or_default();
            let value = values.get_key_value(value).map_or_else(|| value.into(), |it| it.0.clone());
            insert(values.entry(value.clone()).or_default(), slot);
            Label { name, value }
        }))
    }

    /// Takes a series out of it that no snapshot knows.
    pub(crate) fn remove(&mut self, slot: u32, labels: &Labels) {
        self.all.retain(|it| *it != slot);
        self.places = OnceLock::new();
        for label in labels {
            let Some(values) = self.names.get_mut(&label.name) else { continue };
            let Some(list) = values.get_mut(&label.value) else { continue };
            list.retain(|it| *it != slot);
            if list.is_empty() {
                values.remove(&label.value);
            }
            if values.is_empty() {
                self.names.remove(&label.name);
            }
        }
    }

    /// Without some series, which are sorted.
    pub(crate) fn without(&self, gone: &[u32]) -> Self {
        let values = |values: &BTreeMap<Arc<str>, Vec<u32>>| {
            values
                .iter()
                .map(|(value, list)| (value.clone(), first_only(list, gone)))
                .filter(|(_, list)| !list.is_empty())
                .collect::<BTreeMap<_, _>>()
        };
        let names = self.names.iter().map(|(name, it)| (name.clone(), values(it)));
        Self {
            names: names.filter(|(_, values)| !values.is_empty()).collect(),
            all: first_only(&self.all, gone),
            places: OnceLock::new(),
        }
    }
}

fn insert(list: &mut Vec<u32>, slot: u32) {
    match list.last().map_or(Ordering::Less, |last| last.cmp(&slot)) {
        Ordering::Less => list.push(slot),
        Ordering::Equal => {}
        Ordering::Greater => {
            if let Err(at) = list.binary_search(&slot) {
                list.insert(at, slot);
            }
        }
    }
}

impl Postings for Index {
    fn all(&self) -> Cow<'_, [u32]> {
        Cow::Borrowed(&self.all)
    }

    fn of(&self, name: &str, value: &str) -> Cow<'_, [u32]> {
        let list = self.names.get(name).and_then(|values| values.get(value));
        Cow::Borrowed(list.map_or(&[], Vec::as_slice))
    }

    fn each_value(&self, name: &str, visit: &mut dyn FnMut(&str, Cow<'_, [u32]>)) {
        for (value, list) in self.names.get(name).into_iter().flatten() {
            visit(value, Cow::Borrowed(list));
        }
    }

    fn each_name(&self, visit: &mut dyn FnMut(&str)) {
        self.names.keys().for_each(|name| visit(name));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Operation::{Equal, Matches, MatchesNot, NotEqual};
    use proptest::prelude::*;

    fn matcher((name, operation, value): (&str, Operation, &str)) -> Matcher {
        Matcher::new(name, operation, value).unwrap()
    }

    #[test]
    fn the_index_finds_what_a_look_at_every_series_finds() {
        let mut index = Index::default();
        let mut series = Vec::new();
        for slot in 0..60_u32 {
            let (a, b) = (format!("{}", slot % 5), format!("x{}", slot % 7));
            let pairs = [("a", if slot % 4 == 0 { "" } else { &*a }), ("b", &*b)];
            let there = pairs.into_iter().filter(|(_, value)| !value.is_empty());
            series.push(index.add(slot, there));
        }
        let gone: Vec<u32> = (0..60).filter(|slot| slot % 11 == 0).collect();
        let index = index.without(&gone);
        let values = ["", "1", "1|3", ".*", ".+", "x[12]", "x1|", "9"];
        let mut all = Vec::new();
        for name in ["a", "b", "c"] {
            for operation in [Equal, NotEqual, Matches, MatchesNot] {
                all.extend(values.iter().map(|value| matcher((name, operation, value))));
            }
        }
        for one in &all {
            for other in &all {
                let matchers = [one.clone(), other.clone()];
                let expected: Vec<u32> = (0..)
                    .zip(&series)
                    .filter(|(slot, _)| slot % 11 != 0)
                    .filter(|(_, labels)| matchers.iter().all(|it| it.matches(labels)))
                    .map(|(slot, _)| slot)
                    .collect();
                let asked = matchers.each_ref().map(Asked::of);
                assert_eq!(*resolve(&asked, &index), expected, "{one} {other}");
                let asked =
                    matchers.each_ref().map(|it| Asked::looked_up(it, |name| index.values(name)));
                assert_eq!(*resolve(&asked, &index), expected, "{one} {other}, looked up before");
            }
        }
    }

    proptest! {
        #[test]
        fn strides_miss_nothing(
            one in prop::collection::btree_set(0u32..200, 0..60),
            other in prop::collection::btree_set(0u32..200, 0..200),
        ) {
            let (a, b): (Vec<_>, Vec<_>) =
                (one.iter().copied().collect(), other.iter().copied().collect());
            prop_assert_eq!(both(&a, &b), one.intersection(&other).copied().collect::<Vec<_>>());
            prop_assert_eq!(first_only(&a, &b), one.difference(&other).copied().collect::<Vec<_>>());
        }
    }
}
