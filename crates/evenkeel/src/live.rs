//! Live: follows a run on a terminal, or in a quiet line every ten seconds without one.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::time::Duration;

use evenkeel_drill::shell::Scene;
use evenkeel_drill::{Conductor, Tally};
use evenkeel_model::document::Metric;
use evenkeel_model::{Event, Frame, Plan};
use evenkeel_report::live::{
    LiveFault, LiveGuard, LivePhase, LiveView, columns, quiet_line, render,
};
use evenkeel_units::Moment;

use crate::screen::Screen;

/// Seconds between two quiet lines.
const QUIET: u64 = 10;
/// Seconds that the sparkline remembers.
const HISTORY: usize = 60;

/// Somebody who watches a run.
#[derive(Debug)]
pub(crate) struct Watcher<'a> {
    screen: &'a Screen,
    plan: &'a Plan,
    view: LiveView,
    history: VecDeque<f64>,
    /// Columns of each line of the picture on the terminal.
    drawn: Vec<usize>,
}

impl<'a> Watcher<'a> {
    pub(crate) fn new(screen: &'a Screen, plan: &'a Plan) -> Self {
        let phase = |it: &evenkeel_model::plan::PlannedPhase| LivePhase {
            name: it.name.clone(),
            from: it.from.elapsed(),
            to: it.to.elapsed(),
        };
        let view = LiveView {
            drill: plan.drill.clone(),
            phase: "preparing".to_owned(),
            length: plan.length(),
            phases: plan.phases.iter().map(phase).collect(),
            ..LiveView::default()
        };
        Self { screen, plan, view, history: VecDeque::new(), drawn: Vec::new() }
    }

    /// Takes in an event.
    pub(crate) fn see(&mut self, scene: Scene<'_>) {
        let Scene { entry, conductor } = scene;
        let began = conductor.load_began();
        self.view.elapsed =
            began.map_or(Duration::ZERO, |it| (entry.at - it).min(self.view.length));
        match &entry.event {
            Event::Second { frame } => {
                self.count(frame, conductor);
                if self.screen.is_live() {
                    self.draw();
                } else if (frame.second + 1).is_multiple_of(QUIET) {
                    self.screen.say(&quiet_line(&self.view));
                }
            }
            Event::FaultBegan { fault, targets } => {
                self.tell(&format!("{} acts on {}", self.label(*fault), targets.join(", ")));
            }
            Event::FaultEnded { fault, evidence, error } => {
                let how = error
                    .as_ref()
                    .map_or_else(|| evidence.summary.clone(), |it| format!("NOT MENDED: {it}"));
                let one_shot =
                    self.plan.faults.get(*fault).is_some_and(|it| it.fault.is_one_shot());
                let over = if one_shot { "was seen" } else { "taken back" };
                self.tell(&format!("{} {over}; {how}", self.label(*fault)));
            }
            Event::FaultFailed { fault, error } => {
                self.tell(&format!("{} failed: {error}", self.label(*fault)));
            }
            Event::Ready if self.plan.steady_state.is_empty() => {}
            Event::Ready => self.tell("everything is there; checking the steady state"),
            Event::Interrupted { signal } => {
                self.tell(&format!("{signal}: mending everything, then stopping"));
            }
            Event::AgentJoined { agent, name, .. } => {
                self.tell(&format!("the agent {agent} ({name}) is ready"));
            }
            Event::AgentLost { agent, reason, .. } => {
                self.tell(&format!("the agent {agent} is lost: {reason}"));
            }
            Event::GuardianLost => self.tell("the guardian is lost: stopping"),
            Event::LoadEnded { .. } => self.erase(),
            _ => {}
        }
    }

    fn label(&self, fault: usize) -> &str {
        self.plan.faults.get(fault).map_or("a fault", |it| it.label.as_str())
    }

    fn count(&mut self, frame: &Frame, conductor: &Conductor) {
        let tally = Tally::of([frame]);
        let middle = frame.from() + Duration::from_millis(500);
        let phase = self.plan.phase_at(middle).map(|it| self.plan.phases[it].name.clone());
        let view = &mut self.view;
        view.phase = phase.unwrap_or_else(|| "ending".to_owned());
        view.planned_per_second = frame.planned as f64;
        view.achieved_per_second = frame.good() as f64;
        view.p50 = tally.good_times().quantile(0.5);
        view.p99 = tally.good_times().quantile(0.99);
        view.error_ratio = tally.figure(Metric::ErrorRate);
        view.in_flight = frame.in_flight;
        self.history.push_back(frame.good() as f64);
        if self.history.len() > HISTORY {
            self.history.pop_front();
        }
        view.history = self.history.iter().copied().collect();
        let now = Moment::at(view.elapsed);
        let acting =
            self.plan.faults.iter().enumerate().filter(|(index, _)| conductor.is_acting(*index));
        let fault = |(_, it): (usize, &evenkeel_model::plan::PlannedFault)| LiveFault {
            label: it.label.clone(),
            remaining: (!it.fault.is_one_shot()).then(|| it.to - now),
        };
        view.faults = acting.map(fault).collect();
        let guard = |it: &evenkeel_drill::guard::Guard| LiveGuard {
            condition: it.condition.to_string(),
            value: it
                .value
                .map_or_else(|| "no data".to_owned(), |value| it.condition.metric.show(value)),
            closeness: it.distance().map(|it| 1.0 - it),
        };
        view.guards = conductor.guards().each().iter().map(guard).collect();
    }

    /// Says a line above the picture.
    fn tell(&mut self, line: &str) {
        self.erase();
        let at = self.view.elapsed.as_secs();
        self.screen.say(&format!("{}:{:02}  {line}", at / 60, at % 60));
        if self.screen.is_live() && self.view.elapsed > Duration::ZERO {
            self.draw();
        }
    }

    fn draw(&mut self) {
        self.erase();
        let (width, height) = size();
        let mut lines = render(&self.view, width.min(120), self.screen.colors_progress());
        // The cursor stands below the picture, and nothing that has scrolled away can be erased.
        lines.truncate(height - 1);
        if lines.is_empty() {
            return;
        }
        self.drawn = lines.iter().map(|it| columns(it)).collect();
        // A picture that cannot be drawn is a picture nobody sees.
        drop(io::stderr().lock().write_all(format!("{}\n", lines.join("\n")).as_bytes()));
    }

    fn erase(&mut self) {
        if !self.drawn.is_empty() {
            // Up by as many rows as the picture takes now, then clear to the end of the screen.
            let up = rows(&self.drawn, size().0);
            drop(io::stderr().lock().write_all(format!("\u{1b}[{up}A\r\u{1b}[J").as_bytes()));
            self.drawn.clear();
        }
    }
}

/// Columns and rows of the terminal.
fn size() -> (usize, usize) {
    let found = rustix::termios::tcgetwinsize(io::stderr()).ok();
    let known = |it: u16, otherwise| if it > 0 { usize::from(it) } else { otherwise };
    found.map_or((80, 24), |it| (known(it.ws_col, 80), known(it.ws_row, 24)))
}

/// Rows that lines of so many columns take on a terminal of this width: one that has become narrower
/// since they were drawn breaks them.
fn rows(lines: &[usize], width: usize) -> usize {
    lines.iter().map(|it| it.div_ceil(width).max(1)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_that_became_narrower_shows_the_old_picture_in_more_rows() {
        assert_eq!([100, 80, 40, 39].map(|it| rows(&[80, 12, 0, 40], it)), [4, 4, 5, 7]);
    }
}
