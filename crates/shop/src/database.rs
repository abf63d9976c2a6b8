//! The SQLite files of the shop: opened the same way everywhere, light but durable.
//!
//! Write-ahead log with `synchronous = NORMAL`: a killed process loses nothing it has answered for; a
//! power cut may lose the last moments, which a demonstration can bear.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

use crate::error::ShopError;

/// One database file, open.
#[derive(Clone, Debug)]
pub(crate) struct Database {
    file: PathBuf,
    pool: SqlitePool,
}

impl Database {
    /// Opens `name` in `folder`, making it if it is not there.
    pub(crate) async fn open(folder: &Path, name: &str) -> Result<Self, ShopError> {
        let file = folder.join(name);
        let options = SqliteConnectOptions::new()
            .filename(&file)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(Duration::from_secs(2));
        // One connection: SQLite has one writer anyway, and every statement here is short.
        let opened = SqlitePoolOptions::new()
            .max_connections(1)
            .min_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false)
            .connect_with(options)
            .await;
        match opened {
            Ok(pool) => Ok(Self { file, pool }),
            Err(source) => Err(ShopError::Database { file, source }),
        }
    }

    /// Where to send statements.
    pub(crate) fn pool(&self) -> &SqlitePool {
        &self.pool
    }

    /// Names this file in an error.
    pub(crate) fn blame(&self, source: sqlx::Error) -> ShopError {
        ShopError::Database { file: self.file.clone(), source }
    }

    /// Runs statements that make tables, if they are not there yet.
    pub(crate) async fn make(&self, schema: &'static [&'static str]) -> Result<(), ShopError> {
        for statement in schema {
            sqlx::query(*statement).execute(&self.pool).await.map_err(|it| self.blame(it))?;
        }
        Ok(())
    }

    /// Whether the file answers.
    pub(crate) async fn alive(&self) -> Result<(), sqlx::Error> {
        sqlx::query("SELECT 1").execute(&self.pool).await.map(|_| ())
    }

    /// Writes everything back and closes the file.
    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }
}
