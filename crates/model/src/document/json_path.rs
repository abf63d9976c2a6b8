//! JSON paths: the way to one value in a JSON body, such as `$.items[0]["unit price"]`.
//!
//! Deliberately absent: wildcards, slices and filters, which have many answers where one is wanted.

/// The way to a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonPath {
    /// From the root on.
    pub steps: Vec<JsonStep>,
}

/// A step on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JsonStep {
    /// Into a member of an object.
    Member(String),
    /// Into an item of an array, counted from 0.
    Item(usize),
}

/// A text is no path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no path to a JSON value: {reason}; write it like `$.items[0].id`")]
pub struct JsonPathError {
    /// As written.
    pub text: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl JsonPath {
    /// Reads a path: `$`, then `.name`, `["name"]`, `['name']` or `[0]` for each step.
    ///
    /// # Errors
    /// When the text is no path.
    pub fn parse(text: &str) -> Result<Self, JsonPathError> {
        let wrong = |reason| JsonPathError { text: text.to_owned(), reason };
        let mut rest = text.strip_prefix('$').ok_or_else(|| wrong("it does not begin with `$`"))?;
        let mut steps = Vec::new();
        while !rest.is_empty() {
            let (step, after) = match (rest.strip_prefix('.'), rest.strip_prefix('[')) {
                (Some(after), _) => member(after),
                (None, Some(after)) => bracketed(after),
                (None, None) => Err("after a step comes neither `.` nor `[`"),
            }
            .map_err(wrong)?;
            steps.push(step);
            rest = after;
        }
        Ok(Self { steps })
    }
}

/// The step at the front, and what follows it.
type Front<'t> = Result<(JsonStep, &'t str), &'static str>;

/// What stands behind a `.`.
fn member(text: &str) -> Front<'_> {
    let (name, after) = text.split_at(text.find(['.', '[']).unwrap_or(text.len()));
    match name.is_empty() || name == "*" || name.contains(']') {
        true => Err("a `.` has no plain name behind it"),
        false => Ok((JsonStep::Member(name.to_owned()), after)),
    }
}

/// What stands behind a `[`.
fn bracketed(text: &str) -> Front<'_> {
    let (step, after) = match text.chars().next() {
        Some(quote @ ('"' | '\'')) => quoted(text, quote).ok_or("a quoted name is not closed")?,
        _ => {
            let end = text.find(|it: char| !it.is_ascii_digit()).unwrap_or(text.len());
            let (digits, after) = text.split_at(end);
            let index = digits.parse();
            let index = index
                .map_err(|_| "between `[` and `]` stands neither a number nor a quoted name")?;
            (JsonStep::Item(index), after)
        }
    };
    Ok((step, after.strip_prefix(']').ok_or("a `[` is not closed")?))
}

/// The name in quotes at the front, and what follows them; a backslash takes the next character as it is.
fn quoted(text: &str, quote: char) -> Option<(JsonStep, &str)> {
    let mut name = String::new();
    let mut chars = text.chars();
    chars.next();
    loop {
        match chars.next()? {
            it if it == quote => return Some((JsonStep::Member(name), chars.as_str())),
            '\\' => name.push(chars.next()?),
            it => name.push(it),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_path_is_what_leads_to_one_value() {
        let member = |it: &str| JsonStep::Member(it.to_owned());
        for (path, steps) in [
            ("$", vec![]),
            ("$.a.b[0]", vec![member("a"), member("b"), JsonStep::Item(0)]),
            ("$[\"x y\"].z", vec![member("x y"), member("z")]),
            ("$['a\\'b']", vec![member("a'b")]),
            ("$[12][3].a-b", vec![JsonStep::Item(12), JsonStep::Item(3), member("a-b")]),
        ] {
            assert_eq!(JsonPath::parse(path).unwrap().steps, steps, "{path}");
        }
    }

    #[test]
    fn what_is_no_path_is_refused_with_the_reason() {
        for (path, reason) in [
            ("", "`$`"),
            ("a", "`$`"),
            ("$a", "neither `.` nor `[`"),
            ("$.", "no plain name"),
            ("$..a", "no plain name"),
            ("$.*", "no plain name"),
            ("$[*]", "neither a number"),
            ("$[-1]", "neither a number"),
            ("$[]", "neither a number"),
            ("$[99999999999999999999]", "neither a number"),
            ("$[1", "`[` is not closed"),
            ("$[\"a]", "quoted name is not closed"),
            ("$['a'", "`[` is not closed"),
        ] {
            let error = JsonPath::parse(path).unwrap_err();
            assert!(error.reason.contains(reason), "{path}: {error}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_path_or_refused(text in "\\$?[.\\[\\]\"'\\\\a0-9é*]{0,12}") {
            if let Ok(path) = JsonPath::parse(&text) {
                prop_assert_eq!(path.steps.is_empty(), text == "$");
            }
        }
    }
}
