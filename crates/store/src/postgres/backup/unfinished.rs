//! The mark of an import that is under way or was interrupted: a table that is there from its beginning to its end. While
//! it is there no node starts on the database, and nothing but the same import goes on with it.

use tokio_postgres::Client;

use crate::postgres::failure::Failure;

/// Makes the table, with what is imported and how far it is.
pub(super) const MAKE: &str = "CREATE TABLE unfinished_import (
         store TEXT NOT NULL,         -- Of the store that is imported.
         generation BIGINT NOT NULL,  -- How new it was: it may not be used meanwhile.
         done BIGINT NOT NULL         -- Rows that are here, in the order of a backup's file.
     )";

/// Whether the mark is there.
pub(super) async fn is_there(client: &Client) -> Result<bool, Failure> {
    let find = "SELECT to_regclass('moorline.unfinished_import') IS NOT NULL";
    Ok(client.query_one(find, &[]).await?.try_get(0)?)
}

/// Ends the start of a node on half a store.
pub(in crate::postgres) async fn refuse_unfinished(client: &Client) -> Result<(), Failure> {
    if !is_there(client).await? {
        return Ok(());
    }
    let why = "it holds an unfinished import; finish it by the same `moorline import` as before, or begin anew with an \
               empty database";
    Err(Failure::Unfit(why.to_owned()))
}
