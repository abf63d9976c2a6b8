//! `Resilience`: the policies of the calls to services, which others read.

use serde_json::{Value as Json, json};

use crate::decode::codec::{Codec, Definitions, Named, Object, wrong_sort};
use crate::decode::fields::Fields;
use crate::decode::values::name;
use crate::decode::{Findings, codes};
use crate::document::Resilience;
use crate::yaml::{Node, Place, Sort};

pub(super) const SPEC: Object<Resilience> = Object { title: "ResilienceSpec", fields: resilience };

fn resilience(f: &mut Fields<'_>) -> Option<Resilience> {
    let services = Named { key: name(), of: Policies };
    let sentence = "The services that are called, each with the policies of the calls to it.";
    let services = f.required("services", sentence, services)?;
    if services.is_empty() {
        let help = "Name one, with the policies of the calls to it.";
        f.refuse("services", codes::NOTHING, "there are no services", help);
    }
    let services = services.into_iter().map(|(name, ())| name).collect();
    Some(Resilience { name: String::new(), services })
}

/// The map of the policies of one service. What stands in it is read, and described, by those who know the library.
struct Policies;

impl Codec for Policies {
    type Value = ();

    fn read(&self, node: &Node, at: Place, found: &mut Findings) -> Option<()> {
        if node.sort() == Sort::Map {
            return Some(());
        }
        wrong_sort(node, at, "a map of policies", found);
        None
    }

    fn schema(&self, definitions: &mut Definitions) -> Json {
        let policies = json!({"type": "object", "properties": {}});
        definitions.insert("Policies".to_owned(), policies);
        json!({"$ref": "#/$defs/Policies"})
    }
}
