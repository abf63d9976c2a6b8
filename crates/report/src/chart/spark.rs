//! Spark: the small line at the foot of a card. It shows a course, never a figure.

use maud::{Markup, html};

use super::scale::Scale;
use super::stroke;

/// A spark of values, each with its place across the drawing square, from the least to the greatest; nothing when fewer
/// than two can be shown.
pub(crate) fn spark(values: &[(f64, Option<f64>)]) -> Markup {
    within(values, (f64::MAX, f64::MIN))
}

/// The same where what the values are shares of is shown, too: at least from `lo` to `hi`.
pub(crate) fn within(values: &[(f64, Option<f64>)], (lo, hi): (f64, f64)) -> Markup {
    let seen = || values.iter().filter_map(|(_, it)| *it).filter(|it| it.is_finite());
    if seen().count() < 2 {
        return html! {};
    }
    let y = Scale::linear(seen().fold(lo, f64::min), seen().fold(hi, f64::max));
    let points: Vec<_> = values
        .iter()
        // Inset at the top and the foot, so that the stroke is never cut.
        .map(|(x, it)| it.map(|value| (*x, 60.0 + y.y(value) * 0.86)))
        .collect();
    let dash = values[1].0 - values[0].0;
    html! {
        svg.spark viewBox="0 0 1000 1000" preserveAspectRatio="none" aria-hidden="true" {
            path.sa d=(stroke::area(&points)) {}
            path.sl d=(stroke::line(&points, dash)) {}
        }
    }
}
