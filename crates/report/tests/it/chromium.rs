//! A headless Chromium, driven over a pipe: no port, no driver, no dependency.
//!
//! Commands and events are JSON texts, each ended by a zero byte, on descriptors 3 and 4 of the browser.
//! Two named pipes and a shell put them there.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

/// The longest that the browser may take for one answer.
const PATIENCE: Duration = Duration::from_mins(1);
const NAMES: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// A browser with one page.
pub(crate) struct Chromium {
    child: Child,
    commands: File,
    messages: Receiver<Value>,
    session: String,
    next: u64,
    /// Events since a page was last opened, as far as they have been read.
    pub(crate) events: Vec<Value>,
    _profile: TempDir,
}

/// The browser on this host. Without one, a build server fails, and a person is told how to get one.
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
pub(crate) fn installed() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .flat_map(|folder| NAMES.map(|name| folder.join(name)))
        .find(|it| it.is_file());
    if found.is_none() {
        let on_ci = std::env::var("CI").is_ok_and(|it| it == "true");
        assert!(!on_ci, "no Chromium on this host: apt-get install -y chromium");
        eprintln!(
            "skipped: no Chromium on this host; install it with `apt-get install -y chromium`"
        );
    }
    found
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

impl Chromium {
    /// Starts a browser with an empty profile.
    pub(crate) fn start(program: &Path) -> Self {
        let profile = tempfile::tempdir().unwrap();
        let (down, up) = (profile.path().join("down"), profile.path().join("up"));
        let made = Command::new("mkfifo").args([&down, &up]).status().unwrap();
        assert!(made.success(), "mkfifo");
        let data = format!("--user-data-dir={}", profile.path().join("data").display());
        let flags = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--remote-debugging-pipe",
            &data,
            "about:blank",
        ];
        let words: Vec<_> = flags.iter().map(|it| quoted(it)).collect();
        let line = format!(
            "exec {} {} 3<{} 4>{}",
            quoted(&program.display().to_string()),
            words.join(" "),
            quoted(&down.display().to_string()),
            quoted(&up.display().to_string())
        );
        let child = Command::new("sh")
            .args(["-c", &line])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // In the order in which the shell opens them, or both sides would wait for ever.
        let commands = OpenOptions::new().write(true).open(&down).unwrap();
        let answers = File::open(&up).unwrap();
        let (sender, messages) = channel();
        std::thread::spawn(move || {
            for message in BufReader::new(answers).split(0).map_while(Result::ok) {
                let Ok(message) = serde_json::from_slice(&message) else { return };
                if sender.send(message).is_err() {
                    return;
                }
            }
        });
        let mut it = Self {
            child,
            commands,
            messages,
            session: String::new(),
            next: 0,
            events: Vec::new(),
            _profile: profile,
        };
        let target =
            it.ask("Target.createTarget", &json!({"url": "about:blank"}))["targetId"].clone();
        let session =
            it.ask("Target.attachToTarget", &json!({"targetId": target, "flatten": true}));
        session["sessionId"].as_str().unwrap().clone_into(&mut it.session);
        for domain in ["Page", "Network", "Log", "Runtime"] {
            it.ask(&format!("{domain}.enable"), &json!({}));
        }
        it
    }

    /// Sends a command and waits for its answer.
    pub(crate) fn ask(&mut self, method: &str, params: &Value) -> Value {
        self.next += 1;
        let mut command = json!({"id": self.next, "method": method, "params": params});
        if !self.session.is_empty() {
            command["sessionId"] = json!(self.session);
        }
        self.commands.write_all(format!("{command}\0").as_bytes()).unwrap();
        loop {
            let message = self.message();
            if message["id"] == json!(self.next) {
                assert!(message.get("error").is_none(), "{method}: {message}");
                return message["result"].clone();
            }
            self.events.push(message);
        }
    }

    fn message(&self) -> Value {
        self.messages.recv_timeout(PATIENCE).expect("the browser answers")
    }

    /// Opens a page and waits until it is loaded. Returns every event since then.
    pub(crate) fn open(&mut self, url: &str) -> Vec<Value> {
        self.events.clear();
        self.ask("Page.navigate", &json!({"url": url}));
        while !self.events.iter().any(|it| it["method"] == "Page.loadEventFired") {
            let message = self.message();
            self.events.push(message);
        }
        // Until nothing has happened for a moment: the icon is asked for late.
        while let Ok(message) = self.messages.recv_timeout(Duration::from_millis(150)) {
            self.events.push(message);
        }
        self.events.clone()
    }

    /// Runs an expression in the page.
    pub(crate) fn run(&mut self, expression: &str) -> Value {
        let ask = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let answer = self.ask("Runtime.evaluate", &ask);
        assert!(answer.get("exceptionDetails").is_none(), "{expression}: {answer}");
        answer["result"]["value"].clone()
    }

    /// Presses a key in the page.
    pub(crate) fn press(&mut self, key: &str) {
        for kind in ["keyDown", "keyUp"] {
            self.ask("Input.dispatchKeyEvent", &json!({"type": kind, "key": key}));
        }
    }

    /// Shows pages as on a screen of this width, to a person who prefers this theme.
    pub(crate) fn look(&mut self, width: u32, theme: &str) {
        let screen =
            json!({"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false});
        self.ask("Emulation.setDeviceMetricsOverride", &screen);
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": theme}]});
        self.ask("Emulation.setEmulatedMedia", &features);
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // The shell became the browser, so this is the browser itself; its helpers go with it.
        if self.child.kill().is_ok() {
            drop(self.child.wait());
        }
    }
}
