//! Parts: a shape cut into phases, each with its name and what it is for.
//!
//! A report speaks of the spike and of the time after it, of each step of a staircase, of the way up and of
//! the time at the top; so each of these is a phase of its own. Every part is a shape that can be sent by
//! itself, and one after the other they are the whole, second by second.

use std::collections::BTreeMap;
use std::time::Duration;

use evenkeel_units::Rate;

use super::super::Role;
use super::{Shape, Stage};

/// Something that goes up, stays, or goes down.
struct Line<T> {
    from: T,
    to: T,
    length: Duration,
}

impl Shape {
    /// The shape as phases: name, role and shape of each. What takes no time is left out.
    pub fn parts(&self) -> Vec<(String, Role, Self)> {
        let whole = || vec![(Role::Load.name().to_owned(), Role::Load, self.clone())];
        let flat = |rate: Rate, duration| Self::Constant { rate, duration };
        let mut parts = match self {
            Self::Constant { .. }
            | Self::Ramp { .. }
            | Self::Volume { .. }
            | Self::Trace { .. }
            | Self::Recorded { .. }
            | Self::Max { .. }
            | Self::Users { .. } => whole(),
            Self::Step { start, step, steps, hold, .. } => (0..*steps)
                .map(|n| {
                    let rate = f64::from(n).mul_add(step.get(), start.get());
                    let rate = Rate::per_second(rate).unwrap_or(*start);
                    (format!("step {}: {rate}", n + 1), Role::Load, flat(rate, *hold))
                })
                .collect(),
            Self::Scale { users, hold, think_time, .. } => users
                .iter()
                .map(|it| {
                    let name = if *it == 1 { "1 user".to_owned() } else { format!("{it} users") };
                    (name, Role::Load, crowd(*it, *hold, *think_time))
                })
                .collect(),
            Self::Spike { base, peak, lead, hold, tail } => {
                spike([flat(*base, *lead), flat(*peak, *hold), flat(*base, *tail)])
            }
            Self::Soak { rate, ramp_up, duration } => {
                let none = Rate::default();
                let hold = duration.saturating_sub(*ramp_up);
                rates(vec![
                    Line { from: none, to: *rate, length: *ramp_up },
                    Line { from: *rate, to: *rate, length: hold },
                ])
            }
            Self::Peak { rate, ramp_up, hold, ramp_down } => {
                let none = Rate::default();
                rates(vec![
                    Line { from: none, to: *rate, length: *ramp_up },
                    Line { from: *rate, to: *rate, length: *hold },
                    Line { from: *rate, to: none, length: *ramp_down },
                ])
            }
            Self::Stages { start, stages } => rates(lines(*start, stages)),
            Self::UserStages { start, stages, think_time } => {
                users(lines(*start, stages), *think_time)
            }
        };
        parts.retain(|(_, _, it)| !it.length().is_zero());
        number(&mut parts);
        parts
    }
}

fn crowd(users: u32, duration: Duration, think_time: Duration) -> Shape {
    Shape::Users { users, ramp_up: Duration::ZERO, think_time, duration, iterations: None }
}

/// Before, during and after.
fn spike(parts: [Shape; 3]) -> Vec<(String, Role, Shape)> {
    let named = [("before", Role::Baseline), ("spike", Role::Load), ("after", Role::Recovery)];
    let all = named.into_iter().zip(parts);
    all.map(|((name, role), it)| (name.to_owned(), role, it)).collect()
}

/// Stages as lines; those that take no time are jumps, and no lines.
fn lines<T: Copy>(start: T, stages: &[Stage<T>]) -> Vec<Line<T>> {
    let mut at = start;
    let all = stages.iter().map(|it| {
        let from = std::mem::replace(&mut at, it.to);
        Line { from, to: it.to, length: it.duration }
    });
    all.filter(|it| !it.length.is_zero()).collect()
}

fn rates(lines: Vec<Line<Rate>>) -> Vec<(String, Role, Shape)> {
    named(lines, |it| match it.from.get().total_cmp(&it.to.get()).is_eq() {
        true => Shape::Constant { rate: it.to, duration: it.length },
        false => Shape::Ramp { from: it.from, to: it.to, duration: it.length },
    })
}

fn users(lines: Vec<Line<u32>>, think_time: Duration) -> Vec<(String, Role, Shape)> {
    named(lines, |it| match it.from == it.to {
        true => crowd(it.to, it.length, think_time),
        false => Shape::UserStages {
            start: it.from,
            stages: vec![Stage { to: it.to, duration: it.length }],
            think_time,
        },
    })
}

/// Names lines by where they go. Three flat ones, of which the second is higher than the others, are a spike.
fn named<T: PartialOrd>(
    lines: Vec<Line<T>>,
    shape: impl Fn(&Line<T>) -> Shape,
) -> Vec<(String, Role, Shape)> {
    if let [before, during, after] = lines.as_slice()
        && lines.iter().all(|it| it.from == it.to)
        && before.to < during.to
        && before.to == after.to
    {
        return spike([before, during, after].map(shape));
    }
    let name = |it: &Line<T>| match it.from.partial_cmp(&it.to) {
        Some(std::cmp::Ordering::Less) => "ramp-up",
        Some(std::cmp::Ordering::Greater) => "ramp-down",
        _ => "hold",
    };
    lines.iter().map(|it| (name(it).to_owned(), Role::Load, shape(it))).collect()
}

/// Makes every name one, by a number behind all but the first.
fn number(parts: &mut [(String, Role, Shape)]) {
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    for (name, _, _) in parts {
        let count = seen.entry(name.clone()).or_default();
        *count += 1;
        if *count > 1 {
            *name = format!("{name} ({count})");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Offered;
    use super::*;
    use proptest::prelude::*;

    fn rate(value: f64) -> Rate {
        Rate::per_second(value).unwrap()
    }

    fn names(shape: &Shape) -> Vec<String> {
        shape.parts().into_iter().map(|(name, _, _)| name).collect()
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_spike_has_a_time_before_and_a_time_after() {
        let spike = |lead| Shape::Spike {
            base: rate(10.0),
            peak: rate(50.0),
            lead,
            hold: SECOND,
            tail: SECOND,
        };
        assert_eq!(names(&spike(SECOND)), ["before", "spike", "after"]);
        assert_eq!(names(&spike(Duration::ZERO)), ["spike", "after"]);
        let stage = |to, seconds| Stage { to, duration: Duration::from_secs(seconds) };
        let stages =
            vec![stage(20, 120), stage(200, 0), stage(200, 300), stage(20, 0), stage(20, 120)];
        let users = Shape::UserStages { start: 20, stages, think_time: Duration::ZERO };
        assert_eq!(names(&users), ["before", "spike", "after"]);
        assert_eq!(users.parts()[2].1, Role::Recovery);
    }

    #[test]
    fn steps_and_ways_are_called_what_they_are() {
        let step = Shape::Step {
            start: rate(50.0),
            step: rate(25.0),
            steps: 2,
            hold: SECOND,
            until: Vec::new(),
        };
        assert_eq!(names(&step), ["step 1: 50/s", "step 2: 75/s"]);
        let (hold, think_time) = (SECOND, SECOND);
        let scale = Shape::Scale { users: vec![1, 4, 4], hold, think_time, until: Vec::new() };
        assert_eq!(names(&scale), ["1 user", "4 users", "4 users (2)"]);
        let stage = |to: f64| Stage { to: rate(to), duration: SECOND };
        let stages = [500.0, 500.0, 900.0, 0.0].map(stage).to_vec();
        let stages = Shape::Stages { start: rate(0.0), stages };
        assert_eq!(names(&stages), ["ramp-up", "hold", "ramp-up (2)", "ramp-down"]);
        let peak =
            Shape::Peak { rate: rate(5.0), ramp_up: SECOND, hold: SECOND, ramp_down: SECOND };
        assert_eq!(names(&peak), ["ramp-up", "hold", "ramp-down"]);
        let soak = Shape::Soak { rate: rate(5.0), ramp_up: Duration::ZERO, duration: SECOND };
        assert_eq!(names(&soak), ["hold"]);
    }

    fn shapes() -> impl Strategy<Value = Shape> {
        let r = || (0.0..2_000.0).prop_map(rate);
        let d = || (0u64..60_000).prop_map(Duration::from_millis);
        let u = || 0u32..50;
        let stage = (r(), d()).prop_map(|(to, duration)| Stage { to, duration });
        let user_stage = (u(), d()).prop_map(|(to, duration)| Stage { to, duration });
        prop_oneof![
            (r(), prop::collection::vec(stage, 1..6))
                .prop_map(|(start, stages)| Shape::Stages { start, stages }),
            (u(), prop::collection::vec(user_stage, 1..6), d()).prop_map(
                |(start, stages, think_time)| Shape::UserStages { start, stages, think_time }
            ),
            (r(), d(), d(), d()).prop_map(|(rate, ramp_up, hold, ramp_down)| Shape::Peak {
                rate,
                ramp_up,
                hold,
                ramp_down
            }),
            (r(), r(), 1u32..9, d()).prop_map(|(start, step, steps, hold)| Shape::Step {
                start,
                step,
                steps,
                hold,
                until: Vec::new()
            }),
            (prop::collection::vec(1u32..50, 1..6), d(), d()).prop_map(
                |(users, hold, think_time)| Shape::Scale {
                    users,
                    hold,
                    think_time,
                    until: Vec::new()
                }
            ),
        ]
    }

    proptest! {
        #[test]
        fn the_parts_one_after_the_other_are_the_whole(shape in shapes()) {
            let parts = shape.parts();
            let segments: Vec<_> = parts.iter().flat_map(|(_, _, it)| it.segments()).collect();
            let whole = shape.segments().into_iter().filter(|it| !it.length.is_zero());
            prop_assert_eq!(segments, whole.collect::<Vec<_>>());
            let mut names: Vec<_> = parts.iter().map(|(name, _, _)| name).collect();
            let count = names.len();
            names.sort();
            names.dedup();
            prop_assert_eq!(names.len(), count);
        }

        #[test]
        fn as_many_arrive_in_the_parts_as_in_the_whole(shape in shapes()) {
            let due = |it: &Shape| it.due(it.length());
            let is_open = shape.segments().iter().all(|it| matches!(it.offered, Offered::Rate(..)));
            let parts: Option<f64> = shape.parts().iter().map(|(_, _, it)| due(it)).sum();
            if is_open {
                let (parts, whole) = (parts.unwrap(), due(&shape).unwrap());
                prop_assert!((parts - whole).abs() <= 1e-6 * whole.max(1.0), "{parts} {whole}");
            }
        }
    }
}
