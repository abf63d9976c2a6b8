//! Times: the same answers from three sides, and how the load was sent.
//!
//! Response time counts from when a request was due, service time from when it was sent. A generator that only
//! knows the latter hides every queue; the difference between both rows is what it would have hidden.

use evenkeel_model::outcome::Times;
use evenkeel_units::Bytes;
use maud::{Markup, html};

use super::piece::{self, Card, Column};
use super::view::View;
use crate::{bearing, figure};

/// Nothing when nothing but response times was counted.
pub(super) fn table(view: &View) -> Option<Markup> {
    let (totals, sending) = (&view.outcome.totals, &view.outcome.sending);
    if totals.service == Times::default() && sending.lag == Times::default() {
        return None;
    }
    let rows = [
        ("Response time", "answered right, from when due", totals.response()),
        ("Service time", "answered right, from when sent", totals.service),
        ("Response time", "all answers", totals.all),
        ("Send lag", "from when due until sent", sending.lag),
    ];
    let row = |(name, what, it): &(&str, &str, Times)| {
        let each = [
            it.p50_seconds,
            it.p90_seconds,
            it.p95_seconds,
            it.p99_seconds,
            it.p999_seconds,
            it.max_seconds,
            it.mean_seconds,
        ];
        let name = html! { span.name { (name) small { (what) } } };
        let each = each.map(|it| html! { (figure::time_or_none(it)) });
        std::iter::once(name).chain(each).collect()
    };
    let shown = rows.iter().filter(|it| it.2 != Times::default());
    let rows: Vec<Vec<Markup>> = shown.map(row).collect();
    let columns = [
        Column::Words("Time"),
        Column::Figures("p50"),
        Column::Figures("p90"),
        Column::Figures("p95"),
        Column::Figures("p99"),
        Column::Figures("p99.9"),
        Column::Figures("Longest"),
        Column::Figures("Mean"),
    ];
    let card = Card {
        id: "times",
        title: "Times",
        note: "what waiting adds, and what failures hide".to_owned(),
        legend: html! {},
        body: html! { (piece::table("Times", &columns, &rows)) (sent(view)) },
    };
    Some(card.render())
}

/// What went over the wire, and what it cost to send.
fn sent(view: &View) -> Markup {
    let it = &view.outcome.sending;
    let mut facts = Vec::new();
    if it.connected > 0 {
        facts.push(("Connections made", figure::count(it.connected)));
    }
    if it.resumed > 0 {
        facts.push(("TLS sessions resumed", figure::count(it.resumed)));
    }
    if it.bytes_received + it.bytes_sent > 0 {
        facts.push(("Received", Bytes(it.bytes_received).to_string()));
        facts.push(("Sent", Bytes(it.bytes_sent).to_string()));
    }
    facts.push(("Under way at the end", figure::count(it.in_flight_at_end)));
    if let Some(cpu) = it.cpu_seconds_per_request {
        facts.push(("Generator, each request", format!("{} of CPU", bearing::micros(cpu))));
    }
    html! { dl.facts { @for (name, fact) in &facts { div { dt { (name) } dd { (fact) } } } } }
}
