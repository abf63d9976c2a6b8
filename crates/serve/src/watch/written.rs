//! Written: the series that something evaluated at intervals writes, and ends when they are no longer there.

use std::cmp::Ordering;

use evenkeel_promql::Sample;
use evenkeel_series::{Labels, STALE};
use evenkeel_tsdb::{Batch, Rejection, SeriesRef, Store};

/// The series that were written last, by their labels.
#[derive(Debug, Default)]
pub(super) struct Written(Vec<(Labels, SeriesRef)>);

impl Written {
    /// Writes what was found at a moment, and ends what was written last time and is not among it.
    ///
    /// # Errors
    /// When two have the same labels, or the store takes nothing in. Then nothing is written.
    pub(super) fn write(
        &mut self,
        store: &Store,
        at: i64,
        mut found: Vec<(Labels, Sample)>,
    ) -> Result<(), String> {
        found.sort_by(|one, other| one.0.cmp(&other.0));
        if let Some([one, _]) = found.array_windows().find(|[one, other]| one.0 == other.0) {
            return Err(format!("two series of the answer come to be {}", one.0));
        }
        // A store forgets series that got nothing for hours: then their handles are asked for anew.
        for _ in 0..2 {
            if self.append(store, at, &found)? {
                break;
            }
            self.0.clear();
        }
        Ok(())
    }

    /// Ends all that was written last.
    pub(super) fn end(&mut self, store: &Store, at: i64) -> Result<(), String> {
        self.write(store, at, Vec::new())
    }

    /// Whether the store knew all handles.
    fn append(
        &mut self,
        store: &Store,
        at: i64,
        found: &[(Labels, Sample)],
    ) -> Result<bool, String> {
        let mut batch = Batch::default();
        batch.samples.reserve(found.len());
        let mut now = Vec::with_capacity(found.len());
        let mut before = self.0.iter().peekable();
        for (labels, sample) in found {
            let mut known = None;
            while let Some((its, series)) = before.peek() {
                match its.cmp(labels) {
                    Ordering::Less => batch.float(*series, at, STALE),
                    Ordering::Equal => known = Some((its.clone(), *series)),
                    Ordering::Greater => break,
                }
                before.next();
            }
            let (labels, series) = match known {
                Some(it) => it,
                None => {
                    (labels.clone(), store.intern(labels).map_err(|it| format!("{labels}: {it}"))?)
                }
            };
            match sample {
                Sample::Float(value) => batch.float(series, at, *value),
                Sample::Histogram(it) => batch.histogram(series, at, it.clone()),
            }
            now.push((labels, series));
        }
        before.for_each(|(_, series)| batch.float(*series, at, STALE));
        let appended = store.append(&batch).map_err(|it| it.to_string())?;
        self.0 = now;
        Ok(!appended.rejected.iter().any(|it| it.1 == Rejection::Forgotten))
    }
}

#[cfg(test)]
mod tests {
    use evenkeel_series::{Samples, Source as _, Span, is_stale};
    use evenkeel_tsdb::Options;

    use super::*;

    fn found(names: &[&str]) -> Vec<(Labels, Sample)> {
        names.iter().map(|it| (Labels::of([("__name__", *it)]), Sample::Float(1.0))).collect()
    }

    #[test]
    fn what_is_no_longer_there_is_ended_once() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), Options::default()).unwrap();
        let mut written = Written::default();
        written.write(&store, 1, found(&["b", "a", "c"])).unwrap();
        written.write(&store, 2, found(&["d", "b"])).unwrap();
        written.write(&store, 3, found(&["b"])).unwrap();
        written.end(&store, 4).unwrap();
        let snapshot = store.snapshot();
        let shown = |samples: &Samples| {
            let each = samples.points.iter();
            each.map(
                |it| if is_stale(it.value) { format!("{}!", it.at) } else { it.at.to_string() },
            )
            .collect::<Vec<_>>()
            .join(" ")
        };
        let all: Vec<_> = snapshot
            .select(&[], Span::ALL)
            .unwrap()
            .iter()
            .map(|it| {
                let mut samples = Samples::default();
                it.read(Span::ALL, &mut samples).unwrap();
                format!("{} {}", it.labels(), shown(&samples))
            })
            .collect();
        assert_eq!(all, ["a 1 2!", "b 1 2 3 4!", "c 1 2!", "d 2 3!"]);
    }

    #[test]
    fn two_of_one_name_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), Options::default()).unwrap();
        let error = Written::default().write(&store, 1, found(&["a", "b", "a"])).unwrap_err();
        assert_eq!(error, "two series of the answer come to be a");
        assert_eq!(store.snapshot().series(&[], Span::ALL).len(), 0);
    }
}
