//! Recommendations: what else people bought. Nice to have, and the first thing to do without.
//!
//! ```text
//! GET /similar/{product}   {"products":[12,7,9]}
//! GET /users/{user}        {"products":[3,18,30]}
//! ```

use std::path::Path;
use std::sync::Arc;

use hyper::body::Bytes;
use hyper::{Method, Request, StatusCode};
use serde_json::json;

use crate::catalogue::products;
use crate::database::Database;
use crate::error::ShopError;
use crate::part::{Answer, Part, broken, unknown};
use crate::serve::{error, reply};

/// How many products one answer holds.
pub(crate) const SHOWN: u8 = 4;
/// Users with a history of their own; all others are shown what is popular.
const USERS: usize = 50;

/// The process that knows what else people bought.
#[derive(Debug)]
pub(crate) struct Recommendations {
    database: Database,
}

/// Makes the table and fills it with a plausible past.
pub(crate) async fn prepare(folder: &Path) -> Result<(), ShopError> {
    let database = Database::open(folder, "recommendations.db").await?;
    database
        .make(&[
            "CREATE TABLE IF NOT EXISTS purchase (
                user TEXT NOT NULL, product INTEGER NOT NULL, category TEXT NOT NULL,
                PRIMARY KEY (user, product)) WITHOUT ROWID",
            "CREATE INDEX IF NOT EXISTS purchase_by_category ON purchase (category, product)",
            "CREATE TABLE IF NOT EXISTS popular (
                product INTEGER PRIMARY KEY, category TEXT NOT NULL, bought INTEGER NOT NULL)",
        ])
        .await?;
    let fill = async {
        let all = products();
        let mut transaction = database.pool().begin().await?;
        for user in 1..=USERS {
            // Steps that share no factor with the number of products visit different shelves.
            for step in 0..=user % 5 {
                let product = &all[(user * 7 + step * 11) % all.len()];
                sqlx::query("INSERT OR IGNORE INTO purchase VALUES (?, ?, ?)")
                    .bind(user.to_string())
                    .bind(product.id)
                    .bind(&product.category)
                    .execute(&mut *transaction)
                    .await?;
            }
        }
        for product in &all {
            sqlx::query(
                "INSERT OR IGNORE INTO popular
                 SELECT ?1, ?2, count(*) FROM purchase WHERE product = ?1",
            )
            .bind(product.id)
            .bind(&product.category)
            .execute(&mut *transaction)
            .await?;
        }
        transaction.commit().await
    };
    fill.await.map_err(|it| database.blame(it))?;
    database.close().await;
    Ok(())
}

impl Recommendations {
    pub(crate) async fn open(folder: &Path) -> Result<Self, ShopError> {
        Ok(Self { database: Database::open(folder, "recommendations.db").await? })
    }

    async fn similar(&self, product: i64) -> Result<Vec<i64>, sqlx::Error> {
        sqlx::query_scalar(
            "SELECT product FROM popular WHERE product <> ?1
               AND category = (SELECT category FROM popular WHERE product = ?1)
             ORDER BY bought DESC, product LIMIT ?2",
        )
        .bind(product)
        .bind(SHOWN)
        .fetch_all(self.database.pool())
        .await
    }

    async fn personal(&self, user: &str) -> Result<Vec<i64>, sqlx::Error> {
        // What is popular on the shelves this user buys from; for a stranger, on all of them.
        sqlx::query_scalar(
            "SELECT product FROM popular
             ORDER BY category IN (SELECT category FROM purchase WHERE user = ?1) DESC,
                      bought DESC, product LIMIT ?2",
        )
        .bind(user)
        .bind(SHOWN)
        .fetch_all(self.database.pool())
        .await
    }
}

impl Part for Recommendations {
    async fn answer(self: &Arc<Self>, request: Request<Bytes>) -> Answer {
        let path = request.uri().path();
        let segments: Vec<_> = path.split('/').skip(1).collect();
        let (route, found) = match (request.method(), segments.as_slice()) {
            (&Method::GET, ["similar", product]) => match product.parse() {
                Ok(product) => ("/similar/{product}", self.similar(product).await),
                Err(_) => {
                    let response = error(StatusCode::NOT_FOUND, "a product is a number");
                    return Answer { route: "/similar/{product}", response };
                }
            },
            (&Method::GET, ["users", user]) => ("/users/{user}", self.personal(user).await),
            (method, _) => return unknown(method, path),
        };
        let response = match found {
            Ok(products) => reply(StatusCode::OK, &json!({ "products": products })),
            Err(it) => broken(&it),
        };
        Answer { route, response }
    }

    fn database(&self) -> &Database {
        &self.database
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn similar_products_share_the_category_and_strangers_see_what_is_popular() {
        let folder = tempfile::tempdir().unwrap();
        prepare(folder.path()).await.unwrap();
        let part = Recommendations::open(folder.path()).await.unwrap();
        let similar = part.similar(1).await.unwrap();
        assert_eq!(similar.len(), usize::from(SHOWN));
        let all = products();
        for id in similar {
            let product = all.iter().find(|it| it.id == id).unwrap();
            assert_eq!((product.category.as_str(), id == 1), ("kitchen", false));
        }
        assert_eq!(part.personal("nobody").await.unwrap().len(), usize::from(SHOWN));
        assert_ne!(part.personal("nobody").await.unwrap(), part.personal("7").await.unwrap());
    }
}
