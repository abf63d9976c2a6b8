//! What an `SLA` is made of.

use super::slo::{EXCLUSIONS, exclusions, window};
use crate::decode::codec::{List, Object};
use crate::decode::codes;
use crate::decode::fields::Fields;
use crate::decode::values::{name, prose, some_share};
use crate::document::{CreditTier, Sla};

pub(super) const SPEC: Object<Sla> = Object { title: "SLA", fields: sla };

fn sla(f: &mut Fields<'_>) -> Option<Sla> {
    let description = f.optional("description", "For people.", prose());
    let customer = f.optional("customer", "Who it was promised to.", prose());
    let slo = f.required("slo", "The SLO whose indicator is counted.", name());
    let sentence = "The time for which credit is given. Default: the window of the objective.";
    let window = f.optional("window", sentence, window());
    let tiers = List { of: Object { title: "CreditTier", fields: tier }, min: 1 };
    let sentence = "What is owed, the mildest first; a tier holds down to the `below` of the next.";
    let credits = f.required("credits", sentence, tiers);
    let exclusions = f.or_empty("exclusions", EXCLUSIONS, exclusions());
    let credits = credits?;
    for (n, pair) in credits.windows(2).enumerate() {
        let [milder, worse] = pair else { continue };
        if worse.below >= milder.below {
            let message = format!("{} stands behind {}", worse.below, milder.below);
            let help = "Write the tiers from the largest share down.";
            f.refuse(&format!("credits/{}/below", n + 1), codes::RANGE, message, help);
        } else if worse.credit < milder.credit {
            let message = format!("{} is owed for less than {} is", worse.credit, milder.credit);
            let help = "The less was kept of the promise, the more is owed.";
            f.refuse(&format!("credits/{}/credit", n + 1), codes::RANGE, message, help);
        }
    }
    let (name, exclusions) = (String::new(), exclusions?);
    Some(Sla { name, description, customer, slo: slo?, window, credits, exclusions })
}

fn tier(f: &mut Fields<'_>) -> Option<CreditTier> {
    let below = f.required("below", "Less than this share was good.", some_share());
    let sentence = "The share of what was paid that is given back.";
    let credit = f.required("credit", sentence, some_share());
    Some(CreditTier { below: below?, credit: credit? })
}
