//! Shares: the share of bad events as one query, for those who put it into rules.
//!
//! What is counted in slices is a subquery of them; what is made of others is their mean by weight.

use evenkeel_model::document::{Query, TimeSlices};

use super::{Asking, AskingError, Kind, text};
use crate::rules::{Queries, duration, promql};
use crate::sli::Side;

impl Asking {
    /// What rules ask: events of both sides where they are counted, else the share of the bad ones.
    ///
    /// # Errors
    /// When one side says events a second and the other events.
    pub fn queries(&self) -> Result<Queries, AskingError> {
        let Kind::Events { side, selected, total, .. } = &self.kind else {
            return Ok(Queries::Raw { bad_ratio: self.bad_share()? });
        };
        if self.slices.is_some() {
            return Ok(Queries::Raw { bad_ratio: self.bad_share()? });
        }
        let (one, all, per) =
            selected.in_rules(total).ok_or_else(|| AskingError::Mixed(self.name.clone()))?;
        let bad = match side {
            Side::Bad => one,
            Side::Good => format!("({all})\n-\n({one})"),
        };
        Ok(Queries::Events { bad, total: all, per })
    }

    /// The share of bad events over `$window`.
    fn bad_share(&self) -> Result<String, AskingError> {
        let window = Query::WINDOW;
        let in_slices = |good: &str| {
            let slice = self.slices.map_or(TimeSlices::LENGTH, |it| it.length);
            let good = text::over(good, slice);
            format!("1 - avg_over_time((\n{good}\n)[{window}:{}])", duration(slice))
        };
        Ok(match &self.kind {
            Kind::Events { .. } | Kind::Share { .. } if self.slices.is_some() => {
                let share = Self { slices: None, ..self.clone() }.bad_share()?;
                let good = format!("1 - (\n{share}\n)");
                match self.slices.and_then(|it| it.target) {
                    None => in_slices(&good),
                    Some(it) => in_slices(&format!("({good}) >= bool {}", promql::ratio(it))),
                }
            }
            Kind::Events { .. } => match self.queries()? {
                Queries::Events { bad, total, .. } => format!("({bad})\n/\n({total})"),
                Queries::Raw { bad_ratio } => bad_ratio,
            },
            Kind::Share { side: Side::Bad, query } => query.clone(),
            Kind::Share { side: Side::Good, query } => format!("1 - (\n{query}\n)"),
            Kind::Figure { query, limit, .. } => {
                let sign = limit.comparison.symbol();
                in_slices(&format!("({query}) {sign} bool {}", limit.limit))
            }
            Kind::Composite(parts) => {
                let all: u64 = parts.iter().map(|(weight, _)| u64::from(*weight)).sum();
                let weighed = |(weight, it): &(u32, Self)| {
                    Ok(format!("{weight} * (\n{}\n)", it.bad_share()?))
                };
                let sum: Vec<_> = parts.iter().map(weighed).collect::<Result<_, AskingError>>()?;
                format!("(\n{}\n)\n/ {all}", sum.join("\n+\n"))
            }
        })
    }
}
