//! Tests of reading: every mistake at its place, and what is right as any type has it.

use std::collections::BTreeMap;

use ::serde::Deserialize;

use super::*;

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
struct Shop {
    name: Option<String>,
    shelves: u32,
    share: f64,
    is_open: bool,
    #[serde(alias = "wares")]
    goods: Vec<String>,
    prices: BTreeMap<String, u32>,
    till: Till,
    annex: Option<Box<Shop>>,
    owner: Option<Owner>,
}

#[derive(Debug, Deserialize, PartialEq)]
struct Owner {
    name: String,
    shares: u32,
}

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Till {
    #[default]
    Closed,
    Coins(u32),
    Drawer {
        notes: u32,
    },
}

fn read(text: &str) -> (Option<Shop>, Vec<String>) {
    let mut found = Findings::default();
    let crate::yaml::Text { source, roots, .. } =
        crate::yaml::read("shop.yaml", text.as_bytes().to_vec(), &mut found);
    found.set_source(source);
    let shop = read_into(&roots[0], roots[0].place, &mut found);
    let found = found.into_parts().1;
    let show =
        |it: &crate::Diagnostic| format!("{}:{} {} {}", it.line, it.column, it.code, it.message);
    (shop, found.iter().map(show).collect())
}

#[test]
fn scalars_lists_maps_and_variants_are_read() {
    let text = "name: \"7\"\nshelves: 3\nshare: 1\nis_open: true\ngoods: [tea, no]\nprices: {tea: 4}\n\
                till: {coins: 7}\nannex: {till: {drawer: {notes: 2}}, name: ~}\n";
    let annex = Shop { till: Till::Drawer { notes: 2 }, ..Shop::default() };
    let shop = Shop {
        name: Some("7".to_owned()),
        shelves: 3,
        share: 1.0,
        is_open: true,
        goods: vec!["tea".to_owned(), "no".to_owned()],
        prices: BTreeMap::from([("tea".to_owned(), 4)]),
        till: Till::Coins(7),
        annex: Some(Box::new(annex)),
        owner: None,
    };
    assert_eq!(read(text), (Some(shop), vec![]));
    assert_eq!(read("till: closed\n").0, Some(Shop::default()));
    let thousand = Shop { shelves: 1_000, ..Shop::default() };
    for text in ["1e3", "1000.0", "0x3E8"] {
        assert_eq!(read(&format!("shelves: {text}\n")).0.as_ref(), Some(&thousand), "{text}");
    }
    assert_eq!(read("shelves: 1.5\n").0, None);
}

#[test]
fn every_mistake_is_told_at_its_place_in_one_run() {
    let text = "shelfs: 3\nshelves: many\nshare: {}\nprices: {tea: 4, milk: -1}\ngoods:\n- tea\n- [x]\n\
                till: {drawer: {notes: few}}\nannex: {till: shut, is_open: 1}\n";
    let (shop, found) = read(text);
    assert_eq!(shop, None);
    assert_eq!(
        found,
        [
            "1:1 EK-D003 unknown field `shelfs`",
            "2:10 EK-D005 expected a whole number, 0 or more, found a text `many`",
            "3:1 EK-D005 expected a number, found a map",
            "4:24 EK-D007 a number `-1` is not a whole number, 0 or more",
            "7:3 EK-D005 expected a string, found a list",
            "8:24 EK-D005 expected a whole number, 0 or more, found a text `few`",
            "9:15 EK-D013 `shut` is none of closed, coins, drawer",
            "9:30 EK-D005 expected a boolean, found a number `1`",
        ]
    );
}

#[test]
fn what_is_wrong_is_not_missing_as_well() {
    let (_, found) = read("owner: {name: [], shares: few}\nshelves: few\n");
    assert_eq!(
        found,
        [
            "1:9 EK-D005 expected a string, found a list",
            "1:27 EK-D005 expected a whole number, 0 or more, found a text `few`",
            "2:10 EK-D005 expected a whole number, 0 or more, found a text `few`",
        ]
    );
    let (_, found) = read("owner: {name: Ada}\n");
    assert_eq!(found, ["1:1 EK-D004 the field `shares` is missing"]);
}

#[test]
fn fields_have_names_and_no_order() {
    let (_, found) = read("annex: []\ntill: {drawer: [3]}\n");
    assert_eq!(
        found,
        ["1:1 EK-D005 expected a map, found a list", "2:8 EK-D005 expected a map, found a list"]
    );
}

#[test]
fn a_field_by_both_of_its_names_is_told() {
    let (_, found) = read("goods: [tea]\nwares: []\n");
    assert_eq!(found, ["1:1 EK-D014 `goods` stands here twice, once by another name"]);
}

#[test]
fn a_variant_without_what_it_needs_says_how_it_is_written() {
    let (_, found) = read("till: coins\n");
    assert_eq!(found, ["1:7 EK-D012 `coins` says nothing by itself"]);
    let (_, found) = read("till: {drawer: {}}\n");
    assert_eq!(found, ["1:8 EK-D004 the field `notes` is missing"]);
    let (_, found) = read("till: {coins: 1, closed: }\n");
    assert_eq!(found, ["1:1 EK-D012 expected one of closed, coins, drawer"]);
}

proptest::proptest! {
    #[test]
    fn no_tree_breaks_it(text in "([a-z]{1,3}: |- |\\{|\\}|\\[|\\]|, |till|coins|annex: |[0-9]{1,3}|\n|  ){0,40}") {
        let mut found = Findings::default();
        let roots = crate::yaml::read("any.yaml", text.into_bytes(), &mut found).roots;
        let before = found.count();
        for root in roots {
            let read: Option<Shop> = read_into(&root, root.place, &mut found);
            proptest::prop_assert!(read.is_some() || found.count() > before);
        }
    }
}
