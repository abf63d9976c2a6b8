//! The figures of this second, a line each.

use std::time::Duration;

use evenkeel_model::outcome::SecondFigures;
use evenkeel_units::Human;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};

use super::{LiveView, plain};
use crate::figure;

pub(super) const BOLD: Style = Style::new().add_modifier(Modifier::BOLD);
pub(super) const DIM: Style = Style::new().add_modifier(Modifier::DIM);
pub(super) const BLUE: Style = Style::new().fg(Color::Cyan);
pub(super) const GREEN: Style = Style::new().fg(Color::Green);
pub(super) const YELLOW: Style = Style::new().fg(Color::Yellow);
pub(super) const RED: Style = Style::new().fg(Color::Red);
pub(super) const PLAIN: Style = Style::new();

/// Columns that the name of a line takes.
pub(super) const LABEL: usize = 9;

/// A piece of a line. Whatever comes from outside goes through here.
pub(super) fn piece(style: Style, text: impl AsRef<str>) -> Span<'static> {
    Span::styled(plain(text.as_ref()), style)
}

/// A line with its name in front.
pub(super) fn named(name: &str, pieces: Vec<Span<'static>>) -> Line<'static> {
    let mut all = vec![piece(DIM, format!("{name:<LABEL$}"))];
    all.extend(pieces);
    Line::from(all)
}

/// The last second of a view.
pub(super) struct Now<'a> {
    view: &'a LiveView,
    second: SecondFigures,
}

impl<'a> Now<'a> {
    pub(super) fn of(view: &'a LiveView) -> Self {
        Self { view, second: view.seconds.last().cloned().unwrap_or_default() }
    }

    /// Such as `187/s of 200/s`.
    pub(super) fn rate(&self) -> String {
        let rate = |it: u64| figure::rate(it as f64);
        format!("{} of {}", rate(self.second.good), rate(self.second.planned))
    }

    pub(super) fn p50(&self) -> String {
        figure::time_or_none(self.second.p50_seconds)
    }

    pub(super) fn p99(&self) -> String {
        figure::time_or_none(self.second.p99_seconds)
    }

    /// Share of requests that were not answered right; `None` without any.
    pub(super) fn error_ratio(&self) -> Option<f64> {
        let SecondFigures { good, failed, missed, .. } = self.second;
        let all = good + failed + missed;
        (all > 0).then(|| (failed + missed) as f64 / all as f64)
    }

    /// What belongs to the load of this second: how much, how fast, what failed, and how it was sent.
    pub(super) fn lines(&self) -> Vec<Line<'static>> {
        vec![self.load(), self.latency(), self.answers(), self.errors(), self.sending()]
    }

    fn load(&self) -> Line<'static> {
        let sending = &self.view.sending;
        let mut parts = vec![format!("{} in flight", figure::count(self.second.in_flight))];
        if sending.waiting > 0 {
            parts.push(format!("{} waiting", figure::count(sending.waiting)));
        }
        parts.push(match sending.connected {
            1 => "1 connection made".to_owned(),
            made => format!("{} connections made", figure::count(made)),
        });
        let rate = figure::rate(self.second.good as f64);
        let planned = figure::rate(self.second.planned as f64);
        named(
            "load",
            vec![
                piece(BOLD, rate),
                piece(PLAIN, format!(" of {planned}  ")),
                piece(PLAIN, parts.join(" · ")),
            ],
        )
    }

    fn latency(&self) -> Line<'static> {
        let totals = &self.view.totals;
        let time = figure::time_or_none;
        let so_far = format!(
            "   so far {} · {} · {}",
            time(totals.p50_seconds),
            time(totals.p95_seconds),
            time(totals.p99_seconds)
        );
        named(
            "latency",
            vec![
                piece(PLAIN, format!("p50 {} ", self.p50())),
                piece(PLAIN, format!("p95 {} ", time(self.second.p95_seconds))),
                piece(BOLD, format!("p99 {}", self.p99())),
                piece(DIM, so_far),
            ],
        )
    }

    fn answers(&self) -> Line<'static> {
        let totals = &self.view.totals;
        let mut pieces = vec![
            piece(PLAIN, format!("{} right  ", figure::count(totals.good))),
            match totals.failed {
                0 => piece(GREEN, "0 failed"),
                failed => piece(RED, format!("{} failed", figure::count(failed))),
            },
        ];
        if totals.missed > 0 {
            pieces.push(piece(RED, format!("  {} never sent", figure::count(totals.missed))));
        }
        let share = figure::share_or_none(totals.availability_ratio);
        pieces.push(piece(DIM, format!("   {share} so far")));
        named("answers", pieces)
    }

    fn errors(&self) -> Line<'static> {
        let ratio = self.error_ratio();
        let tone = match ratio {
            Some(it) if it > 0.0 => RED,
            Some(_) => GREEN,
            None => PLAIN,
        };
        let mut classes: Vec<_> = self.view.totals.errors.iter().collect();
        classes.sort_by_key(|(name, count)| (std::cmp::Reverse(**count), *name));
        let classes: Vec<_> = classes
            .iter()
            .map(|(name, count)| format!("{name} {}", figure::count(**count)))
            .collect();
        let classes = match classes.is_empty() {
            true => String::new(),
            false => format!("   so far {}", classes.join(" · ")),
        };
        named("errors", vec![piece(tone, figure::share_or_none(ratio)), piece(PLAIN, classes)])
    }

    fn sending(&self) -> Line<'static> {
        let sending = &self.view.sending;
        let time = |it: Option<Duration>| {
            it.map_or_else(|| figure::NONE.to_owned(), |it| Human(it).to_string())
        };
        let busy = sending.busy_ratio.filter(|it| it.is_finite());
        let tone = if busy.is_some_and(|it| it >= 0.95) { YELLOW } else { PLAIN };
        let busy = busy.map_or_else(
            || figure::NONE.to_owned(),
            |it| format!("threads {:.0}% busy", it * 100.0),
        );
        let lag = format!("lag p50 {} p99 {}  ", time(sending.lag_p50), time(sending.lag_p99));
        named("sending", vec![piece(PLAIN, lag), piece(tone, busy)])
    }
}
