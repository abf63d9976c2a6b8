//! Commands that break something, as faults: `kill`, `pkill`, `killall`, `stress`, `stress-ng`, `systemctl`, `docker`; and
//! `sleep`.

use std::time::Duration;

use evenkeel_model::document::{Amount, Fault, Finder, PauseBy, Step, Target};
use evenkeel_units::{Bytes, Ratio, parse_duration};

use super::super::draft::{self, finder};
use super::super::fields::LONGEST;
use super::super::kubernetes::amount;
use super::{engine, kubectl, unit};
use crate::notes::cut;

/// What a command does.
#[derive(Debug, PartialEq)]
pub(in crate::chaos) enum Does {
    /// It breaks something; the times of the steps count from its start. What of it is not done, and why.
    Faults { faults: Vec<Step>, unread: Vec<(String, String)> },
    /// It takes back what was to last until then.
    Ends(Vec<Ending>),
    /// It waits.
    Waits(Duration),
}

/// What is taken back.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::chaos) enum Ending {
    /// What is done to these.
    Of(Target),
    /// A unit that was stopped.
    Unit(String),
    /// A node that took no more pods.
    Node(String),
    /// What is done to a link, by what it is called there; all of it without a name.
    Link(Option<String>, Option<String>),
}

/// What a signal is here.
pub(super) enum Signal {
    Kill(Option<&'static str>),
    Pause,
    Continue,
}

/// What `program` does with these words. The error says why nothing is written for it.
pub(in crate::chaos) fn command(program: &str, words: &[String]) -> Result<Does, String> {
    match program {
        "kill" | "pkill" | "killall" => signal(program, words),
        "systemctl" | "service" => unit::unit(program, words),
        "docker" | "podman" => engine::engine(program, words),
        "kubectl" => kubectl::kubectl(words),
        "sleep" => {
            let times: Option<Vec<_>> = words.iter().map(|it| time(it)).collect();
            times
                .map(|it| Does::Waits(it.iter().sum()))
                .ok_or_else(|| "it waits for no time".to_owned())
        }
        _ => stress(words),
    }
}

/// A time as `sleep` and `stress` take it: seconds, or with a unit. No longer than is read elsewhere.
fn time(text: &str) -> Option<Duration> {
    let time = match text.parse::<f64>() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds).ok(),
        Err(_) => parse_duration(text).ok(),
    };
    let time = time.filter(|it| *it <= LONGEST);
    time.map(|it| Duration::from_nanos((it.as_secs_f64() * 1e9).round() as u64))
}

fn signal(program: &str, words: &[String]) -> Result<Does, String> {
    let mut sent = Signal::Kill(Some("SIGTERM"));
    let mut targets = Vec::new();
    let mut unread = Vec::new();
    let mut is_whole = program != "pkill";
    let mut words = words.iter().map(String::as_str);
    while let Some(word) = words.next() {
        let Some(option) = word.strip_prefix('-') else {
            targets.push(word);
            continue;
        };
        match option {
            "s" | "n" | "-signal" => sent = named(words.next().unwrap_or_default())?,
            "x" | "-exact" => is_whole = true,
            "-" => {}
            it if it.starts_with("-signal=") => sent = named(it.get(8..).unwrap_or_default())?,
            it if it.starts_with(|it: char| it.is_ascii_uppercase() || it.is_ascii_digit()) => {
                sent = named(it)?;
            }
            _ => return Err(format!("`{}` chooses processes in a way that we do not", cut(word))),
        }
    }
    let mut found = Vec::new();
    for word in targets {
        let find = match (program, finder(word)) {
            ("kill", Some(find @ Finder::Pid(_))) => find,
            ("kill", _) => return Err(format!("`{}` is no number of a process", cut(word))),
            (_, Some(Finder::Executable(name))) => Finder::Executable(name),
            _ => return Err(format!("`{}` is no name of a program", cut(word))),
        };
        if !is_whole {
            unread.push((
                word.to_owned(),
                "`pkill` takes a part of a name, and we the whole name of a program".to_owned(),
            ));
        }
        found.push(draft::processes(find));
    }
    if found.is_empty() {
        return Err("it names no process".to_owned());
    }
    let fault = match sent {
        Signal::Continue => return Ok(Does::Ends(found.into_iter().map(Ending::Of).collect())),
        Signal::Pause => Fault::Pause { by: PauseBy::Signal },
        Signal::Kill(other) => {
            unread.extend(other.map(|it| (it.to_owned(), "a kill is always SIGKILL".to_owned())));
            Fault::Kill { every: None }
        }
    };
    let faults = found.into_iter().map(|it| draft::step(fault.clone(), it, Duration::ZERO, None));
    Ok(Does::Faults { faults: faults.collect(), unread })
}

pub(super) fn named(word: &str) -> Result<Signal, String> {
    let name = word.to_ascii_uppercase();
    Ok(match name.strip_prefix("SIG").unwrap_or(&name) {
        "9" | "KILL" => Signal::Kill(None),
        "15" | "TERM" => Signal::Kill(Some("SIGTERM")),
        "2" | "INT" => Signal::Kill(Some("SIGINT")),
        "3" | "QUIT" => Signal::Kill(Some("SIGQUIT")),
        "6" | "ABRT" => Signal::Kill(Some("SIGABRT")),
        "19" | "STOP" => Signal::Pause,
        "18" | "CONT" => Signal::Continue,
        _ => return Err(format!("the signal `{}` breaks nothing that we know", cut(word))),
    })
}

fn stress(words: &[String]) -> Result<Does, String> {
    let (mut cores, mut load, mut workers) = (None, Ratio::ONE, None);
    let (mut held, mut lasts) = (Bytes(256 << 20), None);
    let mut unread = Vec::new();
    let mut words = words.iter().map(String::as_str).peekable();
    while let Some(word) = words.next() {
        let (option, joined) = match word.split_once('=') {
            Some((option, value)) => (option, Some(value)),
            None => (word, None),
        };
        let known =
            ["-c", "--cpu", "-l", "--cpu-load", "-m", "--vm", "--vm-bytes", "-t", "--timeout"];
        if !known.contains(&option) {
            let value = words.next_if(|it| !it.starts_with('-'));
            let shown = value.map_or_else(|| word.to_owned(), |it| format!("{word} {it}"));
            unread.push((shown, "there is no such load yet".to_owned()));
            continue;
        }
        let value = joined.or_else(|| words.next()).unwrap_or_default();
        let wrong = || format!("`{} {}` is not understood", cut(option), cut(value));
        let count = || value.parse::<u32>().ok().filter(|it| *it <= 4_096).ok_or_else(wrong);
        match option {
            "-c" | "--cpu" => cores = Some(count()?),
            "-m" | "--vm" => workers = Some(count()?),
            "-l" | "--cpu-load" => {
                let share = value.parse::<f64>().ok().and_then(|it| Ratio::new(it / 100.0));
                load = share.filter(|it| *it != Ratio::ZERO).ok_or_else(wrong)?;
            }
            "-t" | "--timeout" => {
                lasts = Some(time(value).filter(|it| !it.is_zero()).ok_or_else(wrong)?);
            }
            _ => match amount(value) {
                Some(Amount::Bytes(it)) => held = it,
                // It is one of what is free at that moment, not of all there is.
                Some(Amount::Share(_)) | None => return Err(wrong()),
            },
        }
    }
    let Some(lasts) = lasts else {
        return Err("it has no `--timeout`, and nothing here lasts for ever".to_owned());
    };
    let mut faults = Vec::new();
    faults.extend(cores.map(|it| draft::host_step(draft::cpu(load, it), Duration::ZERO, lasts)));
    if let Some(workers) = workers {
        let all = held.0.saturating_mul(u64::from(workers.max(1)));
        if all > 1 << 50 {
            return Err("no host has that much memory".to_owned());
        }
        faults.push(draft::host_step(
            draft::memory(Amount::Bytes(Bytes(all))),
            Duration::ZERO,
            lasts,
        ));
    }
    match faults.is_empty() {
        true => Err("it loads neither CPU nor memory".to_owned()),
        false => Ok(Does::Faults { faults, unread }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn does(line: &str) -> Result<Vec<String>, String> {
        let words: Vec<_> = line.split(' ').map(str::to_owned).collect();
        Ok(match command(&words[0], &words[1..])? {
            Does::Waits(time) => vec![format!("waits {}s", time.as_secs_f64())],
            Does::Ends(all) => {
                let shown = |it: &Ending| match it {
                    Ending::Of(target) => format!("continues {}", target.select),
                    Ending::Unit(unit) => format!("starts {unit}"),
                    other => format!("{other:?}"),
                };
                all.iter().map(shown).collect()
            }
            Does::Faults { faults, unread } => {
                let shown = |it: &Step| match &it.target {
                    Some(target) => format!("{} {}", it.fault, target.select),
                    None if it.duration.is_none() => it.fault.to_string(),
                    None => format!("{} for {:?}", it.fault, it.duration.unwrap_or_default()),
                };
                let faults = faults.iter().map(shown);
                faults.chain(unread.into_iter().map(|it| format!("not {}", it.0))).collect()
            }
        })
    }

    #[test]
    fn commands_that_break_something_are_faults() {
        for (line, expected) in [
            ("kill -9 4321", vec!["kill pid 4321"]),
            ("kill 4321", vec!["kill pid 4321", "not SIGTERM"]),
            ("pkill -KILL -x nginx", vec!["kill nginx"]),
            ("pkill --signal=STOP nginx", vec!["pause nginx", "not nginx"]),
            ("killall -s CONT nginx", vec!["continues nginx"]),
            ("stress-ng --cpu 2 --cpu-load=80 -t 1m", vec!["CPU 80% of 2 cores for 60s"]),
            ("stress -m 2 --vm-bytes 1G --timeout 30", vec!["memory 2GiB for 30s"]),
            ("stress-ng --cpu 0 --hdd 1 -t 5s", vec!["CPU 100% for 5s", "not --hdd 1"]),
            ("sleep 1.5 2s", vec!["waits 3.5s"]),
            (
                "systemctl stop nginx getty@tty1.service",
                vec!["nginx.service stopped", "getty@tty1.service stopped"],
            ),
            ("systemctl --no-block start nginx", vec!["starts nginx.service"]),
            ("service nginx stop", vec!["nginx.service stopped"]),
            ("docker stop -t 5 web", vec!["stop container web", "not -t 5"]),
            ("docker container pause web", vec!["pause container web"]),
            ("podman unpause web", vec!["continues container web"]),
            (
                "kubectl --context a delete pods -l app=web,tier=a -n shop --grace-period=0",
                vec!["pods deleted pods app=web,tier=a of shop"],
            ),
            (
                "kubectl scale deployment/web --replicas 0",
                vec!["web scaled to 0", "not the current context"],
            ),
            (
                "kubectl drain node-1 --context=a --ignore-daemonsets",
                vec!["node-1 cordoned", "not --ignore-daemonsets", "not the drain"],
            ),
            ("docker kill web", vec!["kill container web", "not web"]),
        ] {
            assert_eq!(does(line).unwrap(), expected, "{line}");
        }
    }

    #[test]
    fn what_is_not_understood_is_not_guessed() {
        for (line, why) in [
            ("pkill -f server.py", "`-f` chooses processes in a way that we do not"),
            ("kill -HUP 4321", "the signal `HUP` breaks nothing that we know"),
            ("kill -9 1", "`1` is no number of a process"),
            ("kill -9", "it names no process"),
            ("stress --cpu 2", "it has no `--timeout`, and nothing here lasts for ever"),
            ("stress-ng --cpu-load 0 -c 1 -t 1s", "`--cpu-load 0` is not understood"),
            (
                "systemctl reload nginx",
                "`systemctl reload` breaks nothing that we know: write `stopUnit`, or `restart` with `target: {unit}`",
            ),
            ("systemctl stop", "it names no unit"),
            ("service nginx", "it names no unit"),
            (
                "docker exec web rm -r /",
                "`docker exec` breaks nothing that we know: containers are killed, paused, stopped and restarted",
            ),
            ("docker kill --signal HUP web", "the signal `HUP` breaks nothing that we know"),
            (
                "kubectl delete pod web-1",
                "it breaks nothing that we know: write `podDelete`, `podEvict`, `scale` or `cordon`",
            ),
            ("kubectl delete pods --all", "`--all` chooses in a way that we do not"),
            (
                "kubectl delete pods -l app=web,tier!=a",
                "`app=web,tier!=a` says more than labels, or none",
            ),
            ("kubectl scale sts/web --replicas=0", "only deployments are scaled"),
            ("kubectl cordon -l", "`-l` chooses in a way that we do not"),
            ("docker stop a*", "`a*` is no name of a container"),
            ("docker stop 4f1d00c0ffee", "`4f1d00c0ffee` is no name of a container"),
            (
                "docker -H tcp://10.0.0.7 stop web",
                "`-H` chooses containers in a way that we do not",
            ),
            ("stress-ng --hdd 1 -t 1s", "it loads neither CPU nor memory"),
        ] {
            assert_eq!(does(line).unwrap_err(), why, "{line}");
        }
    }
}
