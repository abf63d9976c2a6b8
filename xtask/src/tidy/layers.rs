//! Layers: arrows between crates point down, hands are strangers, and judgement does no IO.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::Violation;
use super::tree::Files;

/// Lowest first. A crate may depend on crates of lower layers, and of its own unless that is [`HANDS`].
const LAYERS: &[(&str, &[&str])] = &[
    ("vocabulary", &["units", "model"]),
    (
        "judgement",
        &["stats", "series", "promql", "slo", "capacity", "ops", "resilience", "report", "import"],
    ),
    ("hands", &["load", "fault", "probe", "health", "metrics", "tsdb", "store"]),
    ("conductors", &["drill", "serve"]),
    ("surface", &["evenkeel"]),
];

const JUDGEMENT: usize = 1;
const HANDS: usize = 2;
const SURFACE: usize = 4;

/// Beside the layers: what each may use. Only the surface uses them, and tests from the hands up.
const ASIDE: &[(&str, &[&str])] =
    &[("shop", &["units", "resilience", "health"]), ("sink", &["units"]), ("xtask", &[])];

/// Runtimes, sockets, databases and system calls, none of which judgement may know.
const IO: &[&str] = &[
    "async-std",
    "axum",
    "hyper",
    "hyper-util",
    "libc",
    "mio",
    "netlink-sys",
    "nix",
    "polling",
    "reqwest",
    "rusqlite",
    "rustix",
    "smol",
    "socket2",
    "sqlx",
    "tokio",
    "tokio-postgres",
    "tonic",
    "ureq",
];

/// SQL is spoken through one crate, so that one set of queries runs on every engine.
const OTHER_SQL: &[&str] = &[
    "deadpool-postgres",
    "diesel",
    "duckdb",
    "libsql",
    "libsqlite3-sys",
    "mysql",
    "mysql_async",
    "postgres",
    "rusqlite",
    "sea-orm",
    "tokio-postgres",
    "tokio-rusqlite",
];

/// What Cargo says about a member of the workspace.
#[derive(Clone, Debug)]
pub(super) struct Package {
    name: String,
    manifest: String,
    dependencies: Vec<Dependency>,
}

#[derive(Clone, Debug)]
struct Dependency {
    name: String,
    for_tests: bool,
    optional: bool,
}

/// Asks Cargo, which reads manifests only.
pub(super) fn packages(root: &Path) -> Result<Vec<Package>> {
    let output = Command::new(env!("CARGO"))
        .current_dir(root)
        .args(["metadata", "--format-version=1", "--offline", "--no-deps"])
        .output()
        .context("cannot run cargo metadata")?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "cargo metadata failed: {complaint}");
    let said: Value = serde_json::from_slice(&output.stdout)?;
    let top = said["workspace_root"].as_str().context("no workspace root")?;
    let members = said["packages"].as_array().context("no packages")?;
    members.iter().map(|member| package(member, top).context("a package lacks a key")).collect()
}

fn package(said: &Value, root: &str) -> Option<Package> {
    let dependencies = said["dependencies"].as_array()?.iter().map(|it| {
        Some(Dependency {
            name: it["name"].as_str()?.to_owned(),
            for_tests: it["kind"].as_str() == Some("dev"),
            optional: it["optional"].as_bool()?,
        })
    });
    let manifest = said["manifest_path"].as_str()?;
    Some(Package {
        name: said["name"].as_str()?.to_owned(),
        manifest: manifest.strip_prefix(root)?.trim_start_matches('/').to_owned(),
        dependencies: dependencies.collect::<Option<_>>()?,
    })
}

/// Every rule about who depends on whom.
pub(super) fn rules(packages: &[Package], files: &Files) -> Vec<Violation> {
    let mut found = Vec::new();
    for package in packages {
        let own = short(&package.name);
        let mut wrong = |line, message| {
            found.push(Violation::new(&package.manifest, line, message));
        };
        let folder = package.manifest.trim_end_matches("/Cargo.toml").rsplit('/').next();
        if folder != Some(own) {
            wrong(1, format!("the folder of `{}` must be called `{own}`", package.name));
        }
        if rank(own).is_none() && !ASIDE.iter().any(|(name, _)| *name == own) {
            wrong(1, format!("`{own}` has no layer: give it one in xtask/src/tidy/layers.rs"));
            continue;
        }
        let manifest = files.get(&package.manifest).map_or("", String::as_str);
        let lines = places(manifest);
        for dependency in &package.dependencies {
            if let Some(message) = judge(own, dependency) {
                wrong(lines.get(dependency.name.as_str()).copied().unwrap_or(1), message);
            }
        }
    }
    found
}

fn judge(own: &str, dependency: &Dependency) -> Option<String> {
    let name = dependency.name.as_str();
    let layer = rank(own);
    if OTHER_SQL.contains(&name) {
        return Some(format!("`{name}` speaks SQL beside sqlx: use sqlx"));
    }
    if name == "evenkeel" || name.starts_with("evenkeel-") {
        return arrow(own, short(name), dependency.for_tests);
    }
    let behind_a_feature = own == "resilience" && dependency.optional;
    let pure = layer.is_some_and(|it| it <= JUDGEMENT);
    (pure && IO.contains(&name) && !dependency.for_tests && !behind_a_feature).then(|| {
        format!(
            "`{own}` is judgement, and `{name}` does IO: move the IO into a hand or a conductor"
        )
    })
}

/// What is wrong with an arrow between two crates of the house.
fn arrow(own: &str, theirs: &str, for_tests: bool) -> Option<String> {
    if let Some((_, allowed)) = ASIDE.iter().find(|(name, _)| *name == own) {
        return (!allowed.contains(&theirs))
            .then(|| format!("`{own}` stands aside and may use only {allowed:?}, not `{theirs}`"));
    }
    let layer = rank(own)?;
    let Some(other) = rank(theirs) else {
        let allowed = layer == SURFACE || (for_tests && layer >= HANDS);
        return (!allowed).then(|| {
            format!("`{theirs}` stands aside: only `evenkeel` uses it, and tests from the hands up")
        });
    };
    if other > layer {
        return Some(format!(
            "`{own}` ({}) -> `{theirs}` ({}) points up: turn the arrow, or let a higher crate bring them together",
            LAYERS[layer].0, LAYERS[other].0
        ));
    }
    (layer == HANDS && other == HANDS).then(|| {
        format!(
            "`{own}` and `{theirs}` are hands and must be strangers: let them meet in a conductor"
        )
    })
}

fn short(name: &str) -> &str {
    name.strip_prefix("evenkeel-").unwrap_or(name)
}

fn rank(name: &str) -> Option<usize> {
    LAYERS.iter().position(|(_, names)| names.contains(&name))
}

/// On which line of a manifest each dependency stands.
fn places(manifest: &str) -> BTreeMap<&str, usize> {
    let end = |c: char| c == '.' || c == '=' || c.is_whitespace();
    (1..)
        .zip(manifest.lines())
        .filter(|(_, line)| !line.starts_with('['))
        .filter_map(|(number, line)| Some((line.split(end).next()?, number)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(package: &str, dependencies: &[(&str, bool, bool)]) -> Vec<String> {
        let dependencies = dependencies
            .iter()
            .map(|&(name, for_tests, optional)| Dependency {
                name: name.to_owned(),
                for_tests,
                optional,
            })
            .collect();
        let manifest = format!("crates/{}/Cargo.toml", short(package));
        let package = Package { name: package.to_owned(), manifest, dependencies };
        rules(&[package], &Files::new()).into_iter().map(|it| it.message).collect()
    }

    #[test]
    fn an_arrow_up_is_found_also_from_a_test() {
        let found = messages(
            "evenkeel-stats",
            &[("evenkeel-drill", false, false), ("evenkeel-load", true, false)],
        );
        assert!(found.len() == 2 && found.iter().all(|it| it.contains("points up")), "{found:?}");
    }

    #[test]
    fn an_arrow_down_is_fine() {
        let down = [("evenkeel-units", false, false), ("evenkeel-stats", false, false)];
        assert_eq!(messages("evenkeel-load", &down), [""; 0]);
    }

    #[test]
    fn hands_that_shake_are_found() {
        let found = messages("evenkeel-load", &[("evenkeel-fault", false, false)]);
        assert!(found[0].contains("must be strangers"), "{found:?}");
    }

    #[test]
    fn io_in_judgement_is_found_except_in_its_tests() {
        for name in IO {
            assert_eq!(messages("evenkeel-model", &[(name, false, false)]).len(), 1, "{name}");
        }
        assert_eq!(messages("evenkeel-model", &[("tokio", true, false)]), [""; 0]);
        assert_eq!(messages("evenkeel-resilience", &[("tokio", false, true)]), [""; 0]);
        assert_eq!(messages("evenkeel-resilience", &[("tokio", false, false)]).len(), 1);
    }

    #[test]
    fn a_second_way_to_speak_sql_is_found() {
        for name in OTHER_SQL {
            assert_eq!(messages("evenkeel-shop", &[(name, false, false)]).len(), 1, "{name}");
        }
    }

    #[test]
    fn what_stands_aside_keeps_to_itself() {
        assert_eq!(messages("evenkeel-shop", &[("evenkeel-drill", false, false)]).len(), 1);
        assert_eq!(messages("evenkeel-drill", &[("evenkeel-shop", false, false)]).len(), 1);
        assert_eq!(messages("evenkeel-drill", &[("evenkeel-shop", true, false)]), [""; 0]);
        assert_eq!(messages("evenkeel", &[("evenkeel-shop", false, false)]), [""; 0]);
    }

    #[test]
    fn a_crate_without_a_layer_is_found() {
        let found = messages("evenkeel-misc", &[]);
        assert!(found[0].contains("has no layer"), "{found:?}");
    }

    #[test]
    fn a_folder_with_another_name_is_found() {
        let package = Package {
            name: "evenkeel-load".to_owned(),
            manifest: "crates/traffic/Cargo.toml".to_owned(),
            dependencies: Vec::new(),
        };
        assert_eq!(rules(&[package], &Files::new()).len(), 1);
    }

    #[test]
    fn a_violation_points_at_the_line_of_the_dependency() {
        let manifest = "[dependencies]\nserde.workspace = true\ntokio = { workspace = true }\n";
        assert_eq!(places(manifest)["tokio"], 3);
    }
}
