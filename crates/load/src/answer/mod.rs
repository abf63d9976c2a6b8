//! Answers: whether one is right, and what later steps want of it.
//!
//! ```text
//! Headers     the headers of one answer, in one buffer that is used again for the next
//! judge       every check of a route → what the answer counts as
//! extract     a part of an answer → a variable
//! json_path   one value in a JSON body, found without reading the rest into memory
//! ```
//!
//! Everything that can be wrong with a check (a regular expression, a path) is found before the load; what
//! remains to be done for each answer is searching.
//!
//! Deliberately absent: scripts. A check is one of a few questions, so that its cost is known.

mod extract;
mod json_path;
mod judge;

#[cfg(test)]
mod tests;

pub(crate) use extract::Extractor;
pub(crate) use judge::Judge;

/// The headers of one answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Headers {
    bytes: Vec<u8>,
    /// Where each name ends, and where its value ends.
    ends: Vec<(u32, u32)>,
}

/// The most bytes of headers that are kept of one answer; what comes after is dropped.
const KEPT_BYTES_MAX: usize = 256 * 1024;

impl Headers {
    /// Forgets all, and keeps the memory.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    /// Adds one.
    pub(crate) fn push(&mut self, name: &[u8], value: &[u8]) {
        if self.bytes.len() + name.len() + value.len() > KEPT_BYTES_MAX {
            return;
        }
        self.bytes.extend_from_slice(name);
        let name_end = self.bytes.len() as u32;
        self.bytes.extend_from_slice(value);
        self.ends.push((name_end, self.bytes.len() as u32));
    }

    /// The values of those with a name, in order; case does not matter.
    pub(crate) fn get<'a>(&'a self, name: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        let mut from = 0;
        self.ends.iter().filter_map(move |&(name_end, end)| {
            let (name_end, end) = (name_end as usize, end as usize);
            let its_name = &self.bytes[from..name_end];
            from = end;
            its_name.eq_ignore_ascii_case(name).then(|| &self.bytes[name_end..end])
        })
    }
}

/// A compiled regular expression, or a sentence that says what is wrong with it.
fn regex(pattern: &str) -> Result<regex::bytes::Regex, String> {
    regex::bytes::Regex::new(pattern).map_err(|error| {
        // Syntax errors are drawn over several lines; the last one says what is wrong.
        let text = error.to_string();
        let reason = text.lines().last().unwrap_or_default();
        let reason = reason.strip_prefix("error: ").unwrap_or(reason);
        format!("`{pattern}` is not a regular expression: {reason}")
    })
}
