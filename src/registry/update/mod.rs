//! An update appends a tag to a version's metadata and raises its `version_lock` by one. Whoever reads the row, changes
//! it in the application and writes it back may overwrite what another session has written in between; each file here is
//! one way to deal with that.

use sqlx::PgConnection;
use sqlx::types::Json;

use crate::retry::Clock;

use super::{Registry, RegistryError, Version};

mod atomic;
mod compare_in_app;
mod for_update;
mod read_modify_write;
mod row_count_ignored;
mod stale_retry;
mod version_lock;

/// How an update of metadata is kept from overwriting another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Guard {
    /// The write asks for the `version_lock` that was read, and is tried again when no row has it.
    VersionLock,
    /// The row is locked when it is read.
    ForUpdate,
    /// One statement reads and writes.
    Atomic,
    /// None at all. Wrong on purpose.
    ReadModifyWrite,
    /// The application compares the `version_lock`, and the write does not. Wrong on purpose.
    CompareInApp,
    /// The write asks for the `version_lock` that was read, and nobody looks whether a row had it. Wrong on purpose.
    RowCountIgnored,
    /// The retry asks for the present `version_lock`, and writes the tags that were read before. Wrong on purpose.
    StaleRetry,
}

impl Guard {
    /// Every guard, the wrong ones last.
    pub const ALL: [Guard; 7] = [
        Self::VersionLock,
        Self::ForUpdate,
        Self::Atomic,
        Self::ReadModifyWrite,
        Self::CompareInApp,
        Self::RowCountIgnored,
        Self::StaleRetry,
    ];
}

pub(super) async fn update<C: Clock>(
    registry: &Registry<C>,
    version: Version,
    tag: &str,
) -> Result<i32, RegistryError> {
    match registry.guards.update {
        Guard::VersionLock => version_lock::update(registry, version, tag).await,
        Guard::ForUpdate => for_update::update(registry, version, tag).await,
        Guard::Atomic => atomic::update(registry, version, tag).await,
        Guard::ReadModifyWrite => read_modify_write::update(registry, version, tag).await,
        Guard::CompareInApp => compare_in_app::update(registry, version, tag).await,
        Guard::RowCountIgnored => row_count_ignored::update(registry, version, tag).await,
        Guard::StaleRetry => stale_retry::update(registry, version, tag).await,
    }
}

/// Whether a read locks what it returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Read {
    /// A plain read, of the statement's or the transaction's snapshot.
    Plain,
    /// A read that locks the row and waits for whoever holds it.
    Locking,
}

/// The tags and the `version_lock` of a version.
async fn read(
    tx: &mut PgConnection,
    version: Version,
    how: Read,
) -> Result<(Vec<String>, i32), RegistryError> {
    let sql = match how {
        Read::Plain => "SELECT tags, version_lock FROM model_metadata WHERE model_id = $1 AND version = $2",
        Read::Locking => {
            "SELECT tags, version_lock FROM model_metadata WHERE model_id = $1 AND version = $2 FOR UPDATE"
        }
    };
    let row: Option<(Json<Vec<String>>, i32)> =
        sqlx::query_as(sql).bind(version.model).bind(version.number).fetch_optional(tx).await?;
    let (Json(tags), lock) = row.ok_or(RegistryError::NoMetadata(version))?;
    Ok((tags, lock))
}

/// Writes tags and `version_lock`, whatever the row holds.
async fn write(
    tx: &mut PgConnection,
    version: Version,
    tags: &[String],
    lock: i32,
) -> Result<(), RegistryError> {
    sqlx::query(
        "UPDATE model_metadata SET tags = $3, version_lock = $4 WHERE model_id = $1 AND version = $2",
    )
    .bind(version.model)
    .bind(version.number)
    .bind(Json(tags))
    .bind(lock)
    .execute(tx)
    .await?;
    Ok(())
}

/// Writes tags where the row still has the `version_lock` that is given, and raises it. Returns how many rows had it:
/// 1 or 0.
async fn write_if_unchanged(
    tx: &mut PgConnection,
    version: Version,
    tags: &[String],
    lock: i32,
) -> Result<u64, RegistryError> {
    let sql = "UPDATE model_metadata SET tags = $3, version_lock = $4 + 1 \
               WHERE model_id = $1 AND version = $2 AND version_lock = $4";
    let query = sqlx::query(sql).bind(version.model).bind(version.number).bind(Json(tags)).bind(lock);
    Ok(query.execute(tx).await?.rows_affected())
}

/// The tags with one more at the end.
fn with(mut tags: Vec<String>, tag: &str) -> Vec<String> {
    tags.push(tag.to_owned());
    tags
}
