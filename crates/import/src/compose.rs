//! Templates, put together of pieces.

use evenkeel_model::document::{Part, Slot, Template};

/// Adds plain text.
pub(crate) fn push_text(template: &mut Template, text: &str) {
    match template.parts.last_mut() {
        Some(Part::Literal(last)) => last.push_str(text),
        _ if text.is_empty() => {}
        _ => template.parts.push(Part::Literal(text.to_owned())),
    }
}

/// Adds a part.
pub(crate) fn push(template: &mut Template, part: Part) {
    match part {
        Part::Literal(text) => push_text(template, &text),
        other => template.parts.push(other),
    }
}

/// Adds all of another template.
pub(crate) fn append(template: &mut Template, other: Template) {
    other.parts.into_iter().for_each(|it| push(template, it));
}

/// The same with every plain text put through `f`.
pub(crate) fn map_text(template: Template, f: impl Fn(&str) -> String) -> Template {
    let mut mapped = Template::default();
    for part in template.parts {
        match part {
            Part::Literal(text) => push_text(&mut mapped, &f(&text)),
            other => mapped.parts.push(other),
        }
    }
    mapped
}

/// The text of a template without placeholders.
pub(crate) fn plain(template: &Template) -> Option<&str> {
    match template.parts.as_slice() {
        [] => Some(""),
        [Part::Literal(text)] => Some(text),
        _ => None,
    }
}

/// A template of one slot.
pub(crate) fn slot(slot: Slot) -> Template {
    Template { parts: vec![Part::Slot(slot)] }
}

/// Whether the template is read back as it is written, and else one that is. A `$` just before a placeholder
/// cannot be written, because `$${` stands for a plain `${`.
pub(crate) fn writable(template: Template) -> (Template, bool) {
    if Template::parse(&template.to_string()).as_ref() == Ok(&template) {
        return (template, true);
    }
    let mut mended = Template::default();
    for part in template.parts {
        if !matches!(part, Part::Literal(_)) {
            let last = match mended.parts.last_mut() {
                Some(Part::Literal(last)) => Some(last),
                _ => None,
            };
            if let Some(last) = last {
                last.truncate(last.trim_end_matches('$').len());
                if last.is_empty() {
                    mended.parts.pop();
                }
            }
        }
        push(&mut mended, part);
    }
    (mended, false)
}

/// A name for a variable or a column that placeholders can hold.
pub(crate) fn variable(name: &str) -> String {
    let fits = |it: char| it.is_ascii_alphanumeric() || it == '_';
    let kept: String =
        name.trim().chars().take(60).map(|it| if fits(it) { it } else { '_' }).collect();
    if kept.starts_with(|it: char| it.is_ascii_digit()) || kept.is_empty() {
        format!("_{kept}")
    } else {
        kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dollar_before_a_placeholder_is_not_swallowed_in_silence() {
        let mut template = Template::literal("costs $");
        push(&mut template, Part::Slot(Slot::Var("price".to_owned())));
        let (written, same) = writable(template);
        assert!(!same);
        assert_eq!(Template::parse(&written.to_string()), Ok(written.clone()));
        assert_eq!(written.to_string(), "costs ${var:price}");
    }
}
