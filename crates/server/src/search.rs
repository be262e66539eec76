//! A search, the same by the command and by HTTP: bounds, the cursor, and the answer. Finding is the store's.

use moorline_chat::{Chat, Error};
use moorline_protocol::{Hits, Search, SearchSort, UserId};

/// Hits in a page where nobody names a number.
const HITS: u64 = 50;
/// Most hits in a page.
const MOST: u64 = 100;

/// What a person finds; `id` is the command's, if it is one.
pub(crate) async fn search(
    chat: &Chat,
    user: &UserId,
    id: Option<u64>,
    search: Search,
) -> Result<Hits, Error> {
    let Search { query, room, sort, after, limit } = search;
    let limit = usize::try_from(limit.unwrap_or(HITS).clamp(1, MOST)).unwrap_or(1);
    let sort: SearchSort = sort.unwrap_or_default();
    let after = after.map(|after| after.parse()).transpose()?;
    let asked = moorline_store::Search { query, room, sort, after, limit };
    let found = chat.store().search(user, &asked).await?;
    let moorline_store::Hits { hits, more, after, partial, behind_ms, upto, people } = found;
    let after = after.map(|after| after.to_string());
    Ok(Hits { id, hits, more, after, partial, behind_ms, upto, people })
}
