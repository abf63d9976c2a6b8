//! Seeds: every block about objectives, budgets, alerts, Prometheus and high availability in the five source documents loads, or
//! is refused with the reason.

use std::path::{Path, PathBuf};
use std::process::Output;

use crate::world::{World, said};

/// Where the documents are; `None` when they are not here, which no build of ours may be.
#[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
fn folder() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/seeds");
    if folder.is_dir() {
        return Some(folder);
    }
    let is_ci = std::env::var("CI").is_ok_and(|it| it == "true");
    assert!(!is_ci, "{} is missing", folder.display());
    eprintln!("skipped: {} is missing", folder.display());
    None
}

/// The blocks of YAML of a document: between fences, or, in one that has lost its fences, from a line that begins one to the
/// first that is no YAML.
fn blocks(text: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut block: Option<String> = None;
    let is_fenced = text.contains("```");
    let begins = |line: &str| match is_fenced {
        true => line.trim_end() == "```yaml",
        false => BEGINNINGS.iter().any(|it| line.starts_with(it)),
    };
    let ends = |line: &str| match is_fenced {
        true => line.starts_with("```"),
        false => {
            let is_key = |it: &str| it.split(' ').next().is_some_and(|it| it.ends_with(':'));
            !line.is_empty() && !line.starts_with([' ', '#', '-']) && !is_key(line)
        }
    };
    for line in text.lines() {
        if let Some(it) = block.as_mut().filter(|_| !ends(line)) {
            it.push_str(line);
            it.push('\n');
            continue;
        }
        all.extend(block.take());
        if begins(line) {
            block = Some(if is_fenced { String::new() } else { format!("{line}\n") });
        }
    }
    all.extend(block);
    all
}

/// How blocks begin in the document without fences.
const BEGINNINGS: [&str; 5] =
    ["groups:", "slo_configs:", "global:", "apiVersion:", "name: Reliability"];

/// Whether a block is about what this test is about.
fn is_meant(block: &str) -> bool {
    let block = block.to_lowercase();
    ["slo", "_sli", "alert", "error_budget", "errorbudget", "prometheus", "failover"]
        .iter()
        .any(|it| block.contains(it))
}

/// Who reads a block.
#[derive(Copy, Clone, Debug)]
enum Reader {
    /// `slo import`, and `check` of what comes of it.
    Objectives,
    /// `check`.
    Check,
    /// `chaos import`.
    Experiments,
}

/// A line that tells a block from all others, who reads it, the exit code, and what is said.
type Expected = (&'static str, Reader, i32, &'static [&'static str]);

const EXPECTED: [(&str, &[Expected]); 5] = [
    (
        "000",
        &[
            ("availability_sli:", Reader::Objectives, 2, &["it does not say which tool it is of"]),
            (
                "error_budget_policy:",
                Reader::Objectives,
                0,
                &["3 documents", "{severity: page, factor: 14.4, long: 1h, short: none"],
            ),
            ("performance_tests:", Reader::Check, 0, &["3 documents in 1 file: 3 warnings"]),
        ],
    ),
    ("001", TOOLS),
    ("002", TOOLS),
    (
        "003",
        &[
            (
                "load_balancer:",
                Reader::Check,
                0,
                &[
                    "when primary.example.com:8080 fails, another answers within 17s",
                    "nobody asks `secondary` how it is",
                    "1 document in 1 file: 1 warning",
                ],
            ),
            (
                "patroni:",
                Reader::Check,
                0,
                &[
                    "when the leader of postgres-cluster.postgres-1 vanishes, another is elected within 40s",
                    "Patroni does not read `checks`",
                    "1 document in 1 file: 1 warning",
                ],
            ),
        ],
    ),
    (
        "004",
        &[
            (
                "kind: ServiceLevelObjective",
                Reader::Objectives,
                2,
                &[
                    "the description promises 95% within 300ms, and the objective 99.9% within 300ms",
                    "`percentile: 95` beside another objective promises two things",
                ],
            ),
            (
                "kind: ErrorBudgetPolicy",
                Reader::Objectives,
                0,
                &["1 document", "{freeze: {scope: all-changes"],
            ),
            (
                "kind: IncidentRunbook",
                Reader::Objectives,
                2,
                &["it does not say which tool it is of"],
            ),
            (
                "kind: PrometheusRule",
                Reader::Check,
                2,
                &[
                    "EK-L036",
                    "`ErrorBudgetBurnRate`: at 3:3 of the query, each series is divided by itself",
                    "1 error",
                ],
            ),
        ],
    ),
];

/// Two of the documents have the same blocks.
const TOOLS: &[Expected] = &[
    (
        "groups:",
        Reader::Check,
        2,
        &[
            "`HighErrorRate`: at 1:54 of the query, each series is divided by itself, so that the ratio is 1",
            "Add up both sides",
            "1 error",
        ],
    ),
    (
        "kind: ChaosEngine",
        Reader::Experiments,
        0,
        &["`monitor` (block.yaml:24:11): it is no field of Litmus", "PromQL"],
    ),
    ("scrape_configs:", Reader::Check, 0, &["1 document in 1 file: no errors"]),
    ("name: Reliability Testing", Reader::Objectives, 2, &["it does not say which tool it is of"]),
    (
        "slo_configs:",
        Reader::Objectives,
        0,
        &[
            "5 documents",
            "{percentile: {quantile: p95, threshold: 500ms}}",
            "each percentile is a promise of its own",
        ],
    ),
];

/// What is said of a block, with the documents that come of it.
fn read(world: &World, reader: Reader, block: &str) -> (Option<i32>, String) {
    world.write("block.yaml", block);
    let ended = |it: &Output| (it.status.code(), said(it));
    let verb: &[&str] = match reader {
        Reader::Check => return ended(&world.run(&["check", "block.yaml"])),
        Reader::Objectives => &["slo", "import", "block.yaml", "-o", "read.yaml"],
        Reader::Experiments => &["chaos", "import", "block.yaml", "-o", "read.yaml"],
    };
    let (code, mut text) = ended(&world.run(verb));
    if code == Some(0) {
        let (code, checked) = ended(&world.run(&["check", "read.yaml"]));
        assert_eq!(code, Some(0), "{checked}");
        text += &checked;
        text += &std::fs::read_to_string(world.folder().join("read.yaml")).unwrap();
        std::fs::remove_file(world.folder().join("read.yaml")).unwrap();
    }
    (code, text)
}

#[test]
fn every_block_about_objectives_and_availability_loads_or_is_refused_with_the_reason() {
    let Some(folder) = folder() else { return };
    let world = World::new();
    for (document, expected) in EXPECTED {
        let files = std::fs::read_dir(&folder).unwrap().map(|it| it.unwrap().path());
        let is_it = |it: &PathBuf| it.file_name().unwrap().to_str().unwrap().starts_with(document);
        let text = std::fs::read_to_string(files.into_iter().find(is_it).unwrap()).unwrap();
        let meant: Vec<_> = blocks(&text).into_iter().filter(|it| is_meant(it)).collect();
        let has = |block: &str, line: &str| block.lines().any(|it| it.trim() == line);
        for (line, reader, code, words) in expected {
            let found: Vec<_> = meant.iter().filter(|it| has(it, line)).collect();
            let [block] = found.as_slice() else { panic!("{document}: `{line}`: {found:?}") };
            let (ended, said) = read(&world, *reader, block);
            assert_eq!(ended, Some(*code), "{document}: `{line}`: {said}");
            words.iter().for_each(|it| assert!(said.contains(it), "{document}: {it}: {said}"));
        }
        let known = |block: &&String| expected.iter().any(|it| has(block, it.0));
        let unknown: Vec<_> = meant.iter().filter(|it| !known(it)).collect();
        assert!(unknown.is_empty(), "{document}: nobody says what comes of {unknown:#?}");
    }
}
