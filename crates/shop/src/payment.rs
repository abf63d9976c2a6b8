//! Payment: charges a card for an order, once.
//!
//! ```text
//! POST /charges         {"key","card","amount_cents"} → 201, 200 (again), 402 (declined), 409
//! GET  /charges/{key}   {"key","amount_cents"}
//! ```
//!
//! The key is the order's: charging twice with one key charges once, so a caller that got no answer may
//! ask again. The same key with another amount is a caller's mistake and is refused.

use std::path::Path;
use std::sync::Arc;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Method, Request, Response, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::database::Database;
use crate::error::ShopError;
use crate::part::{Answer, Part, broken, unknown};
use crate::serve::{error, reply};

/// What a gateway asks for.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Charge {
    pub(crate) key: String,
    pub(crate) card: String,
    pub(crate) amount_cents: i64,
}

/// The card that is always refused.
pub(crate) const DECLINED: &str = "declined";

/// The process that takes the money.
#[derive(Debug)]
pub(crate) struct Payment {
    database: Database,
}

/// Makes the table.
pub(crate) async fn prepare(folder: &Path) -> Result<(), ShopError> {
    let database = Database::open(folder, "payment.db").await?;
    database
        .make(&[
            "CREATE TABLE IF NOT EXISTS charge (
            key TEXT PRIMARY KEY, card TEXT NOT NULL, amount_cents INTEGER NOT NULL) WITHOUT ROWID",
        ])
        .await?;
    database.close().await;
    Ok(())
}

impl Payment {
    pub(crate) async fn open(folder: &Path) -> Result<Self, ShopError> {
        Ok(Self { database: Database::open(folder, "payment.db").await? })
    }

    async fn charged(&self, key: &str) -> Result<Option<i64>, sqlx::Error> {
        sqlx::query_scalar("SELECT amount_cents FROM charge WHERE key = ?")
            .bind(key)
            .fetch_optional(self.database.pool())
            .await
    }

    /// Charges, and says whether this was the first time.
    async fn charge(&self, charge: &Charge) -> Result<bool, sqlx::Error> {
        let mut transaction = self.database.pool().begin().await?;
        let first = sqlx::query(
            "INSERT INTO charge (key, card, amount_cents) VALUES (?, ?, ?)
             ON CONFLICT (key) DO NOTHING",
        )
        .bind(&charge.key)
        .bind(&charge.card)
        .bind(charge.amount_cents)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(first.rows_affected() == 1)
    }

    async fn answer_charge(&self, charge: &Charge) -> Result<Response<Full<Bytes>>, sqlx::Error> {
        let done = json!({ "key": charge.key, "amount_cents": charge.amount_cents });
        if charge.card == DECLINED {
            return Ok(error(StatusCode::PAYMENT_REQUIRED, "the card was declined"));
        }
        if self.charge(charge).await? {
            return Ok(reply(StatusCode::CREATED, &done));
        }
        Ok(match self.charged(&charge.key).await? {
            Some(amount) if amount == charge.amount_cents => reply(StatusCode::OK, &done),
            _ => error(StatusCode::CONFLICT, "this key was charged with another amount"),
        })
    }
}

impl Part for Payment {
    async fn answer(self: &Arc<Self>, request: Request<Bytes>) -> Answer {
        let path = request.uri().path();
        let segments: Vec<_> = path.split('/').skip(1).collect();
        match (request.method(), segments.as_slice()) {
            (&Method::POST, ["charges"]) => {
                let response = match serde_json::from_slice::<Charge>(request.body()) {
                    Err(it) => error(StatusCode::BAD_REQUEST, it.to_string()),
                    Ok(charge) => {
                        self.answer_charge(&charge).await.unwrap_or_else(|it| broken(&it))
                    }
                };
                Answer { route: "/charges", response }
            }
            (&Method::GET, ["charges", key]) => {
                let response = match self.charged(key).await {
                    Ok(Some(amount)) => {
                        reply(StatusCode::OK, &json!({ "key": key, "amount_cents": amount }))
                    }
                    Ok(None) => error(StatusCode::NOT_FOUND, "never charged"),
                    Err(it) => broken(&it),
                };
                Answer { route: "/charges/{key}", response }
            }
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

    #[tokio::test]
    async fn one_key_is_charged_once_and_only_with_one_amount() {
        let folder = tempfile::tempdir().unwrap();
        prepare(folder.path()).await.unwrap();
        let payment = Payment::open(folder.path()).await.unwrap();
        let charge =
            Charge { key: "a".to_owned(), card: "ends 4242".to_owned(), amount_cents: 1295 };
        let other = Charge { amount_cents: 1, ..charge.clone() };
        let declined = Charge { key: "b".to_owned(), card: DECLINED.to_owned(), ..charge.clone() };
        let mut codes = Vec::new();
        for it in [&charge, &charge, &other, &declined] {
            codes.push(payment.answer_charge(it).await.unwrap().status().as_u16());
        }
        assert_eq!(codes, [201, 200, 409, 402]);
        assert_eq!(payment.charged("a").await.unwrap(), Some(1295));
        assert_eq!(payment.charged("b").await.unwrap(), None);
    }
}
