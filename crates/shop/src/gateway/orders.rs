//! Orders on disk: written before anybody is asked for anything, so that none is forgotten.
//!
//! ```text
//!  checkout ─▶ pending ──stock and payment agree──▶ confirmed
//!                 │  ▲
//!                 │  └── neighbour is down: again later, same key
//!                 └──sold out or declined──▶ rejected
//! ```
//!
//! All gateways share one file, so that any of them finishes what another began and was killed over.

use std::path::Path;

use sqlx::FromRow as _;
use sqlx::sqlite::SqliteRow;

use crate::database::Database;
use crate::error::ShopError;

/// An order as it is kept.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    /// Also the idempotency key towards inventory and payment.
    pub(crate) id: String,
    pub(crate) product: i64,
    pub(crate) quantity: i64,
    pub(crate) card: String,
    pub(crate) amount_cents: i64,
}

/// Where an order stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Pending,
    Confirmed,
    Rejected(String),
}

/// The file of orders.
#[derive(Clone, Debug)]
pub(crate) struct Orders {
    pub(crate) database: Database,
}

/// Makes the tables of orders.
pub(crate) async fn prepare(database: &Database) -> Result<(), ShopError> {
    database
        .make(&[
            "CREATE TABLE IF NOT EXISTS orders (
                id TEXT PRIMARY KEY, product INTEGER NOT NULL, quantity INTEGER NOT NULL,
                card TEXT NOT NULL, amount_cents INTEGER NOT NULL, state TEXT NOT NULL,
                reason TEXT, attempts INTEGER NOT NULL DEFAULT 0, due_ms INTEGER NOT NULL
             ) WITHOUT ROWID",
            "CREATE INDEX IF NOT EXISTS orders_due ON orders (due_ms) WHERE state = 'pending'",
        ])
        .await
}

impl Orders {
    pub(crate) async fn open(folder: &Path) -> Result<Self, ShopError> {
        Ok(Self { database: Database::open(folder, "gateway.db").await? })
    }

    /// Writes a pending order down, unless its id is known; the queue takes it up at `due_ms`.
    pub(crate) async fn accept(&self, order: &Order, due_ms: i64) -> Result<(), sqlx::Error> {
        sqlx::query(
            "INSERT INTO orders (id, product, quantity, card, amount_cents, state, due_ms)
             VALUES (?, ?, ?, ?, ?, 'pending', ?) ON CONFLICT (id) DO NOTHING",
        )
        .bind(&order.id)
        .bind(order.product)
        .bind(order.quantity)
        .bind(&order.card)
        .bind(order.amount_cents)
        .bind(due_ms)
        .execute(self.database.pool())
        .await
        .map(|_| ())
    }

    /// Writes down how an order ended.
    pub(crate) async fn settle(&self, id: &str, standing: &Standing) -> Result<(), sqlx::Error> {
        let (state, reason) = match standing {
            Standing::Pending => return Ok(()),
            Standing::Confirmed => ("confirmed", None),
            Standing::Rejected(reason) => ("rejected", Some(reason)),
        };
        sqlx::query("UPDATE orders SET state = ?, reason = ? WHERE id = ? AND state = 'pending'")
            .bind(state)
            .bind(reason)
            .bind(id)
            .execute(self.database.pool())
            .await
            .map(|_| ())
    }

    /// Where an order stands, and whether it is known at all.
    pub(crate) async fn find(&self, id: &str) -> Result<Option<(Order, Standing)>, sqlx::Error> {
        let row = sqlx::query(
            "SELECT id, product, quantity, card, amount_cents, state, reason
             FROM orders WHERE id = ?",
        )
        .bind(id)
        .fetch_optional(self.database.pool())
        .await?;
        let Some(row) = row else { return Ok(None) };
        let (id, product, quantity, card, amount_cents, state, reason) =
            <(String, i64, i64, String, i64, String, Option<String>)>::from_row(&row)?;
        let standing = match state.as_str() {
            "confirmed" => Standing::Confirmed,
            "rejected" => Standing::Rejected(reason.unwrap_or_default()),
            _ => Standing::Pending,
        };
        Ok(Some((Order { id, product, quantity, card, amount_cents }, standing)))
    }

    /// Takes up to `count` orders that are due and lends them to the caller until `again_ms`, with how
    /// often each has been tried.
    pub(crate) async fn take_due(
        &self,
        now_ms: i64,
        again_ms: i64,
        count: u32,
    ) -> Result<Vec<(Order, u32)>, sqlx::Error> {
        // Reading first spares the shared file a writer every time there is nothing to do.
        let any: bool = sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM orders WHERE state = 'pending' AND due_ms <= ?)",
        )
        .bind(now_ms)
        .fetch_one(self.database.pool())
        .await?;
        if !any {
            return Ok(Vec::new());
        }
        let rows: Vec<SqliteRow> = sqlx::query(
            "UPDATE orders SET due_ms = ?2, attempts = attempts + 1 WHERE id IN (
                SELECT id FROM orders WHERE state = 'pending' AND due_ms <= ?1
                ORDER BY due_ms LIMIT ?3)
             RETURNING id, product, quantity, card, amount_cents, attempts",
        )
        .bind(now_ms)
        .bind(again_ms)
        .bind(count)
        .fetch_all(self.database.pool())
        .await?;
        rows.iter()
            .map(|row| {
                let (id, product, quantity, card, amount_cents, attempts) =
                    <(String, i64, i64, String, i64, u32)>::from_row(row)?;
                Ok((Order { id, product, quantity, card, amount_cents }, attempts))
            })
            .collect()
    }

    /// Puts an order back until `due_ms`.
    pub(crate) async fn postpone(&self, id: &str, due_ms: i64) -> Result<(), sqlx::Error> {
        sqlx::query("UPDATE orders SET due_ms = ? WHERE id = ? AND state = 'pending'")
            .bind(due_ms)
            .bind(id)
            .execute(self.database.pool())
            .await
            .map(|_| ())
    }

    /// How many orders wait.
    pub(crate) async fn waiting(&self) -> Result<i64, sqlx::Error> {
        sqlx::query_scalar("SELECT count(*) FROM orders WHERE state = 'pending'")
            .fetch_one(self.database.pool())
            .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_due_order_is_lent_to_one_gateway_at_a_time_and_ends_once() {
        let folder = tempfile::tempdir().unwrap();
        let orders = Orders::open(folder.path()).await.unwrap();
        prepare(&orders.database).await.unwrap();
        let order = Order {
            id: "a".to_owned(),
            product: 1,
            quantity: 2,
            card: "on file".to_owned(),
            amount_cents: 10,
        };
        orders.accept(&order, 100).await.unwrap();
        orders.accept(&Order { quantity: 9, ..order.clone() }, 50).await.unwrap();
        assert!(orders.take_due(99, 200, 8).await.unwrap().is_empty());
        let taken = orders.take_due(100, 200, 8).await.unwrap();
        assert_eq!((taken.len(), taken[0].0.quantity, taken[0].1), (1, 2, 1));
        assert!(orders.take_due(150, 200, 8).await.unwrap().is_empty(), "it is lent until 200");
        orders.settle("a", &Standing::Confirmed).await.unwrap();
        orders.settle("a", &Standing::Rejected("late".to_owned())).await.unwrap();
        assert_eq!(orders.find("a").await.unwrap().unwrap().1, Standing::Confirmed);
        assert_eq!(orders.waiting().await.unwrap(), 0);
    }
}
