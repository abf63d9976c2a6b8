//! `chaos approve`: somebody says yes to a plan as it is, and a run that needs it looks for that.
//!
//! An approval is a line in `approvals.jsonl` in the folder of the runs: the hash of the plan, who, and until when. It is
//! not signed: it keeps people from running by oversight what nobody else has looked at, and not somebody who wants to
//! deceive and may write in that folder. A plan that is changed, be it by a word, has another hash.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::{self, ErrorKind, Write};
use std::path::Path;

use evenkeel_model::Plan;
use evenkeel_units::{Human, Seed};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::args::chaos::ChaosApproveArgs;
use crate::exit::{Exit, Failure};
use crate::screen::Screen;
use crate::verb::documents::{Choice, gather, plural, read, refuse_errors, wrong};
use crate::verb::plan::hash;

/// Name of the file in the folder of the runs.
const FILE: &str = "approvals.jsonl";

/// One yes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Approval {
    /// Hash of the plan.
    plan: String,
    /// Name of the experiment or drill, for people.
    name: String,
    /// Who.
    approver: String,
    /// When.
    at: Timestamp,
    /// Until when.
    expires: Timestamp,
}

/// Approves a plan.
pub(crate) fn run(args: &ChaosApproveArgs, screen: &Screen) -> Result<Exit, Failure> {
    let found = read(gather(&args.files)?);
    refuse_errors(&found, screen)?;
    let library = &found.library;
    let drills: Vec<&str> = library.drills();
    let seed = Seed(0);
    let plan = if drills.is_empty() {
        let choice = Choice {
            kind: "ChaosExperiment",
            noun: "experiment",
            option: "--name",
            none: "`evenkeel chaos faults` shows what one can do",
        };
        let name = choice.of(&library.experiments(), args.name.as_deref())?;
        library.plan_experiment(name, seed)
    } else {
        let choice = Choice {
            kind: "Drill",
            noun: "drill",
            option: "--name",
            none: "`evenkeel init` writes one",
        };
        library.plan(choice.of(&drills, args.name.as_deref())?, seed)
    };
    let plan = plan.map_err(|errors| wrong(&errors, screen))?;
    let at = Timestamp::now();
    let expires =
        SignedDuration::try_from(args.expires).ok().and_then(|it| at.checked_add(it).ok());
    let approval = Approval {
        plan: hash(&plan),
        name: plan.drill.clone(),
        approver: person(args.approver.as_deref()),
        at,
        expires: expires
            .ok_or_else(|| Failure::usage("it would hold for longer than time goes"))?,
    };
    let file = args.dir.join(FILE);
    append(&file, &approval).map_err(|error| {
        Failure::could_not_run(format!("cannot write {}: {error}", file.display()))
    })?;
    screen.show(&approval, || {
        let Approval { plan, name, approver, .. } = &approval;
        format!(
            "{approver} approves {name} for {}, as it is now\nplan {plan}\nkept in {}",
            Human(args.expires),
            file.display()
        )
    })?;
    Ok(Exit::OK)
}

/// Refuses a plan that needs approvals which are not there.
pub(crate) fn approved(plan: &Plan, dir: &Path, requester: Option<&str>) -> Result<(), Failure> {
    lacking(plan, dir, requester)?.map_or(Ok(()), |reason| Err(Failure::refused(reason)))
}

/// Why a plan may not be run yet, when it needs approvals that are not there.
pub(crate) fn lacking(
    plan: &Plan,
    dir: &Path,
    requester: Option<&str>,
) -> Result<Option<String>, Failure> {
    if plan.safety.approvals == 0 {
        return Ok(None);
    }
    let file = dir.join(FILE);
    let records = match std::fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        Err(error) => {
            let message = format!("cannot read {}: {error}", file.display());
            return Err(Failure::could_not_run(message));
        }
    };
    let records: Result<Vec<Approval>, _> = records.lines().map(serde_json::from_str).collect();
    let records = records.map_err(|error| {
        Failure::could_not_run(format!(
            "{} has a line that is no approval: {error}",
            file.display()
        ))
    })?;
    let (hash, requester) = (hash(plan), person(requester));
    Ok(judge(&records, &hash, &requester, plan.safety.approvals, Timestamp::now()))
}

fn judge(
    records: &[Approval],
    hash: &str,
    requester: &str,
    needed: u32,
    now: Timestamp,
) -> Option<String> {
    let of_plan: Vec<&Approval> = records.iter().filter(|it| it.plan == hash).collect();
    let valid = of_plan.iter().filter(|it| it.expires > now);
    let others: BTreeSet<&str> =
        valid.map(|it| it.approver.as_str()).filter(|it| *it != requester).collect();
    let have = others.len();
    if have >= needed as usize {
        return None;
    }
    let own = of_plan.iter().any(|it| it.approver == requester);
    let expired = of_plan.iter().any(|it| it.expires <= now);
    let mut reason = format!(
        "it needs {} by others than {requester}, and has {have}",
        plural(needed as usize, "approval")
    );
    for (is_so, why) in [(own, "one's own does not count"), (expired, "one has expired")] {
        if is_so {
            reason.push_str(&format!("; {why}"));
        }
    }
    Some(format!("{reason}: `evenkeel chaos approve` by somebody else, for plan {hash}"))
}

fn append(file: &Path, approval: &Approval) -> io::Result<()> {
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let mut line = serde_json::to_vec(approval)?;
    line.push(b'\n');
    // One write, so that two who approve at a time do not mix their lines.
    OpenOptions::new().create(true).append(true).open(file)?.write_all(&line)
}

/// Who it is: as they say, or the name of the user whom the system knows.
pub(crate) fn person(named: Option<&str>) -> String {
    let user = rustix::process::getuid().as_raw().to_string();
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let known = passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == user).then(|| name.to_owned())
    });
    named.map(str::to_owned).or(known).unwrap_or(user)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn approval(plan: &str, approver: &str, expires: &str) -> Approval {
        let at = "2026-03-10T08:00:00Z".parse().unwrap();
        let expires = expires.parse().unwrap();
        Approval { plan: plan.into(), name: "x".into(), approver: approver.into(), at, expires }
    }

    #[test]
    fn only_others_who_approved_this_plan_in_time_count() {
        let (late, early) = ("2026-03-11T08:00:00Z", "2026-03-10T09:00:00Z");
        let now = "2026-03-10T12:00:00Z".parse().unwrap();
        let ann = approval("p", "ann", late);
        let all = [
            ann.clone(),
            ann.clone(),
            approval("other", "bob", late),
            approval("p", "cleo", early),
        ];
        assert_eq!(judge(&all, "p", "dan", 1, now), None);
        assert!(judge(&all, "p", "dan", 2, now).unwrap().contains("has 1; one has expired"));
        assert!(judge(&all[..1], "p", "ann", 1, now).unwrap().contains("has 0; one's own"));
        assert!(judge(&[], "p", "ann", 1, now).is_some());
    }
}
