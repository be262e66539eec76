//! What the answer to a `hello` is made of, in one snapshot.

use deadpool_postgres::Object;
use moorline_protocol::{Position, RoomId, UserId};
use tokio_postgres::IsolationLevel;

use super::{Stop, accounts, resume, rooms};
use crate::{ForWelcome, ResumedSome, Rooms};

pub(in crate::postgres) async fn for_welcome(
    db: &mut Object,
    (id, erased): (&UserId, &str),
    limit: usize,
    positions: &[(RoomId, Position)],
) -> Result<ForWelcome, Stop> {
    let snapshot = db
        .build_transaction()
        .isolation_level(IsolationLevel::RepeatableRead)
        .read_only(true)
        .start()
        .await?;
    let user = accounts::user_or_hash(&snapshot, id, erased).await?;
    let (rooms, missed) = match &user {
        Some(user) if !user.removed => tokio::try_join!(
            rooms::rooms_below(&snapshot, id, None, limit),
            resume::resume_some(&snapshot, id, positions),
        )?,
        Some(_) => (Rooms::default(), ResumedSome::default()),
        None => (Rooms::default(), ResumedSome::gone(positions.iter().cloned())),
    };
    snapshot.commit().await?;
    Ok(ForWelcome { user, rooms, missed })
}
