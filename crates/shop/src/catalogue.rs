//! What the shop sells: three dozen products, written into the databases before the first start.

use serde::Serialize;

/// One product, as customers see it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Product {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) category: String,
    pub(crate) price_cents: i64,
    pub(crate) review_count: i64,
    pub(crate) review_average: f64,
}

/// Enough that no drill sells out; a shop that runs out of stock by itself would hide faults.
pub(crate) const STOCK_AT_START: i64 = 1_000_000;

const SHELVES: [(&str, [&str; 6]); 6] = [
    ("kitchen", ["kettle", "teapot", "bread knife", "cast-iron pan", "colander", "rolling pin"]),
    ("garden", ["spade", "watering can", "pruning shears", "rake", "bird feeder", "hose"]),
    ("books", ["atlas", "cookbook", "sea stories", "star chart", "notebook", "field guide"]),
    ("workshop", ["hammer", "hand saw", "spirit level", "chisel", "tape measure", "oil can"]),
    ("boat", ["anchor", "bilge pump", "fender", "rope, 20 m", "signal flag", "oilskin"]),
    ("toys", ["wooden train", "kite", "puzzle", "marbles", "spinning top", "yo-yo"]),
];

/// The whole catalogue, ids from 1.
pub(crate) fn products() -> Vec<Product> {
    let names = SHELVES.iter().flat_map(|(shelf, names)| names.iter().map(move |it| (shelf, it)));
    (1..)
        .zip(names)
        .map(|(id, (category, name))| Product {
            id,
            name: (*name).to_owned(),
            category: (*category).to_owned(),
            price_cents: 495 + id * 137 % 9_000,
            review_count: id * 31 % 200,
            review_average: 3.0 + (id * 7 % 20) as f64 / 10.0,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_product_has_neighbours_in_its_category() {
        let all = products();
        assert_eq!(all.len(), 36);
        for product in &all {
            assert!(all.iter().filter(|it| it.category == product.category).count() > 1);
            assert!((3.0..=5.0).contains(&product.review_average) && product.price_cents > 0);
        }
    }
}
