//! Containers of Docker and Podman that are killed, paused, stopped and restarted.

use std::time::Duration;

use evenkeel_model::document::{Containers, Fault, Mode, PauseBy, Selector, Target};

use super::super::draft;
use super::command::{Does, Ending, Signal, named};
use crate::notes::cut;

/// `docker VERB [OPTION]… NAME…`. The error says why nothing is written for it.
pub(super) fn engine(program: &str, words: &[String]) -> Result<Does, String> {
    let mut words = words.iter().map(String::as_str).peekable();
    words.next_if_eq(&"container");
    let verb = words.next().unwrap_or_default();
    if verb.starts_with('-') {
        return Err(format!("`{}` chooses containers in a way that we do not", cut(verb)));
    }
    let known = ["kill", "stop", "pause", "unpause", "start", "restart"];
    if !known.contains(&verb) {
        return Err(format!(
            "`{program} {}` breaks nothing that we know: containers are killed, paused, stopped and restarted",
            cut(verb)
        ));
    }
    let (mut found, mut unread) = (Vec::new(), Vec::new());
    while let Some(word) = words.next() {
        if !word.starts_with('-') {
            found.push(container(word)?);
            continue;
        }
        let (option, joined) = word.split_once('=').map_or((word, None), |it| (it.0, Some(it.1)));
        let mut value = || joined.or_else(|| words.next()).unwrap_or_default();
        match (option, verb) {
            ("-s" | "--signal", "kill") => match named(value())? {
                Signal::Kill(None) => {}
                Signal::Kill(Some(other)) => {
                    unread.push((other.to_owned(), "a kill is always SIGKILL".to_owned()));
                }
                _ => return Err("`pause` is the way to stop a container for a while".to_owned()),
            },
            ("-t" | "--time" | "--timeout", "stop" | "restart") => {
                let why = "a container gets the time that it was made with".to_owned();
                unread.push((format!("{option} {}", value()), why));
            }
            _ => return Err(format!("`{}` chooses containers in a way that we do not", cut(word))),
        }
    }
    if found.is_empty() {
        return Err("it names no container".to_owned());
    }
    let fault = match verb {
        "unpause" | "start" => return Ok(Does::Ends(found.into_iter().map(Ending::Of).collect())),
        "pause" => Fault::Pause { by: PauseBy::Signal },
        "stop" => Fault::Stop,
        "restart" => Fault::Restart { every: None },
        _ => {
            let why = "a kill is a crash, after which its restart policy brings it back; write `stop` for one that stays away";
            let names = found.iter().filter_map(name);
            unread.extend(names.map(|it| (it.to_owned(), why.to_owned())));
            Fault::Kill { every: None }
        }
    };
    let faults = found.into_iter().map(|it| draft::step(fault.clone(), it, Duration::ZERO, None));
    Ok(Does::Faults { faults: faults.collect(), unread })
}

/// A container by its name; numbers of containers are of one run only.
fn container(text: &str) -> Result<Target, String> {
    let plain = |it: u8| it.is_ascii_alphanumeric() || b"_.-".contains(&it);
    let is_number = text.len() >= 12 && text.bytes().all(|it| it.is_ascii_hexdigit());
    if text.len() > 128 || is_number || !text.bytes().all(plain) {
        return Err(format!("`{}` is no name of a container", cut(text)));
    }
    let containers = Containers { name: Some(text.to_owned()), ..Containers::default() };
    Ok(Target { select: Selector::Container(containers), mode: Mode::One })
}

fn name(target: &Target) -> Option<&str> {
    match &target.select {
        Selector::Container(it) => it.name.as_deref(),
        _ => None,
    }
}
