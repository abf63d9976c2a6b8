//! Extractors → what later steps want of an answer.

use evenkeel_model::document::{Extract, JsonPath, JsonStep, Source};
use regex::Regex;

use super::plan::Element;
use super::words::Words;
use crate::compose;
use crate::notes::{Notes, cut};

/// Elements that take something out of an answer.
pub(super) const KINDS: [&str; 7] = [
    "RegexExtractor",
    "BoundaryExtractor",
    "JSONPostProcessor",
    "JMESPathExtractor",
    "XPathExtractor",
    "XPath2Extractor",
    "HtmlExtractor",
];

/// What an extractor keeps; a reason where it has no counterpart.
pub(super) fn read(element: &Element<'_>, words: &Words, notes: &mut Notes) -> Vec<Extract> {
    let place = element.place();
    let each: Vec<Result<(String, Source, String), String>> = match element.kind() {
        "RegexExtractor" => vec![regex(element, words, notes)],
        "BoundaryExtractor" => vec![between(element, words, notes)],
        "JSONPostProcessor" => json(element),
        "JMESPathExtractor" => vec![jmes(element)],
        _ => vec![Err(
            "this extractor has no counterpart; use `json`, `regex` or `between`".to_owned()
        )],
    };
    let mut all = Vec::new();
    for one in each {
        match one {
            Ok((name, from, default)) => {
                let default = words.plain(&place, &default, notes).filter(|it| !it.is_empty());
                if default.is_none() {
                    let why = "without a default, an answer that lacks it counts as wrong here";
                    notes.add(&place, "what happens when an extractor finds nothing", why);
                }
                all.push(Extract { var: compose::variable(&name), from, default });
            }
            Err(why) => notes.add(&place, element.title(), why),
        }
    }
    all
}

/// The variables that an extractor keeps, whatever comes of it.
pub(super) fn variables(element: &Element<'_>) -> Vec<String> {
    let mut quiet = Notes::default();
    let all = read(element, &Words::default(), &mut quiet);
    let written: Vec<&str> = match element.kind() {
        "RegexExtractor" => vec![element.text("RegexExtractor.refname")],
        "BoundaryExtractor" => vec![element.text("BoundaryExtractor.refname")],
        "JSONPostProcessor" => {
            element.text("JSONPostProcessor.referenceNames").split(';').collect()
        }
        "JMESPathExtractor" => vec![element.text("JMESExtractor.referenceName")],
        _ => Vec::new(),
    };
    let is_kept = |it: &&str| all.iter().any(|kept| kept.var == compose::variable(it));
    written.into_iter().map(str::trim).filter(is_kept).map(str::to_owned).collect()
}

/// Only the first match is kept by ours.
fn first_only(number: &str) -> Result<(), String> {
    match number.trim() {
        "" | "1" | "0" => Ok(()),
        other => Err(format!("it keeps match {}, and only the first can be kept", cut(other))),
    }
}

fn regex(
    element: &Element<'_>,
    words: &Words,
    notes: &mut Notes,
) -> Result<(String, Source, String), String> {
    first_only(element.text("RegexExtractor.match_number"))?;
    let pattern = words
        .plain(&element.place(), element.text("RegexExtractor.regex"), notes)
        .ok_or("its pattern changes from request to request")?;
    let compiled = Regex::new(&pattern)
        .map_err(|_| format!("`{}` is not a regular expression that we can read", cut(&pattern)))?;
    match (element.text("RegexExtractor.template").trim(), compiled.captures_len()) {
        ("$1$", 2..) | ("" | "$0$", 1) => {}
        _ => return Err("only the first group can be kept (`$1$`)".to_owned()),
    }
    let from = match element.text("RegexExtractor.useHeaders") {
        "" | "false" | "unescaped" | "as_document" => Source::Regex(pattern),
        "code" => Source::Status,
        "true" => match pattern.split_once(':') {
            Some((name, rest))
                if ["(.*)", "(.+)", "(.*?)$", "(.+?)\\n", "(.*)\\n", "(.+)\\n", "(.*?)\\n"]
                    .contains(&rest.trim_start_matches("\\s*").trim())
                    && name.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-') =>
            {
                Source::Header(name.to_ascii_lowercase())
            }
            _ => {
                return Err(
                    "of headers, only the whole value can be kept (`Name: (.*)`)".to_owned()
                );
            }
        },
        other => return Err(format!("it looks at `{}`, and not at the answer", cut(other))),
    };
    Ok((
        element.text("RegexExtractor.refname").to_owned(),
        from,
        element.text("RegexExtractor.default").to_owned(),
    ))
}

fn between(
    element: &Element<'_>,
    words: &Words,
    notes: &mut Notes,
) -> Result<(String, Source, String), String> {
    first_only(element.text("BoundaryExtractor.match_number"))?;
    if !matches!(
        element.text("BoundaryExtractor.useHeaders"),
        "" | "false" | "unescaped" | "as_document"
    ) {
        return Err("only what stands in a body is taken from between two texts".to_owned());
    }
    let mut side =
        |name| words.plain(&element.place(), element.text(name), notes).filter(|it| !it.is_empty());
    let sides = side("BoundaryExtractor.lboundary").zip(side("BoundaryExtractor.rboundary"));
    let (left, right) = sides.ok_or("both texts must be there, and the same for every request")?;
    let name = element.text("BoundaryExtractor.refname").to_owned();
    Ok((name, Source::Between(left, right), element.text("BoundaryExtractor.default").to_owned()))
}

fn json(element: &Element<'_>) -> Vec<Result<(String, Source, String), String>> {
    let list = |name| element.text(name).split(';').map(str::trim).collect::<Vec<_>>();
    let (names, paths) =
        (list("JSONPostProcessor.referenceNames"), list("JSONPostProcessor.jsonPathExprs"));
    let (numbers, defaults) =
        (list("JSONPostProcessor.match_numbers"), list("JSONPostProcessor.defaultValues"));
    let one = |(n, (name, written)): (usize, (&&str, &&str))| {
        first_only(numbers.get(n).copied().unwrap_or_default())?;
        let path = path(written).ok_or_else(|| {
            format!("`{}` is more than a plain path such as `$.items[0].id`", cut(written))
        })?;
        let default = defaults.get(n).copied().unwrap_or_default().to_owned();
        Ok(((*name).to_owned(), Source::Json(path), default))
    };
    names.iter().zip(&paths).enumerate().map(one).collect()
}

fn jmes(element: &Element<'_>) -> Result<(String, Source, String), String> {
    first_only(element.text("JMESExtractor.matchNumber"))?;
    let written = element.text("JMESExtractor.jmesPathExpr");
    let path = path(&format!("$.{written}")).ok_or_else(|| {
        format!("`{}` is more than a plain path such as `items[0].id`", cut(written))
    })?;
    let name = element.text("JMESExtractor.referenceName").to_owned();
    Ok((name, Source::Json(path), element.text("JMESExtractor.defaultValue").to_owned()))
}

/// A path of names and numbers; of `[*]` the first is meant.
pub(super) fn path(written: &str) -> Option<String> {
    let text = written.trim().replace("[*]", "[0]");
    let path = JsonPath::parse(&text).ok()?;
    // What else may stand for a name there is a function or a search.
    let is_name = |it: &str| {
        let fits = |it: u8| it.is_ascii_alphanumeric() || b"_-".contains(&it);
        !it.is_empty() && it.len() <= 64 && it.bytes().all(fits)
    };
    let is_plain = |it: &JsonStep| match it {
        JsonStep::Member(name) => is_name(name),
        JsonStep::Item(_) => true,
    };
    let fits = !path.steps.is_empty() && path.steps.iter().all(is_plain) && text.len() < 512;
    fits.then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_paths_are_read_and_searches_are_not() {
        for (written, expected) in [
            ("$.items[0].id", Some("$.items[0].id")),
            ("$['a']['b-c'][*]", Some("$['a']['b-c'][0]")),
            ("$.items.length()", None),
            ("$..id", None),
            ("$.items[?(@.x > 1)]", None),
            ("$", None),
            ("id", None),
        ] {
            assert_eq!(path(written).as_deref(), expected, "{written}");
        }
    }
}
