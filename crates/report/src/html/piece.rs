//! Pieces: what sections are made of.

use maud::{Markup, PreEscaped, html};

use crate::figure as figures;
use crate::mark::Tone;

/// A card with a heading.
pub(crate) struct Card<'a> {
    /// Anchor; empty for none.
    pub(crate) id: &'a str,
    pub(crate) title: &'a str,
    /// Beside the title, for people who wonder.
    pub(crate) note: String,
    /// On the right of the heading.
    pub(crate) legend: Markup,
    pub(crate) body: Markup,
}

impl Card<'_> {
    pub(crate) fn render(self) -> Markup {
        html! {
            section.card.part id=[Some(self.id).filter(|it| !it.is_empty())] {
                header {
                    h2 { (self.title) }
                    @if !self.note.is_empty() { p { (self.note) } }
                    (self.legend)
                }
                (self.body)
            }
        }
    }
}

/// A card with one figure, and what there is to say beside it; at its foot a course, or nothing.
pub(crate) fn figure(tone: Tone, name: &str, value: Markup, note: Markup, foot: Markup) -> Markup {
    html! {
        section.card.kpi.(tone.class()) {
            h2 { (name) }
            p.v { (value) }
            p.note { (note) }
            (foot)
        }
    }
}

/// A column of a table.
#[derive(Copy, Clone)]
pub(crate) enum Column {
    /// Words, flush left.
    Words(&'static str),
    /// Figures, flush right.
    Figures(&'static str),
}

impl Column {
    const fn name(self) -> &'static str {
        match self {
            Self::Words(name) | Self::Figures(name) => name,
        }
    }

    const fn class(self) -> Option<&'static str> {
        match self {
            Self::Words(_) => None,
            Self::Figures(_) => Some("r"),
        }
    }
}

/// A table that scrolls sideways when there is no room. The region is reached by keyboard.
pub(crate) fn table(name: &str, columns: &[Column], rows: &[Vec<Markup>]) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label=(name) {
            table {
                thead { tr { @for it in columns { th class=[it.class()] scope="col" { (it.name()) } } } }
                tbody {
                    @for row in rows {
                        tr { @for (it, cell) in columns.iter().zip(row) { td class=[it.class()] { (cell) } } }
                    }
                }
            }
        }
    }
}

/// A table that becomes a stack of small ones where there is no room.
pub(crate) fn stack(name: &str, columns: &[Column], rows: &[Vec<Markup>]) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label=(name) {
            table.stack {
                thead { tr { @for it in columns { th class=[it.class()] scope="col" { (it.name()) } } } }
                tbody {
                    @for row in rows {
                        tr {
                            @for (n, (it, cell)) in columns.iter().zip(row).enumerate() {
                                td class=[it.class()] data-name=[(n > 0).then(|| it.name())] { (cell) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The figures behind a chart.
pub(crate) fn data(name: &str, heads: &[String], rows: &[Vec<String>]) -> Markup {
    html! {
        details.data {
            summary { "Show as table" }
            div.scroll tabindex="0" role="region" aria-label={ (name) ", as a table" } {
                table {
                    thead { tr { @for it in heads { th.r scope="col" { (it) } } } }
                    tbody { @for row in rows { tr { @for it in row { td.r { (it) } } } } }
                }
            }
        }
    }
}

/// How an entry of a legend is drawn.
#[derive(Copy, Clone)]
pub(crate) enum Ink {
    Line,
    Dash,
    Box,
}

/// What is what in a chart: class of the colour, manner, name.
pub(crate) fn legend(entries: &[(&str, Ink, &str)]) -> Markup {
    html! {
        ul.legend {
            @for (class, ink, name) in entries {
                li.(class) {
                    i class=(match ink { Ink::Line => "line", Ink::Dash => "dash", Ink::Box => "box" }) {}
                    (name)
                }
            }
        }
    }
}

/// A word with its sign and colour.
pub(crate) fn pill(tone: Tone, word: &str) -> Markup {
    html! { span.pill.(tone.class()) { (icon(tone)) (word) } }
}

/// A word without judgement.
pub(crate) fn tag(word: &str) -> Markup {
    html! { span.pill.plain { (word) } }
}

/// The sign of a tone.
pub(crate) fn icon(tone: Tone) -> Markup {
    let inside = match tone {
        Tone::Good => "m5.2 8.2 2 2 3.7-4.2",
        Tone::Warn => "M8 6.6v3m0 2.1v.1",
        Tone::Bad => "m5.8 5.8 4.4 4.4m0-4.4-4.4 4.4",
        Tone::Doubt => "M6.3 6.3c.2-2.3 3.5-2.1 3.4 0-.1 1.2-1.7 1.3-1.7 2.7m0 2v.1",
        Tone::Plain => "M8 7.4v3.4m0-5.7v.1",
    };
    html! {
        svg.icon viewBox="0 0 16 16" aria-hidden="true" {
            @match tone {
                Tone::Warn => path d="M8 2.2 14.4 13.4H1.6z" {},
                _ => circle cx="8" cy="8" r="6.4" {},
            }
            path d=(inside) {}
        }
    }
}

/// A figure in a card: its unit is smaller than its digits.
pub(crate) fn big(text: &str) -> Markup {
    let (number, unit) = figures::apart(text);
    html! { (number) @if !unit.is_empty() { small { (unit) } } }
}

/// A bar from nothing to all.
pub(crate) fn bar(class: &str, ratio: f64) -> Markup {
    let ratio = if ratio.is_finite() { ratio.clamp(0.0, 1.0) } else { 0.0 };
    html! {
        span.bar.(class) aria-hidden="true" {
            i style={ "width:" (crate::chart::plot::percent(ratio)) } {}
        }
    }
}

/// Shades that areas of charts are filled with.
pub(crate) fn inks() -> Markup {
    let shade = |id: &str, class: &str| {
        format!(
            "<linearGradient id=\"{id}\" class=\"{class}\" x1=\"0\" y1=\"0\" x2=\"0\" y2=\"1\">\
             <stop offset=\"0\" class=\"s0\"/><stop offset=\"1\" class=\"s1\"/></linearGradient>"
        )
    };
    html! {
        svg.inks width="0" height="0" aria-hidden="true" {
            defs { (PreEscaped(shade("shade-load", "acc"))) (PreEscaped(shade("shade-water", "acc"))) }
        }
    }
}
