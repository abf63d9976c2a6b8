//! Units of systemd that are stopped, and started again.

use std::time::Duration;

use evenkeel_model::document::{Fault, Step};

use super::command::{Does, Ending};
use crate::notes::cut;

/// `systemctl stop NAME…`, `service NAME stop`. The error says why nothing is written for it.
pub(super) fn unit(program: &str, words: &[String]) -> Result<Does, String> {
    let mut plain = words.iter().map(String::as_str).filter(|it| !it.starts_with('-'));
    let (verb, names): (_, Vec<&str>) = match program {
        "service" => {
            let name = plain.next();
            (plain.next(), Vec::from_iter(name))
        }
        _ => (plain.next(), plain.collect()),
    };
    if words.iter().any(|it| matches!(it.as_str(), "--user" | "-H" | "-M")) {
        return Err("only units of this host's own systemd are stopped".to_owned());
    }
    let (Some(verb), false) = (verb, names.is_empty()) else {
        return Err("it names no unit".to_owned());
    };
    let units = names.iter().map(|it| named(it)).collect::<Result<Vec<_>, _>>()?;
    match verb {
        "start" => Ok(Does::Ends(units.into_iter().map(Ending::Unit).collect())),
        "stop" => {
            let step = |unit| Step {
                fault: Fault::StopUnit { unit },
                target: None,
                at: Duration::ZERO,
                duration: None,
            };
            let faults = units.into_iter().map(step).collect();
            Ok(Does::Faults { faults, unread: Vec::new() })
        }
        _ => Err(format!(
            "`{program} {}` breaks nothing that we know: write `stopUnit`, or `restart` with `target: {{unit}}`",
            cut(verb)
        )),
    }
}

/// The name of a unit with its suffix, as `systemctl` adds it.
fn named(text: &str) -> Result<String, String> {
    let plain = |it: u8| it.is_ascii_alphanumeric() || b":_.\\@-".contains(&it);
    let name = match text.contains('.') {
        true => text.to_owned(),
        false => format!("{text}.service"),
    };
    match name.len() < 256 && !name.starts_with('.') && name.bytes().all(plain) {
        true => Ok(name),
        false => Err(format!("`{}` is no name of a unit", cut(text))),
    }
}
