//! Inventory: how much is there, and who has been promised some of it.
//!
//! A reservation carries the key of its order. Asking twice with one key reserves once, which is what
//! lets gateways retry, and lets a queue finish what a killed gateway began.
//!
//! ```text
//! GET    /stock/{product}      {"available":true,"quantity":17}
//! POST   /reservations         {"key","product","quantity"} → 201, 200 (again), 409 (sold out)
//! DELETE /reservations/{key}   gives the stock back, once
//! ```

use std::path::Path;
use std::sync::Arc;

use hyper::body::Bytes;
use hyper::{Method, Request, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::catalogue::{STOCK_AT_START, products};
use crate::database::Database;
use crate::error::ShopError;
use crate::part::{Answer, Part, broken, unknown};
use crate::serve::{error, reply};

/// What a gateway asks for.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reservation {
    pub(crate) key: String,
    pub(crate) product: i64,
    pub(crate) quantity: i64,
}

/// The process that knows the stock.
#[derive(Debug)]
pub(crate) struct Inventory {
    database: Database,
}

/// Makes the tables and fills the shelves.
pub(crate) async fn prepare(folder: &Path) -> Result<(), ShopError> {
    let database = Database::open(folder, "inventory.db").await?;
    database
        .make(&[
            "CREATE TABLE IF NOT EXISTS stock (
                product INTEGER PRIMARY KEY, quantity INTEGER NOT NULL CHECK (quantity >= 0))",
            "CREATE TABLE IF NOT EXISTS reservation (
                key TEXT PRIMARY KEY, product INTEGER NOT NULL, quantity INTEGER NOT NULL,
                released INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID",
        ])
        .await?;
    let fill = async {
        let mut transaction = database.pool().begin().await?;
        for product in products() {
            sqlx::query("INSERT OR IGNORE INTO stock (product, quantity) VALUES (?, ?)")
                .bind(product.id)
                .bind(STOCK_AT_START)
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await
    };
    fill.await.map_err(|it| database.blame(it))?;
    database.close().await;
    Ok(())
}

enum Reserved {
    Now,
    Before,
    SoldOut,
}

impl Inventory {
    pub(crate) async fn open(folder: &Path) -> Result<Self, ShopError> {
        Ok(Self { database: Database::open(folder, "inventory.db").await? })
    }

    async fn stock(&self, product: i64) -> Result<Option<i64>, sqlx::Error> {
        sqlx::query_scalar("SELECT quantity FROM stock WHERE product = ?")
            .bind(product)
            .fetch_optional(self.database.pool())
            .await
    }

    async fn reserve(&self, wish: &Reservation) -> Result<Reserved, sqlx::Error> {
        let mut transaction = self.database.pool().begin().await?;
        let first = sqlx::query(
            "INSERT INTO reservation (key, product, quantity) VALUES (?, ?, ?)
             ON CONFLICT (key) DO NOTHING",
        )
        .bind(&wish.key)
        .bind(wish.product)
        .bind(wish.quantity)
        .execute(&mut *transaction)
        .await?;
        if first.rows_affected() == 0 {
            return Ok(Reserved::Before);
        }
        let taken = sqlx::query(
            "UPDATE stock SET quantity = quantity - ?2 WHERE product = ?1 AND quantity >= ?2",
        )
        .bind(wish.product)
        .bind(wish.quantity)
        .execute(&mut *transaction)
        .await?;
        if taken.rows_affected() == 0 {
            return Ok(Reserved::SoldOut); // Dropping the transaction takes the reservation back.
        }
        transaction.commit().await?;
        Ok(Reserved::Now)
    }

    async fn release(&self, key: &str) -> Result<(), sqlx::Error> {
        let mut transaction = self.database.pool().begin().await?;
        let held: Option<(i64, i64)> = sqlx::query_as(
            "UPDATE reservation SET released = 1 WHERE key = ? AND released = 0
             RETURNING product, quantity",
        )
        .bind(key)
        .fetch_optional(&mut *transaction)
        .await?;
        if let Some((product, quantity)) = held {
            sqlx::query("UPDATE stock SET quantity = quantity + ?2 WHERE product = ?1")
                .bind(product)
                .bind(quantity)
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await
    }

    async fn answer_stock(&self, product: &str) -> Answer {
        let response = match product.parse() {
            Err(_) => error(StatusCode::NOT_FOUND, "a product is a number"),
            Ok(id) => match self.stock(id).await {
                Ok(Some(quantity)) => reply(
                    StatusCode::OK,
                    &json!({ "available": quantity > 0, "quantity": quantity }),
                ),
                Ok(None) => error(StatusCode::NOT_FOUND, format!("no product {id}")),
                Err(it) => broken(&it),
            },
        };
        Answer { route: "/stock/{product}", response }
    }

    async fn answer_reserve(&self, body: &Bytes) -> Answer {
        let response = match serde_json::from_slice::<Reservation>(body) {
            Err(it) => error(StatusCode::BAD_REQUEST, it.to_string()),
            Ok(wish) if wish.quantity < 1 => {
                error(StatusCode::BAD_REQUEST, "a quantity is at least 1")
            }
            Ok(wish) => match self.reserve(&wish).await {
                Ok(Reserved::Now) => reply(StatusCode::CREATED, &json!({ "reserved": true })),
                Ok(Reserved::Before) => reply(StatusCode::OK, &json!({ "reserved": true })),
                Ok(Reserved::SoldOut) => error(StatusCode::CONFLICT, "out of stock"),
                Err(it) => broken(&it),
            },
        };
        Answer { route: "/reservations", response }
    }

    async fn answer_release(&self, key: &str) -> Answer {
        let response = match self.release(key).await {
            Ok(()) => reply(StatusCode::OK, &json!({ "reserved": false })),
            Err(it) => broken(&it),
        };
        Answer { route: "/reservations/{key}", response }
    }
}

impl Part for Inventory {
    async fn answer(self: &Arc<Self>, request: Request<Bytes>) -> Answer {
        let path = request.uri().path();
        let segments: Vec<_> = path.split('/').skip(1).collect();
        match (request.method(), segments.as_slice()) {
            (&Method::GET, ["stock", product]) => self.answer_stock(product).await,
            (&Method::POST, ["reservations"]) => self.answer_reserve(request.body()).await,
            (&Method::DELETE, ["reservations", key]) => self.answer_release(key).await,
            (method, _) => unknown(method, path),
        }
    }

    fn database(&self) -> &Database {
        &self.database
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn inventory(folder: &Path) -> Inventory {
        prepare(folder).await.unwrap();
        Inventory::open(folder).await.unwrap()
    }

    #[tokio::test]
    async fn one_key_reserves_once_and_is_given_back_once() {
        let folder = tempfile::tempdir().unwrap();
        let inventory = inventory(folder.path()).await;
        let wish = Reservation { key: "a".to_owned(), product: 1, quantity: 3 };
        assert!(matches!(inventory.reserve(&wish).await, Ok(Reserved::Now)));
        assert!(matches!(inventory.reserve(&wish).await, Ok(Reserved::Before)));
        assert_eq!(inventory.stock(1).await.unwrap(), Some(STOCK_AT_START - 3));
        inventory.release("a").await.unwrap();
        inventory.release("a").await.unwrap();
        assert_eq!(inventory.stock(1).await.unwrap(), Some(STOCK_AT_START));
    }

    #[tokio::test]
    async fn what_is_not_there_is_not_reserved_and_the_key_stays_free() {
        let folder = tempfile::tempdir().unwrap();
        let inventory = inventory(folder.path()).await;
        let greedy = Reservation { key: "b".to_owned(), product: 1, quantity: STOCK_AT_START + 1 };
        assert!(matches!(inventory.reserve(&greedy).await, Ok(Reserved::SoldOut)));
        let modest = Reservation { quantity: 1, ..greedy };
        assert!(matches!(inventory.reserve(&modest).await, Ok(Reserved::Now)));
    }
}
