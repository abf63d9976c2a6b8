//! Command lines of curl: each becomes a route, and those to the same server become one load test.
//!
//! ```text
//! words    the line, cut into words as a shell does it
//! options  what each option means for the request
//! table    which options there are
//! ```

use std::collections::BTreeMap;

use evenkeel_model::document::LoadTest;

use self::options::Call;
use crate::draft::{self, Draft, Names, Request};
use crate::notes::{Notes, cut};
use crate::secrets::Secrets;
use crate::{ImportError, Imported, MAX_REQUESTS, address, compose};

mod options;
mod table;
mod words;

pub(crate) fn import(name: &str, text: &str) -> Result<Imported, ImportError> {
    let mut notes = Notes::default();
    let commands = words::commands(text, &mut notes).map_err(|line| ImportError::Syntax {
        line,
        problem: "a quote begins here and does not end; copy the command for a POSIX shell (bash)"
            .to_owned(),
    })?;
    let mut secrets = Secrets::default();
    let mut calls = Vec::new();
    for command in commands {
        let place = format!("line {}", command.line);
        let mut words = command.words.into_iter().peekable();
        // Copied lines begin with a prompt.
        words.next_if(|it| compose::plain(it) == Some("$"));
        let program = words.next().unwrap_or_default();
        match compose::plain(&program).map(|it| it.rsplit('/').next().unwrap_or(it)) {
            Some("curl" | "curl.exe") => {
                calls.extend(options::read(&place, words, &mut secrets, &mut notes));
            }
            _ => notes.add(place, cut(&program.to_string()), "it is not a command of curl"),
        }
        if calls.len() > MAX_REQUESTS {
            notes.add(
                format!("line {}", command.line),
                "all that follows",
                "there are too many requests for one test",
            );
            calls.truncate(MAX_REQUESTS);
            break;
        }
    }
    let tests = tests(name, calls, &mut secrets, &mut notes);
    match tests.is_empty() {
        true => {
            let left_out = notes.finish();
            let first = left_out.first().map(|it| format!("{}: {}", it.what, it.why));
            let reason = first.unwrap_or_else(|| "no line begins with `curl`".to_owned());
            Err(ImportError::Nothing { reason, left_out })
        }
        false => {
            notes.add(
                "the whole",
                "how much load",
                "command lines do not say; a request a second is written, set `shape`",
            );
            Ok(Imported { tests, left_out: notes.finish() })
        }
    }
}

/// One test a server, in the order in which they are first called.
fn tests(name: &str, calls: Vec<Call>, secrets: &mut Secrets, notes: &mut Notes) -> Vec<LoadTest> {
    let mut drafts: Vec<Draft> = Vec::new();
    let mut servers: BTreeMap<String, usize> = BTreeMap::new();
    let mut names = Names::default();
    for call in calls {
        let server = match address::split(&call.url) {
            Ok(server) => server,
            Err(why) => {
                notes.add(call.place, cut(&call.url), why);
                continue;
            }
        };
        let at = *servers.entry(server.base.clone()).or_insert_with(|| {
            let own = match drafts.is_empty() {
                true => draft::label(name),
                false => draft::label(&format!("{name}-{}", address::host(&server.base))),
            };
            let mut draft = Draft::new(&names.give(&own, "-"));
            draft.test.url = Some(server.base.clone());
            draft.test.shape = Some(draft::a_trickle());
            drafts.push(draft);
            drafts.len() - 1
        });
        let Some(draft) = drafts.get_mut(at) else { continue };
        call.settle(&mut draft.test, notes);
        let Call { place, method, path, headers, body, .. } = call;
        let path = secrets.fields(&place, path, notes);
        let body = body.map(|it| secrets.fields(&place, it, notes));
        let request = Request { place, method, path, headers: headers.list, body };
        draft.request(None, request, draft::status(Vec::new()), Vec::new(), notes);
    }
    drafts.into_iter().map(|it| it.test).collect()
}
