//! What does not depend on a mistake is found beside it, and nothing follows from it.

use super::lint::{RIGHT, with};
use super::{check, findings};

const SERVICE: (&str, &str) =
    ("service: shop\n  objectives: [fast]", "service: nothere\n  objectives: [fats]");

#[test]
fn names_of_nothing_are_found_beside_other_mistakes() {
    let changes = [
        SERVICE,
        ("load: shoppers", "load: shoper"),
        ("chaos: [slow]}", "chaos: [slows]}"),
        ("duration: 30s\n", "duration: 30s\n  sed: 1\n  safety: {timeZone: Europe/Pari}\n"),
        ("{role: recovery,", "{name: faults, role: recovery,"),
    ];
    insta::assert_snapshot!(with(&changes), @r"
    EK-L001 38:12 there is no Service called `nothere` | There are shop.
    EK-L001 39:16 there is no SLO called `fats` | Did you mean `fast`?
    EK-L001 40:9 there is no LoadTest called `shoper` | Did you mean `shoppers`?
    EK-D003 42:3 unknown field `sed` | Did you mean `seed`?
    EK-L014 43:22 `Europe/Pari` is not a time zone | Write a name of the IANA data base, such as `Europe/Paris` or `UTC`.
    EK-L001 45:79 there is no ChaosExperiment called `slows` | Did you mean `slow`?
    EK-D026 46:14 two phases are called `faults` | Give each a name of its own, so that reports can tell them apart.
    ");
}

#[test]
fn what_is_lost_is_not_missed() {
    for (before, after) in [
        // Of the drill.
        ("service: shop\n  obj", "sarvice: shop\n  obj"),
        ("service: shop\n  obj", "service: Shop\n  obj"),
        ("load: shoppers", "load: [shoppers]"),
        ("duration: 30s", "duration: 30"),
        ("objectives: [fast]", "objectives: fast"),
        ("success: {recovery_time", "succes: {recovery_time"),
        ("rate: 100/s, duration: 20s", "rate: 100, duration: 20s"),
        ("rate: 100/s, duration: 20s", "rate: 100/s, duration: 20"),
        ("{role: recovery,", "{role: recovry,"),
        ("  phases:", "  fases:"),
        ("chaos: [slow]", "caos: [slow]"),
        ("metadata: {name: it}", "metadata: {name: It}"),
        ("kind: Drill", "kind: Dril"),
        // Of what it refers to.
        ("url: http://127", "url: ftp://127"),
        ("instances: {gateway-1", "instnces: {gateway-1"),
        ("gateway-2: {port: 7402}", "gateway-2: {port: x}"),
        ("payment: {listen", "payment: {lsten"),
        ("[latency, kill]", "[latncy, kill]"),
        ("allowFaults: [", "allow: ["),
        ("sli: {percentile", "sli: {percntile"),
        ("route: list, sli", "route: list, x: 1, sli"),
        ("routes: [{name: list", "routes: [{nam: list"),
        ("routes: [", "route: ["),
        ("target: {dependency: payment}", "target: {dependncy: payment}"),
        ("at: 2s, duration: 8s", "at: 2, duration: 8s"),
        ("at: 2s, duration: 8s", "at: 2s, duration: 8"),
        ("mode: one", "mode: some"),
        ("maxDuration: 1m", "maxDuration: 1"),
        ("abort: [", "abrt: ["),
        ("50% for 5s", "50 for 5s"),
        ("- kill: {target", "- kil: {target"),
        ("  method:", "  methd:"),
    ] {
        let found = with(&[(before, after)]);
        let is_clean = found.lines().all(|it| it.starts_with("EK-D"));
        assert!(is_clean && !found.is_empty(), "{after}:\n{found}");
    }
    let found =
        with(&[("load: shoppers", "load: [shoppers]"), ("url: http://127", "url: ftp://127")]);
    assert!(!found.contains("EK-L012"), "{found}");
}

#[test]
fn contradictions_are_found_beside_other_mistakes() {
    let slip = ("metadata: {name: it}\nspec:", "metadata: {name: It}\nspec:\n  sed: 1");
    for (code, before, after) in [
        ("EK-L002", "duration: 30s", "duration: 29s"),
        ("EK-L003", "at: 2s, duration: 8s", "at: 13s, duration: 8s"),
        ("EK-L006", "[latency, kill]", "[latency]"),
        ("EK-L008", "dependency: payment", "dependency: paymnt"),
        ("EK-L009", "34%", "30%"),
        ("EK-L011", "route: list", "route: lst"),
        ("EK-L014", "maxDuration: 1m", "timeZone: Europe/Pari"),
        ("EK-L021", "\"< 10s\"", "\"< 10s for 5s\""),
        ("EK-L022", "error_rate > 50% for 5s", "recovery_time > 5s"),
    ] {
        let found = with(&[slip, (before, after)]);
        assert!(found.contains(code), "{code}:\n{found}");
        assert!(!found.contains("EK-W"), "{code}:\n{found}");
    }
}

#[test]
fn equal_names_are_found_although_another_item_is_wrong() {
    let found = with(&[(
        "{role: recovery, shape: {constant: {rate: 100/s",
        "{name: faults, shape: {constant: {rate: 100",
    )]);
    insta::assert_snapshot!(found, @r"
    EK-D026 44:14 two phases are called `faults` | Give each a name of its own, so that reports can tell them apart.
    EK-D006 44:47 `100` has no unit | Write `100/s`, `100/m` or `100/h`.
    ");
}

#[test]
fn documents_inside_a_drill_with_mistakes_are_looked_at() {
    let text = "apiVersion: evenkeel.dev/v1\nkind: Drill\nmetadata: {name: it}\nspec:\n  service: {url: x}\n  objectives: [{service: a, sli: availabilty}]\n  load: {service: b, timeout: 5}\n  phases:\n    - shape: {constant: {rate: 1/s, duration: 5}}\n      chaos: [{safety: {timeZone: c}, method: [kil]}]\n";
    insta::assert_snapshot!(findings(text), @r"
    EK-D027 5:18 `x` is not a URL we can call | Write a URL such as `http://127.0.0.1:8080`.
    EK-L001 6:26 there is no Service called `a` | There is no Service in the files given; add the file that has it.
    EK-D013 6:34 `availabilty` is not an indicator | Did you mean `availability`?
    EK-D025 7:3 one of `routes`, `scenarios` is missing | Give exactly one of them.
    EK-L001 7:19 there is no Service called `b` | There is no Service in the files given; add the file that has it.
    EK-D006 7:31 `5` has no unit | Write a number with its unit (ns, us, ms, s, m, h, d), such as `5ms` or `5s`.
    EK-D006 9:47 `5` has no unit | Write a number with its unit (ns, us, ms, s, m, h, d), such as `5ms` or `5s`.
    EK-L014 10:35 `c` is not a time zone | Write a name of the IANA data base, such as `Europe/Paris` or `UTC`.
    EK-D013 10:48 `kil` is not a fault we know | Did you mean `kill`?
    ");
}

#[test]
fn a_draft_is_no_document() {
    let (library, found) = check(&RIGHT.replace("objectives: [fast]", "objectivs: [fast]"));
    assert_eq!(found.len(), 1);
    assert!(library.drills().is_empty());
    assert_eq!(library.items().len(), 4);
}

#[test]
fn at_most_a_hundred_findings_of_a_file_are_shown() {
    let names = ["nothing"; 400].join(", ");
    let (_, found) = check(&RIGHT.replace("objectives: [fast]", &format!("objectives: [{names}]")));
    assert_eq!(found.len(), 101);
    assert!(found.last().unwrap().message.ends_with(" more findings are not shown"));
}
