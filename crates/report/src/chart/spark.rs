//! Spark: the small line at the foot of a card. It shows a course, never a figure.

use maud::{Markup, html};

use super::scale::Scale;
use super::stroke;

/// A spark of the values; nothing when fewer than two can be shown.
pub(crate) fn spark(values: &[Option<f64>]) -> Markup {
    let seen = || values.iter().flatten().copied().filter(|it| it.is_finite());
    let (lo, hi) = (seen().fold(f64::MAX, f64::min), seen().fold(f64::MIN, f64::max));
    if seen().count() < 2 {
        return html! {};
    }
    let (x, y) = (Scale::linear(0.0, values.len() as f64 - 1.0), Scale::linear(lo, hi));
    let points: Vec<_> = values
        .iter()
        .enumerate()
        // Inset at the top and the foot, so that the stroke is never cut.
        .map(|(at, it)| it.map(|value| (x.x(at as f64), 60.0 + y.y(value) * 0.86)))
        .collect();
    html! {
        svg.spark viewBox="0 0 1000 1000" preserveAspectRatio="none" aria-hidden="true" {
            path.sa d=(stroke::area(&points)) {}
            path.sl d=(stroke::line(&points, 1000.0 / values.len() as f64)) {}
        }
    }
}
