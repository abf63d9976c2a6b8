//! Tests of the schema of a type: what the type says when it is asked.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "what is read is of no interest")]
struct Shop {
    #[serde(alias = "title")]
    name: String,
    #[serde(default)]
    shelves: u32,
    share: f64,
    #[serde(default)]
    goods: Vec<String>,
    prices: BTreeMap<String, i64>,
    till: Till,
    is_open: Option<bool>,
    annex: Option<Box<Shop>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[expect(dead_code, reason = "what is read is of no interest")]
enum Till {
    Closed,
    Coins(u32),
    Drawer { notes: u32 },
}

#[test]
fn a_type_says_its_fields_their_sorts_and_which_have_no_default() {
    let schema = of_type::<Shop>();
    let whole = json!({"type": "integer", "minimum": 0});
    let of = |name: &str| schema["properties"][name].clone();
    assert_eq!(of("name"), json!({"type": "string"}));
    assert_eq!(of("title"), of("name"), "also by its other name");
    assert_eq!(of("shelves"), whole);
    assert_eq!(of("share"), json!({"type": "number"}));
    assert_eq!(of("goods"), json!({"type": "array", "items": {"type": "string"}}));
    let prices = json!({"type": "object", "additionalProperties": {"type": "integer"}});
    assert_eq!(of("prices"), prices);
    assert_eq!(of("is_open"), json!({"anyOf": [{"type": "boolean"}, {"type": "null"}]}));
    assert_eq!(schema["required"], json!(["name", "share", "prices", "till"]));
    let drawer = json!({
        "type": "object", "additionalProperties": false,
        "properties": {"notes": whole}, "required": ["notes"],
    });
    let map = json!({
        "type": "object", "additionalProperties": false, "minProperties": 1, "maxProperties": 1,
        "properties": {"closed": {"type": "null"}, "coins": whole, "drawer": drawer},
    });
    assert_eq!(of("till"), json!({"anyOf": [{"enum": ["closed"]}, map]}));
}
