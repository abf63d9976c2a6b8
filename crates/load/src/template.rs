//! Template: text that is written anew for each request, made ready so that writing it is copying.

/// Text with slots.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(Vec<u8>),
    Slot(u32),
}

/// Where the values of slots come from.
pub(crate) trait Values {
    /// Appends the value of a slot.
    fn put(&self, slot: u32, out: &mut Vec<u8>);

    /// The value of the header `cookie`, when the user has any.
    fn cookie(&self) -> Option<&[u8]> {
        None
    }
}

/// For requests without slots.
#[derive(Copy, Clone, Debug)]
pub(crate) struct NoValues;

impl Values for NoValues {
    fn put(&self, _: u32, _: &mut Vec<u8>) {}
}

impl Template {
    /// A plain text.
    pub(crate) fn text(text: impl Into<Vec<u8>>) -> Self {
        let text = text.into();
        Self { parts: if text.is_empty() { Vec::new() } else { vec![Part::Text(text)] } }
    }

    /// With a text behind it.
    pub(crate) fn then(mut self, text: impl AsRef<[u8]>) -> Self {
        let text = text.as_ref();
        match self.parts.last_mut() {
            Some(Part::Text(last)) => last.extend_from_slice(text),
            _ if text.is_empty() => {}
            _ => self.parts.push(Part::Text(text.to_vec())),
        }
        self
    }

    /// With a slot behind it.
    pub(crate) fn then_slot(mut self, slot: u32) -> Self {
        self.parts.push(Part::Slot(slot));
        self
    }

    /// With another template behind it.
    pub(crate) fn then_all(self, other: &Self) -> Self {
        other.parts.iter().fold(self, |sum, part| match part {
            Part::Text(text) => sum.then(text),
            Part::Slot(slot) => sum.then_slot(*slot),
        })
    }

    /// The text, when it is always the same.
    pub(crate) fn constant(&self) -> Option<&[u8]> {
        match self.parts.as_slice() {
            [] => Some(&[]),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// The plain texts in it.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &[u8]> {
        self.parts.iter().filter_map(|it| match it {
            Part::Text(text) => Some(&**text),
            Part::Slot(_) => None,
        })
    }

    /// Whether it begins with a plain text that begins so.
    pub(crate) fn starts_with(&self, text: &[u8]) -> bool {
        matches!(self.parts.first(), Some(Part::Text(it)) if it.starts_with(text))
    }

    /// Appends the text with its slots filled.
    pub(crate) fn render(&self, values: &dyn Values, out: &mut Vec<u8>) {
        for part in &self.parts {
            match part {
                Part::Text(text) => out.extend_from_slice(text),
                Part::Slot(slot) => values.put(*slot, out),
            }
        }
    }

    /// Appends the text with its slots filled, where each byte of a slot has to fit; others are written as
    /// `instead` says. So no value can end a line of a request and begin another.
    pub(crate) fn render_safe(
        &self,
        values: &dyn Values,
        fits: impl Fn(u8) -> bool,
        instead: impl Fn(u8, &mut Vec<u8>),
        out: &mut Vec<u8>,
    ) {
        let mut value = Vec::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => out.extend_from_slice(text),
                Part::Slot(slot) => {
                    value.clear();
                    values.put(*slot, &mut value);
                    for &byte in &value {
                        match fits(byte) {
                            true => out.push(byte),
                            false => instead(byte, out),
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(&'static str);

    impl Values for Fixed {
        fn put(&self, slot: u32, out: &mut Vec<u8>) {
            out.extend_from_slice(format!("{}{slot}", self.0).as_bytes());
        }
    }

    #[test]
    fn slots_are_filled_and_plain_text_is_known_ahead() {
        let plain = Template::text("/a").then("/b");
        assert_eq!(plain.constant(), Some(&b"/a/b"[..]));
        let template = plain.then_slot(7).then("!");
        assert_eq!(template.constant(), None);
        let mut out = Vec::new();
        template.render(&Fixed("v"), &mut out);
        assert_eq!(out, b"/a/bv7!");
    }

    #[test]
    fn a_value_cannot_break_out_of_its_line() {
        let mut out = Vec::new();
        let template = Template::text("x: ").then_slot(0);
        template.render_safe(&Fixed("a\r\nb"), |it| it >= b' ', |_, out| out.push(b' '), &mut out);
        assert_eq!(out, b"x: a  b0");
    }
}
