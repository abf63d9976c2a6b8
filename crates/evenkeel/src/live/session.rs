//! Session: the terminal while it shows the picture.
//!
//! The picture is drawn on the terminal's other screen, so that it leaves nothing behind. The keyboard is asked
//! not to echo and not to wait for a line; Ctrl-C stays the signal that it is, for everybody on this terminal,
//! and `q` says the same to this process alone. Whatever ends the session, the terminal is given back: its end,
//! a panic, and (through the signals that the run listens to) whoever stops it.
//!
//! A thread of its own draws, and one reads the keys: a terminal that is held up must not hold up the run.

use std::io::{self, IsTerminal as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, Once, PoisonError};
use std::thread::JoinHandle;

use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::buffer::Buffer;
use ratatui::crossterm::cursor::{Hide, Show};
use ratatui::crossterm::execute;
use ratatui::crossterm::style::force_color_output;
use ratatui::crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen};
use ratatui::layout::Rect;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{getpgrp, getpid, kill_process};
use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetpgrp, tcsetattr,
};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle as Task;

/// How the terminal was before; there is one terminal, and one session at a time.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

/// Whether this process may have the terminal: one in the background would be stopped for asking.
pub(crate) fn is_in_front() -> bool {
    tcgetpgrp(io::stderr()).is_ok_and(|it| it == getpgrp())
}

/// What the thread that draws is told.
enum Word {
    Draw,
    End,
}

/// A terminal that shows the picture.
#[derive(Debug)]
pub(crate) struct Session {
    words: Sender<Word>,
    drawing: Option<JoinHandle<()>>,
    resizing: Task<()>,
    keys: Option<Keys>,
}

impl Session {
    /// Takes the terminal, for what `draw` draws.
    pub(crate) fn open(
        draw: impl FnMut(Rect, &mut Buffer) + Send + 'static,
        color: bool,
    ) -> io::Result<Self> {
        let sizes = signal(SignalKind::window_change())?;
        let (words, heard) = channel();
        take()?;
        // Whether there is colour has been decided before, also against `NO_COLOR`.
        force_color_output(color);
        let drawing = std::thread::Builder::new()
            .name("evenkeel-live".to_owned())
            .spawn(move || paint(draw, &heard))
            .inspect_err(|_| give_back())?;
        let resizing = tokio::spawn(resized(sizes, words.clone()));
        // Without a keyboard the picture is worth seeing all the same.
        let keys = Keys::read().unwrap_or_default();
        Ok(Self { words, drawing: Some(drawing), resizing, keys })
    }

    /// Draws the picture again.
    pub(crate) fn redraw(&self) {
        // A thread that is gone has said why.
        drop(self.words.send(Word::Draw));
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.resizing.abort();
        self.keys = None;
        drop(self.words.send(Word::End));
        if let Some(drawing) = self.drawing.take() {
            drawing.join().unwrap_or_default();
        }
        give_back();
    }
}

/// Takes the terminal: its other screen, no echo, and keys as they are pressed.
fn take() -> io::Result<()> {
    static ON_PANIC: Once = Once::new();
    ON_PANIC.call_once(|| {
        let said = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            // What went wrong is to be read on the screen that stays.
            give_back();
            said(panic);
        }));
    });
    let before = tcgetattr(io::stderr())?;
    let mut mode = before.clone();
    mode.local_modes -= LocalModes::ICANON | LocalModes::ECHO;
    // A load that is put to sleep measures nothing, and leaves its picture behind.
    mode.special_codes[SpecialCodeIndex::VSUSP] = 0;
    // Reading takes what there is.
    mode.special_codes[SpecialCodeIndex::VMIN] = 0;
    mode.special_codes[SpecialCodeIndex::VTIME] = 0;
    *BEFORE.lock().unwrap_or_else(PoisonError::into_inner) = Some(before);
    let taken = tcsetattr(io::stderr(), OptionalActions::Now, &mode)
        .map_err(io::Error::from)
        .and_then(|()| execute!(io::stderr(), EnterAlternateScreen, Hide));
    taken.inspect_err(|_| give_back())
}

/// Gives the terminal back as it was; nothing when that has been done.
fn give_back() {
    let before = BEFORE.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(before) = before {
        // A terminal that takes nothing any more shows nothing either.
        drop(execute!(io::stderr(), LeaveAlternateScreen, Show));
        tcsetattr(io::stderr(), OptionalActions::Drain, &before).unwrap_or_default();
    }
}

/// Draws whenever it is told to, until it is told to end.
fn paint(mut draw: impl FnMut(Rect, &mut Buffer), heard: &Receiver<Word>) {
    // One write a picture.
    let out = io::BufWriter::with_capacity(1 << 16, io::stderr());
    let Ok(mut terminal) = Terminal::new(CrosstermBackend::new(out)) else { return };
    while let Ok(word) = heard.recv() {
        // What has been said meanwhile is in this picture already.
        if std::iter::once(word).chain(heard.try_iter()).any(|it| matches!(it, Word::End)) {
            return;
        }
        let drawn = terminal.draw(|frame| draw(frame.area(), frame.buffer_mut()));
        if drawn.is_err() {
            return;
        }
    }
}

/// Has the picture drawn anew when the terminal takes another size.
async fn resized(mut sizes: Signal, words: Sender<Word>) {
    while sizes.recv().await.is_some() {
        drop(words.send(Word::Draw));
    }
}

/// The keyboard, until this is dropped.
#[derive(Debug)]
struct Keys {
    /// Closed to end the thread.
    end: Option<OwnedFd>,
    reading: Option<JoinHandle<()>>,
}

impl Keys {
    /// Reads keys, when there is a keyboard.
    fn read() -> io::Result<Option<Self>> {
        if !io::stdin().is_terminal() {
            return Ok(None);
        }
        let (ended, end) = pipe_with(PipeFlags::CLOEXEC)?;
        let reading = std::thread::Builder::new()
            .name("evenkeel-keys".to_owned())
            .spawn(move || keys(&ended).unwrap_or_default())?;
        Ok(Some(Self { end: Some(end), reading: Some(reading) }))
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        self.end = None;
        if let Some(reading) = self.reading.take() {
            reading.join().unwrap_or_default();
        }
    }
}

/// Waits for keys until `ended`.
fn keys(ended: &OwnedFd) -> rustix::io::Result<()> {
    let keyboard = io::stdin();
    loop {
        let wanted = |fd| PollFd::from_borrowed_fd(fd, PollFlags::IN);
        let mut both = [wanted(keyboard.as_fd()), wanted(ended.as_fd())];
        match poll(&mut both, None) {
            Err(rustix::io::Errno::INTR) => continue,
            other => other.map(drop)?,
        }
        let [pressed, over] = both.map(|it| it.revents());
        if !over.is_empty() || !pressed.contains(PollFlags::IN) {
            return Ok(());
        }
        let mut bytes = [0; 64];
        let count = rustix::io::read(&keyboard, &mut bytes)?;
        if bytes.iter().take(count).any(|it| matches!(it, b'q' | b'Q')) {
            // As Ctrl-C does; a process may always send a signal to itself.
            kill_process(getpid(), rustix::process::Signal::INT)?;
        }
    }
}
