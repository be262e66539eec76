//! Erasing a person, step by step: memberships, then what the log holds of them, then their cids, then their id.
//!
//! `moorline-chat` and the commands run it. Nothing of its progress is kept but that it has begun: one that was cut off
//! is begun again from its first step, finds what is still there, and goes on. Several may run for one person at once.

use std::collections::VecDeque;

use moorline_protocol::{RoomId, Seq};

use crate::command::Command;
use crate::upkeep::{CidCursor, EndMembership, EraseCids, EraseEvents, LogPlace, Trace};
use crate::{Erasing, Error, LogCursor, Reply, Store, UPKEEP_STEP};

/// Rooms whose memberships end together.
const ROOMS: usize = 32;

/// One erasing under way.
#[derive(Debug)]
pub struct Eraser {
    store: Store,
    erasing: Erasing,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Memberships,
    /// Every event that holds something of the person was stored before their last membership ended.
    Log {
        after: Option<LogCursor>,
        found: VecDeque<LogPlace>,
    },
    Cids {
        after: Option<CidCursor>,
    },
    Id,
    Done,
}

impl Eraser {
    /// Goes on with an erasing that has begun.
    #[must_use]
    pub fn new(store: Store, erasing: Erasing) -> Self {
        Self { store, erasing, stage: Stage::Memberships }
    }

    /// Does the next piece, in one transaction at most. Answers whether more is to be done.
    ///
    /// # Errors
    /// Where the store cannot do it now; the same step is done by the next call.
    pub async fn step(&mut self, at_ms: u64) -> Result<bool, Error> {
        let next = match &mut self.stage {
            Stage::Memberships => match end_memberships(&self.store, &self.erasing, at_ms).await? {
                true => None,
                false => {
                    Some(Stage::Log { after: Some(LogCursor::default()), found: VecDeque::new() })
                }
            },
            Stage::Log { found, .. } if !found.is_empty() => {
                erase_events(&self.store, &self.erasing, found, at_ms).await?;
                None
            }
            Stage::Log { after: Some(piece), .. } => {
                let traces = self.store.traces(Trace::All(self.erasing.clone()), *piece).await?;
                Some(Stage::Log { after: traces.next, found: traces.places.into() })
            }
            Stage::Log { after: None, .. } => Some(Stage::Cids { after: None }),
            Stage::Cids { after } => {
                let after = after.take();
                Some(match erase_cids(&self.store, &self.erasing, after).await? {
                    None => Stage::Id,
                    next => Stage::Cids { after: next },
                })
            }
            Stage::Id => {
                let end: Reply<()> = self.store.submit(Command::EndErasing(self.erasing.clone()));
                end.await?;
                Some(Stage::Done)
            }
            Stage::Done => return Ok(false),
        };
        if let Some(next) = next {
            self.stage = next;
        }
        Ok(!matches!(self.stage, Stage::Done))
    }
}

/// Answers whether there were any.
async fn end_memberships(store: &Store, erasing: &Erasing, at_ms: u64) -> Result<bool, Error> {
    let rooms = store.rooms_of_erased(erasing.n, ROOMS).await?;
    let end = |room: &RoomId| -> Reply<bool> {
        let (erasing, room) = (erasing.clone(), room.clone());
        store.submit(Command::EndMembership(EndMembership { erasing, room, at_ms }))
    };
    let ends: Vec<Reply<bool>> = rooms.iter().map(end).collect();
    for end in ends {
        end.await?;
    }
    Ok(!rooms.is_empty())
}

/// Takes the first few of one room.
async fn erase_events(
    store: &Store,
    erasing: &Erasing,
    found: &mut VecDeque<LogPlace>,
    at_ms: u64,
) -> Result<(), Error> {
    let Some(room) = found.front().map(|place| place.room.clone()) else { return Ok(()) };
    let seqs: Vec<Seq> = found
        .iter()
        .take_while(|place| place.room == room)
        .take(UPKEEP_STEP)
        .map(|place| place.seq)
        .collect();
    let count = seqs.len();
    let erase = EraseEvents { erasing: erasing.clone(), room, seqs, at_ms };
    let done: Reply<u64> = store.submit(Command::EraseEvents(erase));
    done.await?;
    // Only now, so that a step that failed is done again.
    found.drain(..count);
    Ok(())
}

async fn erase_cids(
    store: &Store,
    erasing: &Erasing,
    after: Option<CidCursor>,
) -> Result<Option<CidCursor>, Error> {
    let found = store.cid_traces(erasing.n, after).await?;
    for cids in found.cids.chunks(UPKEEP_STEP) {
        let erase = EraseCids { erasing: erasing.clone(), cids: cids.to_vec() };
        let done: Reply<u64> = store.submit(Command::EraseCids(erase));
        done.await?;
    }
    Ok(found.next)
}
