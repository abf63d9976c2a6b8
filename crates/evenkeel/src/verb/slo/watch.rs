//! `slo watch`: how objectives stand, again and again.

use std::io::IsTerminal as _;
use std::sync::{Arc, Mutex, PoisonError};

use evenkeel_drill::shell::Signals;
use evenkeel_model::diagnostic::in_one_line;
use evenkeel_report::live::{BudgetView, BudgetsView, BurnView, Tone, budget_lines, draw_budgets};
use evenkeel_serve::objectives::{AskError, Judged, judge};
use evenkeel_slo::standing::Burning;
use evenkeel_slo::{Objective, Share, Status};
use evenkeel_units::{Clock, SystemClock};
use jiff::Timestamp;
use ratatui::buffer::Buffer;
use serde_json::json;

use super::asked::{Asked, asked, unasked};
use super::status::{exhausted, percent, reached, row, state};
use crate::args::slo::WatchArgs;
use crate::exit::{Exit, Failure};
use crate::live::Session;
use crate::screen::Screen;

/// Shows how objectives stand until somebody ends it.
pub(crate) async fn run(args: WatchArgs, screen: &Screen) -> Result<Exit, Failure> {
    if args.source.at.is_some() {
        let help = "`slo status` shows how objectives stood at a moment";
        return Err(Failure::usage("what is watched is of now, and `--at` is not").help(help));
    }
    let Asked { objectives, source, run, .. } = asked(&args.source, screen)?;
    if run.is_some() {
        let help = "`slo status` shows how objectives stood when it ended";
        return Err(Failure::usage("a run is over, and nothing of it changes").help(help));
    }
    let mut signals = Signals::new()
        .map_err(|error| Failure::could_not_run(format!("cannot watch for signals: {error}")))?;
    let clock = SystemClock::start();
    let shown = Shown::of(screen);
    loop {
        let at = clock.wall();
        let judged = async {
            let mut all = Vec::new();
            for it in &objectives {
                all.push((it, judge(&source, it, at).await?));
            }
            Ok::<_, AskError>(all)
        };
        let judged = tokio::select! {
            biased;
            _ = signals.next() => return Ok(Exit::OK),
            judged = judged => judged,
        };
        match judged {
            Ok(all) => shown.show(at, &all)?,
            // Who does not answer now may do so later; what cannot be asked never will.
            Err(error @ AskError::Remote(_)) => shown.trouble(at, &in_one_line(&error)),
            Err(error) => return Err(unasked(error)),
        }
        tokio::select! {
            biased;
            _ = signals.next() => return Ok(Exit::OK),
            () = tokio::time::sleep(args.every) => {}
        }
    }
}

/// Where it is shown: on a terminal of its own, or line by line.
struct Shown<'a> {
    screen: &'a Screen,
    view: Arc<Mutex<BudgetsView>>,
    session: Option<Session>,
}

impl<'a> Shown<'a> {
    fn of(screen: &'a Screen) -> Self {
        let view = Arc::new(Mutex::new(BudgetsView::default()));
        let (drawn, color) = (Arc::clone(&view), screen.colors_progress());
        let picture = move |area, buffer: &mut Buffer| {
            let view = drawn.lock().unwrap_or_else(PoisonError::into_inner);
            draw_budgets(&view, area, buffer, color);
        };
        let is_live = screen.is_live() && !screen.is_json() && std::io::stdout().is_terminal();
        // A terminal that cannot be had is none: lines will do.
        let session = is_live.then(|| Session::open(picture, color).ok()).flatten();
        Self { screen, view, session }
    }

    fn show(&self, at: Timestamp, all: &[(&Objective, Judged)]) -> Result<(), Failure> {
        if self.screen.is_json() {
            let rows: Vec<_> = all.iter().map(|(it, judged)| row(it, judged)).collect();
            // An object a line, so that each is read as it comes.
            return self.screen.print(&json!({"at": at, "objectives": rows}).to_string());
        }
        let objectives = all.iter().map(|(it, judged)| budget(it, judged)).collect();
        let lines = self.with(|view| {
            *view = BudgetsView { at: format!("{at:.0}"), trouble: None, objectives };
            budget_lines(view)
        });
        match &self.session {
            Some(session) => session.redraw(),
            None => self.screen.print(&lines.join("\n"))?,
        }
        Ok(())
    }

    fn trouble(&self, at: Timestamp, why: &str) {
        self.with(|view| view.trouble = Some(format!("at {at:.0}: {why}")));
        match &self.session {
            Some(session) => session.redraw(),
            None => self.screen.say(&format!("at {at:.0}: {why}")),
        }
    }

    fn with<T>(&self, act: impl FnOnce(&mut BudgetsView) -> T) -> T {
        act(&mut self.view.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn budget(of: &Objective, judged: &Judged) -> BudgetView {
    let it = &judged.standing;
    let spent = it.exhaustion.map(exhausted).unwrap_or_default();
    BudgetView {
        name: of.name.clone(),
        status: it.status.name().to_owned(),
        tone: match it.status {
            Status::NoData => Tone::Unknown,
            Status::Healthy => Tone::Good,
            Status::Warning => Tone::Doubtful,
            Status::Critical | Status::Exhausted => Tone::Bad,
        },
        reached: format!("{} of {}", percent(reached(judged)), of.promise),
        left: it.account.left().map(Share::get),
        spent: spent.trim_start_matches(", ").to_owned(),
        burns: it.burning.iter().map(burn).collect(),
    }
}

fn burn(of: &Burning) -> BurnView {
    let state = state(of);
    BurnView {
        name: of.rule.name.clone(),
        long: of.long.map(Share::get),
        short: of.short.map(Share::get),
        factor: of.rule.factor.get(),
        state: state.to_owned(),
        tone: match state {
            "firing" => Tone::Bad,
            "pending" | "inhibited" => Tone::Doubtful,
            "inactive" => Tone::Good,
            _ => Tone::Unknown,
        },
    }
}
