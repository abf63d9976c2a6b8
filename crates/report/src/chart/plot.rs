//! Plot: the frame of a chart, with everything in it but its meaning.
//!
//! Labels above the chart are tags. Where the chart is narrow, a tag shrinks to its number, and the key
//! below the chart says what the numbers stand for.

use std::borrow::Cow;

use maud::{Markup, PreEscaped, html};
use serde_json::{Value, json};

use super::rows;
use super::stroke::Pen;

/// A chart.
#[derive(Debug, Default)]
pub(crate) struct Plot {
    /// Unique on the page.
    pub(crate) id: Cow<'static, str>,
    /// What it shows, in one or two sentences, for those who do not see it.
    pub(crate) summary: String,
    /// Height of the drawing in pixels.
    pub(crate) height: u32,
    /// Ticks of the vertical axis.
    pub(crate) y: Vec<Tick>,
    /// Ticks of the horizontal axis.
    pub(crate) x: Vec<Tick>,
    /// Spans of the horizontal axis.
    pub(crate) bands: Vec<Band>,
    /// Moments of the horizontal axis.
    pub(crate) marks: Vec<Mark>,
    /// Labels above.
    pub(crate) tags: Vec<Tag>,
    /// Lines across, such as objectives.
    pub(crate) rules: Vec<Rule>,
    /// What is drawn.
    pub(crate) paths: Vec<Path>,
    /// What is read under the pointer.
    pub(crate) readout: Option<Readout>,
}

/// A tick of an axis.
#[derive(Debug)]
pub(crate) struct Tick {
    /// Share of the axis.
    pub(crate) at: f64,
    /// Its label.
    pub(crate) label: String,
}

/// A span of the horizontal axis.
#[derive(Debug)]
pub(crate) struct Band {
    /// Share of the axis where it begins.
    pub(crate) from: f64,
    /// Share of the axis where it ends.
    pub(crate) to: f64,
    /// Class in the style sheet.
    pub(crate) class: &'static str,
}

/// A moment of the horizontal axis.
#[derive(Debug)]
pub(crate) struct Mark {
    /// Share of the axis.
    pub(crate) at: f64,
    /// Class in the style sheet.
    pub(crate) class: &'static str,
}

/// A label above the chart.
#[derive(Debug)]
pub(crate) struct Tag {
    /// Share of the axis where it begins.
    pub(crate) at: f64,
    /// Share of the axis where what it names ends.
    pub(crate) to: f64,
    /// What it is about.
    pub(crate) kind: TagKind,
    /// Its text.
    pub(crate) text: String,
}

/// What a tag is about. Each kind has rows of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TagKind {
    /// A phase: plain.
    Phase,
    /// Something that happened.
    Event {
        /// Stands for it where there is little room: its number, or a short word.
        sign: String,
        /// Class of its tone in the style sheet.
        class: &'static str,
    },
}

/// A line across the chart.
#[derive(Debug)]
pub(crate) struct Rule {
    /// Share of the vertical axis.
    pub(crate) at: f64,
    /// What it stands for.
    pub(crate) label: String,
    /// Class of its tone in the style sheet.
    pub(crate) class: &'static str,
}

/// Something drawn.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Path {
    /// Class in the style sheet.
    pub(crate) class: &'static str,
    /// Path data.
    pub(crate) data: String,
}

/// What is read at each step of the horizontal axis.
#[derive(Debug, Default)]
pub(crate) struct Readout {
    /// Share of the axis of each step.
    pub(crate) at: Vec<f64>,
    /// Name of each step.
    pub(crate) steps: Vec<String>,
    /// What is read there.
    pub(crate) series: Vec<Series>,
}

/// One line of a readout.
#[derive(Debug)]
pub(crate) struct Series {
    /// Its name.
    pub(crate) name: String,
    /// What stands there for each step.
    pub(crate) values: Vec<String>,
}

impl Path {
    /// Something drawn in the manner of a class.
    pub(crate) const fn new(class: &'static str, data: String) -> Self {
        Self { class, data }
    }
}

/// The width a chart is laid out for, in pixels. The style sheet shrinks tags to numbers below it.
const LAID_OUT_FOR: f64 = 780.0;
/// Height of a row of tags, in pixels.
const ROW: usize = 19;

impl Plot {
    /// The chart. Its box takes the place that the page gives it.
    pub(crate) fn render(&self) -> Markup {
        let (phases, events): (Vec<&Tag>, Vec<&Tag>) =
            self.tags.iter().partition(|it| it.kind == TagKind::Phase);
        let phase_places = rows::rows(&phases.iter().map(|it| it.room()).collect::<Vec<_>>());
        let event_places = rows::rows(&events.iter().map(|it| it.room()).collect::<Vec<_>>());
        let above = rows::height(&phase_places);
        let head = (above + rows::height(&event_places)) * ROW + 6;
        html! {
            div.chart {
            div.plot id=(self.id) tabindex="0" role="img" aria-label=(self.summary)
                style=(format!("--h:{}px;--head:{head}px", self.height)) {
                div.area {
                    (self.drawing())
                    @for it in &self.y { span.yt style=(format!("top:{}", percent(1.0 - it.at))) { (it.label) } }
                    @for (n, it) in self.x.iter().enumerate() { span.xt.alt[n % 2 == 1 && self.x.len() > 5] style=(format!("left:{}", percent(it.at))) { (it.label) } }
                    @for (it, slot) in self.rules.iter().zip(slots(&self.rules)) {
                        span.rl.(it.class) style=(format!("top:{};--slot:{slot}", percent(1.0 - it.at))) { (it.label) }
                    }
                    @for (it, place) in phases.iter().zip(&phase_places) { (it.render(*place, 0, head)) }
                    @for (it, place) in events.iter().zip(&event_places) { (it.render(*place, above, head)) }
                    div.cross hidden {}
                    div.tip hidden {}
                }
            }
            @if !events.is_empty() {
                ol.key { @for it in &events { li.(it.class()) data-sign=(it.sign()) { (it.text) } } }
            }
            }
            @if let Some(readout) = &self.readout {
                div.sr role="status" data-said=(self.id) {}
                script type="application/json" data-for=(self.id) { (PreEscaped(readout.data())) }
            }
        }
    }

    fn drawing(&self) -> Markup {
        let mut grid = Pen::default();
        for it in &self.y {
            let y = (1.0 - it.at) * 1000.0;
            grid.to((0.0, y)).line((1000.0, y));
        }
        let across = |at: f64| {
            let y = (1.0 - at) * 1000.0;
            let mut pen = Pen::default();
            pen.to((0.0, y)).line((1000.0, y));
            pen.done()
        };
        let down = |at: f64| {
            let mut pen = Pen::default();
            pen.to((at * 1000.0, 0.0)).line((at * 1000.0, 1000.0));
            pen.done()
        };
        let block = |band: &Band| {
            let mut pen = Pen::default();
            // An act of a moment still gets a visible width.
            let width = (band.to - band.from).max(0.002) * 1000.0;
            pen.rect((band.from * 1000.0, 1000.0), width, 1000.0);
            pen.done()
        };
        html! {
            svg viewBox="0 0 1000 1000" preserveAspectRatio="none" aria-hidden="true" {
                path.grid d=(grid.done()) {}
                @for it in &self.bands { path.(it.class) d=(block(it)) {} }
                @for it in &self.paths { path.(it.class) d=(it.data) {} }
                @for it in &self.rules { path.rule.(it.class) d=(across(it.at)) {} }
                @for it in &self.marks { path.(it.class) d=(down(it.at)) {} }
            }
        }
    }
}

impl Tag {
    /// Where it would like to start and how much room its text needs, as shares of the width.
    fn room(&self) -> (f64, f64) {
        // A sign takes this share of the smallest screen, where it is all that is left of an event.
        let sign = self.sign().chars().count() as f64;
        let (beside, least) = match self.kind {
            TagKind::Phase => (8.0, 0.0),
            TagKind::Event { .. } => (sign.mul_add(6.5, 24.0), sign.mul_add(0.025, 0.06)),
        };
        let text = self.text.chars().count().min(44) as f64;
        (self.at, (text.mul_add(6.5, beside) / LAID_OUT_FOR).max(least))
    }

    fn sign(&self) -> &str {
        match &self.kind {
            TagKind::Phase => "",
            TagKind::Event { sign, .. } => sign,
        }
    }

    const fn class(&self) -> &'static str {
        match self.kind {
            TagKind::Phase => "plain",
            TagKind::Event { class, .. } => class,
        }
    }

    fn render(&self, place: rows::Place, above: usize, head: usize) -> Markup {
        let top = (above + place.row) * ROW;
        let side = match place.flush {
            true => "right:0".to_owned(),
            false => format!("left:{}", percent(self.at)),
        };
        let width = percent((self.to - self.at).max(0.0));
        let style = format!("{side};top:-{}px;--w:{width};--at:{}", head - top, percent(self.at));
        html! {
            @match &self.kind {
                TagKind::Phase => span.tag.phase style=(style) { (self.text) },
                TagKind::Event { sign, class } => span.tag.event.(class) style=(style) { b { (sign) } " " span { (self.text) } },
            }
        }
    }
}

impl Readout {
    /// JSON that no text can break out of.
    fn data(&self) -> String {
        let series: Vec<Value> =
            self.series.iter().map(|it| json!({"n": it.name, "v": it.values})).collect();
        let at: Vec<f64> = self.at.iter().map(|it| (it * 1e4).round() / 1e4).collect();
        json!({"x": at, "t": self.steps, "s": series}).to_string().replace('<', "\\u003c")
    }
}

/// A share as CSS writes it.
pub(crate) fn percent(share: f64) -> String {
    let text = format!("{:.2}", if share.is_finite() { share * 100.0 } else { 0.0 });
    format!("{}%", text.trim_end_matches('0').trim_end_matches('.'))
}

/// Labels of rules that lie close together stand side by side: for each rule, how many stand before.
fn slots(rules: &[Rule]) -> Vec<usize> {
    let mut found: Vec<usize> = Vec::new();
    for (index, rule) in rules.iter().enumerate() {
        let near =
            rules.iter().take(index).zip(&found).filter(|(it, _)| (it.at - rule.at).abs() < 0.07);
        found.push(near.map(|(_, slot)| slot + 1).max().unwrap_or(0));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_readout_cannot_end_its_own_element() {
        let series = Series { name: "</script><b>".to_owned(), values: vec!["1".to_owned()] };
        let readout =
            Readout { at: vec![0.123_456], steps: vec!["0:00".to_owned()], series: vec![series] };
        let data = readout.data();
        assert!(!data.contains('<'));
        assert!(serde_json::from_str::<Value>(&data).is_ok());
    }

    #[test]
    fn rules_close_together_stand_side_by_side() {
        let rule = |at| Rule { at, label: String::new(), class: "bad" };
        assert_eq!(slots(&[rule(0.5), rule(0.52), rule(0.9), rule(0.54)]), [0, 1, 0, 2]);
    }
}
