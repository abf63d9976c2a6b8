//! Live: follows a run on a terminal, or in a quiet line every ten seconds without one.
//!
//! ```text
//! scene    what the picture shows, from the events of the run
//! session  the terminal while it shows the picture: its other screen, its keys, and how it is given back
//! ```
//!
//! While load is sent, the picture has the screen to itself; what happens meanwhile is among it, and is said
//! again when the terminal is given back, so that nothing is lost with the picture.

mod scene;
mod session;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, PoisonError};

use evenkeel_drill::shell;
use evenkeel_model::{Event, Plan};
use evenkeel_report::live::{LiveView, draw, quiet_line};
use ratatui::buffer::Buffer;

use self::scene::Scene;
pub(crate) use self::session::{Session, is_in_front};
use crate::screen::Screen;

/// Seconds between two quiet lines.
const QUIET: u64 = 10;

/// Somebody who watches a run.
#[derive(Debug)]
pub(crate) struct Watcher<'a> {
    screen: &'a Screen,
    scene: Scene<'a>,
    /// What is drawn; shared with the thread that draws.
    view: Arc<Mutex<LiveView>>,
    session: Option<Session>,
    /// Lines that were said while the picture had the screen.
    told: Vec<String>,
}

impl<'a> Watcher<'a> {
    pub(crate) fn new(screen: &'a Screen, plan: &'a Plan) -> Self {
        let scene = Scene::of(plan);
        let view = Arc::new(Mutex::new(scene.view()));
        Self { screen, scene, view, session: None, told: Vec::new() }
    }

    /// Takes in an event.
    pub(crate) fn see(&mut self, seen: shell::Scene<'_>) {
        let event = &seen.entry.event;
        let news = {
            let mut view = self.view.lock().unwrap_or_else(PoisonError::into_inner);
            let news = self.scene.see(seen, &mut view);
            view.news.extend(news.clone());
            news
        };
        for line in news {
            match &self.session {
                Some(session) => {
                    session.redraw();
                    self.told.push(line);
                }
                None => self.screen.say(&line),
            }
        }
        match event {
            Event::Second { frame } => self.second(frame.second),
            Event::LoadEnded { .. } => self.leave(),
            _ => {}
        }
    }

    fn second(&mut self, second: u64) {
        if self.session.is_none() && self.screen.is_live() {
            let (view, color) = (Arc::clone(&self.view), self.screen.colors_progress());
            let picture = move |area, buffer: &mut Buffer| {
                let view = view.lock().unwrap_or_else(PoisonError::into_inner);
                draw(&view, area, buffer, color);
            };
            // A terminal that cannot be had is none: lines will do.
            self.session = Session::open(picture, color).ok();
        }
        match &self.session {
            Some(session) => session.redraw(),
            None if (second + 1).is_multiple_of(QUIET) => {
                let view = self.view.lock().unwrap_or_else(PoisonError::into_inner);
                self.screen.say(&quiet_line(&view));
            }
            None => {}
        }
    }

    /// Gives the terminal back.
    fn leave(&mut self) {
        self.session = None;
        self.told.drain(..).for_each(|line| self.screen.say(&line));
    }
}

impl Drop for Watcher<'_> {
    /// Also a run that breaks off has said what it had to say.
    fn drop(&mut self) {
        self.leave();
    }
}
