//! One transaction: begun, run, and ended before its caller goes on. An error rolls it back here and now; left to
//! itself, the driver would do so when the connection is used next.

use sqlx::{Connection, PgConnection, PgPool};

use super::error::RegistryError;

/// Which level a transaction asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    /// The connection's own: `default_transaction_isolation`.
    Default,
    /// SERIALIZABLE, whatever the connection's own is.
    Serializable,
}

/// Runs `body` in a transaction. What it returns is committed, and an error is rolled back.
pub(super) async fn transaction<T>(
    pool: &PgPool,
    level: Level,
    body: impl AsyncFnOnce(&mut PgConnection) -> Result<T, RegistryError>,
) -> Result<T, RegistryError> {
    let mut connection = pool.acquire().await?;
    let mut transaction = match level {
        Level::Default => connection.begin().await?,
        Level::Serializable => connection.begin_with("BEGIN ISOLATION LEVEL SERIALIZABLE").await?,
    };
    match body(&mut transaction).await {
        Ok(value) => match transaction.commit().await {
            Ok(()) => Ok(value),
            Err(error) => {
                // The driver has queued a ROLLBACK behind the failed COMMIT: it is sent before anything else begins.
                let _ = connection.ping().await;
                Err(RegistryError::at_commit(error))
            }
        },
        Err(error) => {
            // The error that ended the transaction is the one to tell, not one of the way out.
            let _ = transaction.rollback().await;
            Err(error)
        }
    }
}
