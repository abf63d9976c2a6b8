//! Labels: the name of a series, as sorted pairs of name and value.

use std::fmt;
use std::sync::Arc;

/// The label that holds the name of the metric.
pub const METRIC_NAME: &str = "__name__";

/// One label. The texts are shared: a label of a thousand series is in memory once if whoever made it saw to that.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label {
    /// What it says something about.
    pub name: Arc<str>,
    /// What it says; never empty, for an empty label is none.
    pub value: Arc<str>,
}

/// The labels of a series: sorted by name, each name once, none empty. Copies are cheap.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Labels(Arc<[Label]>);

impl Labels {
    /// Sorts them, leaves out empty ones, and keeps the last of those with one name.
    pub fn new(labels: impl IntoIterator<Item = Label>) -> Self {
        let mut all: Vec<Label> = labels.into_iter().collect();
        all.reverse();
        all.sort_by(|one, other| one.name.cmp(&other.name));
        all.dedup_by(|later, kept| later.name == kept.name);
        all.retain(|label| !label.value.is_empty());
        Self(all.into())
    }

    /// Of texts that nobody shares.
    pub fn of<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        Self::new(
            pairs.into_iter().map(|(name, value)| Label { name: name.into(), value: value.into() }),
        )
    }

    /// The value of a label, `""` when there is none.
    pub fn get(&self, name: &str) -> &str {
        self.0
            .binary_search_by(|label| (*label.name).cmp(name))
            .map_or("", |at| self.0.get(at).map_or("", |label| &*label.value))
    }

    /// The name of the metric, `""` when there is none.
    pub fn metric(&self) -> &str {
        self.get(METRIC_NAME)
    }

    /// One after the other, by name.
    pub fn iter(&self) -> std::slice::Iter<'_, Label> {
        self.0.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those that `keep` wants.
    pub fn filter(&self, mut keep: impl FnMut(&str) -> bool) -> Self {
        Self(self.0.iter().filter(|label| keep(&label.name)).cloned().collect())
    }

    /// With a label set, or taken away when the value is empty.
    pub fn with(&self, name: &str, value: &str) -> Self {
        let label = Label { name: name.into(), value: value.into() };
        Self::new(self.0.iter().cloned().chain([label]))
    }
}

impl Default for Labels {
    fn default() -> Self {
        Self([].into())
    }
}

impl<'a> IntoIterator for &'a Labels {
    type Item = &'a Label;
    type IntoIter = std::slice::Iter<'a, Label>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

/// As Prometheus writes a series: `up{job="shop"}`.
impl fmt::Display for Labels {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(self.metric())?;
        let mut others = self.0.iter().filter(|label| &*label.name != METRIC_NAME).peekable();
        if others.peek().is_none() && !self.metric().is_empty() {
            return Ok(());
        }
        to.write_str("{")?;
        for (at, Label { name, value }) in others.enumerate() {
            write!(to, "{}{name}={value:?}", if at == 0 { "" } else { ", " })?;
        }
        to.write_str("}")
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_sorted_and_an_empty_one_is_none() {
        let labels = Labels::of([("job", "shop"), ("zone", ""), (METRIC_NAME, "up")]);
        assert_eq!(labels.to_string(), r#"up{job="shop"}"#);
        assert_eq!((labels.get("zone"), labels.len()), ("", 2));
    }

    #[test]
    fn the_last_of_one_name_is_kept() {
        assert_eq!(Labels::of([("a", "1"), ("a", "2")]).get("a"), "2");
        assert_eq!(Labels::of([("a", "1")]).with("a", ""), Labels::default());
    }
}
