//! What does not carry over, as it is found.

use std::collections::BTreeMap;

/// Something that does not carry over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// Where it stands: a line, or the path of an element.
    pub place: String,
    /// What it is.
    pub what: String,
    /// Why it does not, and what to do about it.
    pub why: String,
}

/// What has been found so far. The same thing at many places is one finding.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    list: Vec<(LeftOut, usize)>,
    known: BTreeMap<(String, String), usize>,
}

impl Notes {
    /// Notes that something is left out.
    pub(crate) fn add(
        &mut self,
        place: impl Into<String>,
        what: impl AsRef<str>,
        why: impl Into<String>,
    ) {
        let (what, why) = (cut(what.as_ref()), why.into());
        if let Some(at) = self.known.get(&(what.clone(), why.clone())) {
            if let Some((_, more)) = self.list.get_mut(*at) {
                *more += 1;
            }
            return;
        }
        self.known.insert((what.clone(), why.clone()), self.list.len());
        self.list.push((LeftOut { place: cut(&place.into()), what, why }, 0));
    }

    /// All of it, in the order in which it was found.
    pub(crate) fn finish(self) -> Vec<LeftOut> {
        let counted = |(mut it, more): (LeftOut, usize)| {
            if more > 0 {
                it.place.push_str(&format!(" and {more} more"));
            }
            it
        };
        self.list.into_iter().map(counted).collect()
    }
}

/// A text of a stranger, short enough for a line.
pub(crate) fn cut(text: &str) -> String {
    const LONGEST: usize = 120;
    let shown = |it: char| if it.is_control() { ' ' } else { it };
    let mut characters = text.chars();
    let mut short: String = characters.by_ref().take(LONGEST).map(shown).collect();
    if characters.next().is_some() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_finding_is_counted_and_not_repeated() {
        let mut notes = Notes::default();
        for line in 1..4 {
            notes.add(format!("line {line}"), "redirects", "not followed");
        }
        notes.add("line 9", "a file", "not read");
        let found = notes.finish();
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].place, "line 1 and 2 more");
    }
}
