//! Names that fail, or lead elsewhere.

use std::collections::BTreeMap;
use std::net::IpAddr;

use evenkeel_model::document::{DnsAnswer, Fault};
use evenkeel_model::yaml::{Entry, Place};

use super::super::draft::Draft;
use super::super::fields::Fields;
use super::super::mesh::dns::name;
use super::assume;

pub(super) fn dns(
    experiment: &str,
    env: &mut Fields<'_>,
    place: Place,
    draft: &mut Draft,
) -> Option<Fault> {
    match experiment {
        "pod-dns-spoof" => spoof(env, place, draft),
        _ => error(env, place, draft),
    }
}

fn error(env: &mut Fields<'_>, place: Place, draft: &mut Draft) -> Option<Fault> {
    env.skip(&["CHAOS_TYPE"]);
    let scheme = env.take("MATCH_SCHEME");
    let Some(entry) = env.take("TARGET_HOSTNAMES") else {
        assume("TARGET_HOSTNAMES", "every name", place, draft);
        return Some(Fault::Dns { names: vec!["*".to_owned()], answer: DnsAnswer::ServFail });
    };
    if let Some(it) = scheme.filter(|it| it.value.text() == Some("substring")) {
        let why = "names are whole here, or everything below one (`*.example`): write `dns` with those that are meant";
        draft.leave(it, why);
        return None;
    }
    let text = entry.value.text().unwrap_or_default();
    let listed = serde_json::from_str::<Vec<String>>(text);
    let listed = listed.unwrap_or_else(|_| text.split(',').map(str::to_owned).collect());
    let mut names: Vec<_> =
        listed.iter().filter_map(|it| name(entry.key_place, it, draft)).collect();
    draft.bound(&mut names, place, "names");
    (!names.is_empty()).then_some(Fault::Dns { names, answer: DnsAnswer::ServFail })
}

fn spoof(env: &mut Fields<'_>, place: Place, draft: &mut Draft) -> Option<Fault> {
    env.skip(&["CHAOS_TYPE"]);
    let Some(entry) = env.take("SPOOF_MAP") else {
        let why = "it does not say which names lead where: write `dns` with `names` and an address as `answer`";
        draft.leave_at(place, "`SPOOF_MAP`", why);
        return None;
    };
    let text = entry.value.text().unwrap_or_default();
    let Ok(map) = serde_json::from_str::<BTreeMap<String, String>>(text) else {
        let help = "Write one such as `{\"a.example\": \"192.0.2.7\"}`.";
        draft.wrong(entry.value.place, "`SPOOF_MAP` is no map of names in JSON", help);
        return None;
    };
    let mut names: BTreeMap<IpAddr, Vec<String>> = BTreeMap::new();
    for (from, to) in &map {
        match to.trim().parse::<IpAddr>() {
            Ok(address) => names.entry(address).or_default().extend(name_of(entry, from, draft)),
            Err(_) => {
                let why =
                    "a name leads to an address here: write `dns` with that address as `answer`";
                draft.leave_at(entry.key_place, format!("`{from}` that leads to `{to}`"), why);
            }
        }
    }
    let mut answers = names.into_iter().filter(|(_, names)| !names.is_empty());
    let (address, mut names) = answers.next()?;
    for (other, _) in answers {
        let why =
            "one fault of names acts at a time: write it as a step of its own, after the other";
        draft.leave_at(entry.key_place, format!("what leads to `{other}`"), why);
    }
    draft.bound(&mut names, place, "names");
    Some(Fault::Dns { names, answer: DnsAnswer::Address(address) })
}

fn name_of(entry: &Entry, text: &str, draft: &mut Draft) -> Option<String> {
    name(entry.key_place, text, draft)
}
