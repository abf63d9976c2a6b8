//! Sloth: its examples, the rules that it makes of them, and ours.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use evenkeel_import::slo::import;
use evenkeel_model::Library;
use evenkeel_model::decode::Findings;
use evenkeel_model::yaml::{self, Node};
use evenkeel_series::{Labels, is_stale};
use evenkeel_slo::Objective;
use evenkeel_slo::rules::{Group, Makes, PromRule, Subject, compat};
use evenkeel_units::parse_duration;
use regex::Regex;

use crate::mutant::{Mutant, mutants};
use crate::play::{Made, World, difference, evaluate, play};
use crate::rulefile::{self, items, texts};
use crate::scenario::Scenario;

/// An example, in its parts.
pub(crate) struct Example {
    /// The file.
    pub(crate) name: String,
    /// What its objectives are to us.
    pub(crate) subjects: Vec<Subject>,
    /// The rules that Sloth makes.
    pub(crate) theirs: Vec<Group>,
    /// The rules that we make.
    pub(crate) ours: Vec<Group>,
}

/// Labels that say who has made the rules, and how.
pub(crate) const PROVENANCE: [&str; 4] = ["cmd", "sloth_mode", "sloth_spec", "sloth_version"];

/// Every example in a folder of which there are rules of Sloth.
pub(crate) fn examples(folder: &Path) -> Result<Vec<Example>> {
    let files = fs::read_dir(folder.join("_gen"))?.collect::<Result<Vec<_>, _>>()?;
    let mut names: Vec<_> =
        files.iter().map(|it| it.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names.iter().map(|it| example(folder, it).with_context(|| it.clone())).collect()
}

fn example(folder: &Path, name: &str) -> Result<Example> {
    let text = fs::read_to_string(folder.join(name))?;
    let theirs = fs::read_to_string(folder.join("_gen").join(name))?;
    let subjects = subjects(name, &text)?;
    let is_corrected = text.contains("/denominator_corrected_rules/");
    let rules = if is_corrected { compat::corrected } else { compat::rules };
    let ours = subjects.iter().flat_map(rules).collect();
    let (theirs, ours) = (rulefile::read(name, &theirs)?, readable(ours));
    Ok(Example { name: name.to_owned(), subjects, theirs: readable(theirs), ours })
}

/// The objectives of a specification, by way of documents as people keep them.
fn subjects(name: &str, text: &str) -> Result<Vec<Subject>> {
    let documents = import(None, name, text.as_bytes())?.to_yaml();
    let (library, wrong) = Library::read([("imported.yaml".to_owned(), documents.into_bytes())]);
    ensure!(wrong.is_empty(), "{}", evenkeel_model::render(&wrong, false));
    let mut settings = settings(name, text);
    let subject = |name: &&str| {
        let slo = library.slo(name).context("an SLO that is not there")?;
        let mut subject = Objective::of(slo, &library, |_| None)?.subject()?;
        if let Some((interval, info)) = settings.remove(&subject.name) {
            (subject.interval, subject.info) = (interval, info);
        }
        Ok(subject)
    };
    library.slos().iter().map(subject).collect()
}

type Setting = (Option<std::time::Duration>, BTreeMap<String, String>);

/// What plugins of Sloth say that is no part of a promise: who has rules written says it there.
fn settings(name: &str, text: &str) -> BTreeMap<String, Setting> {
    let roots = yaml::read(name, text.as_bytes().to_vec(), &mut Findings::default()).roots;
    let mut all = BTreeMap::new();
    for slo in roots.iter().flat_map(|it| items(it.at("slos"))) {
        let name = slo.at("name").and_then(Node::text).unwrap_or_default();
        for plugin in items(slo.at("plugins/chain")) {
            let interval = plugin.at("config/interval/default").and_then(Node::text);
            let interval = interval.and_then(|it| parse_duration(it).ok());
            all.insert(name.to_owned(), (interval, texts(plugin.at("config/labels"))));
        }
    }
    all
}

/// What only VictoriaMetrics understands, in PromQL: the share of a histogram up to a bound that is one of its own, and a
/// number over some time.
fn readable(mut groups: Vec<Group>) -> Vec<Group> {
    let share =
        r"histogram_share\([0-9.]+, sum by \(vmrange\) \(rate\(([a-z_]+)\{(.*?)\}\[(\w+)\]\)\)\)";
    let share = Regex::new(share).expect("it is a pattern");
    let number = Regex::new(r"vector\(1\)\[(\w+)\]").expect("it is a pattern");
    for rule in groups.iter_mut().flat_map(|it| &mut it.rules) {
        let ratio = "(sum(rate($1{$2, vmrange=\"low\"}[$3])) / sum(rate($1{$2}[$3])))";
        let text = share.replace_all(&rule.expr, ratio).into_owned();
        rule.expr = number.replace_all(&text, "last_over_time(vector(1)[$1:$1])").into_owned();
    }
    groups
}

/// How what is written differs, but for the queries: groups, and texts of alerts.
fn written(theirs: &[Group], ours: &[Group]) -> Option<String> {
    let sorted = |of: &[Group]| {
        let mut all: Vec<_> = of
            .iter()
            .map(|it| (it.name.clone(), it.interval, it.rules.iter().map(told).collect::<Vec<_>>()))
            .collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    };
    let (theirs, ours) = (sorted(theirs), sorted(ours));
    let differ = theirs.iter().zip(&ours).find(|(a, b)| a != b);
    (theirs.len() != ours.len() || differ.is_some())
        .then(|| format!("{} and {} groups, {differ:?}", theirs.len(), ours.len()))
}

/// A rule without its query.
fn told(rule: &PromRule) -> (Makes, BTreeMap<String, String>) {
    let mut labels = rule.labels.clone();
    labels.retain(|name, _| !PROVENANCE.contains(&name.as_str()));
    (rule.makes.clone(), labels)
}

/// The series of a world without labels that say who has made them.
pub(crate) fn made(world: &World<'_>) -> Made {
    let bare = |it: &Labels| it.filter(|name| !PROVENANCE.contains(&name));
    world.made.iter().map(|(labels, samples)| (bare(labels), samples.points.clone())).collect()
}

impl Example {
    /// Everything that its rules ask, as one text.
    pub(crate) fn asked(&self) -> String {
        self.theirs.iter().flat_map(|it| &it.rules).map(|it| it.expr.as_str()).collect()
    }

    /// What may be bad of its objectives, by which scenarios are scaled.
    pub(crate) fn budgets(&self) -> Vec<f64> {
        let mut all: Vec<_> = self.subjects.iter().map(|it| it.objective.rest().get()).collect();
        all.sort_by(f64::total_cmp);
        all.dedup_by(|a, b| (*a - *b).abs() < 1e-12);
        all
    }

    /// How ours differ from theirs in what is written.
    pub(crate) fn written(&self) -> Option<String> {
        written(&self.theirs, &self.ours)
    }

    /// How ours differ from theirs in a scenario; else how many series and values are the same.
    pub(crate) fn played(&self, scenario: &Scenario) -> Result<Result<Same, String>> {
        let mut same = Same::default();
        for budget in self.budgets() {
            let series = scenario.series(budget, &self.asked());
            let theirs = made(&play(&self.theirs, &series, scenario.moments)?);
            let ours = made(&play(&self.ours, &series, scenario.moments)?);
            if let Some(what) = difference(&theirs, &ours) {
                return Ok(Err(format!("{}: {what}", scenario.name)));
            }
            same.add(&theirs);
        }
        Ok(Ok(same))
    }
}

impl Example {
    /// How many wrong rules there are that differ from ours by one number or window, and those that no scenario finds.
    pub(crate) fn survivors(&self, scenarios: &[Scenario]) -> Result<(usize, Vec<String>)> {
        let rules: Vec<_> = self.ours.iter().flat_map(|it| &it.rules).collect();
        let mut alive: Vec<_> = rules.into_iter().map(|it| (it, mutants(it))).collect();
        let all = alive.iter().map(|it| it.1.len()).sum();
        let budgets = self.budgets();
        let scaled =
            scenarios.iter().flat_map(|it| budgets.iter().map(move |budget| (it, *budget)));
        for (scenario, budget) in scaled {
            let series = scenario.series(budget, &self.asked());
            let world = play(&self.ours, &series, scenario.moments)?;
            for (rule, mutants) in alive.iter_mut().filter(|it| !it.1.is_empty()) {
                let right = evaluate(rule, &world, scenario.moments)?;
                let mut left = Vec::new();
                for mutant in mutants.drain(..) {
                    let made = evaluate(&mutant.rule, &world, scenario.moments)?;
                    left.extend(difference(&right, &made).is_none().then_some(mutant));
                }
                *mutants = left;
            }
        }
        let left = alive.iter().flat_map(|(_, left)| left.iter().map(Mutant::described));
        Ok((all, left.collect()))
    }
}

/// What is the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Same {
    /// Values of records.
    pub(crate) records: usize,
    /// Moments at which something fires.
    pub(crate) firing: BTreeSet<i64>,
}

impl Same {
    fn add(&mut self, made: &Made) {
        for (labels, points) in made {
            match labels.metric() == "ALERTS" {
                true => {
                    let fires = points.iter().filter(|it| !is_stale(it.value));
                    self.firing.extend(fires.map(|it| it.at));
                }
                false => self.records += points.len(),
            }
        }
    }
}
