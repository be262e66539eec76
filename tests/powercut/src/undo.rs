//! What one file holds beyond its last sync: how to take it back, and how to let a part survive.

use std::collections::BTreeMap;

use libc::c_int;

use crate::disk;
use crate::rng::Rng;

/// What a disk writes as a whole.
const SECTOR: usize = 512;
/// What the kernel keeps as a whole: a write into a page makes all of it be written again.
const PAGE: u64 = 4096;

/// One change since the last sync.
#[derive(Debug)]
enum Change {
    Write { offset: u64, old: Vec<u8>, new: Vec<u8>, old_size: u64 },
    Resize { old_size: u64, new_size: u64, old_tail: Vec<u8> },
}

/// How much of the unsynced a cut leaves.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Luck {
    /// Nothing.
    None,
    /// All but the last write, which is torn.
    AllButLast,
    /// Each write by chance, some torn.
    Chance,
}

/// A file, known by its inode.
#[derive(Debug)]
pub(crate) struct File {
    /// Our own descriptor for reading and writing.
    own: c_int,
    changes: Vec<Change>,
    /// Old contents of sectors whose sync failed: the kernel calls them clean, the disk has none
    /// of them, and a later sync does not write them again.
    doomed: BTreeMap<u64, Vec<u8>>,
}

/// What a cut did to a file.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) kept: usize,
    pub(crate) torn: usize,
    pub(crate) dropped: usize,
}

impl File {
    pub(crate) fn new(own: c_int) -> Self {
        Self { own, changes: Vec::new(), doomed: BTreeMap::new() }
    }

    /// Remembers what a write is about to replace.
    pub(crate) fn before_write(&mut self, offset: u64, new: &[u8]) {
        let old = disk::read(self.own, offset, new.len());
        let old_size = disk::size(self.own);
        self.changes.push(Change::Write { offset, old, new: new.to_vec(), old_size });
    }

    /// Remembers what a truncation is about to cut off.
    pub(crate) fn before_resize(&mut self, new_size: u64) {
        let old_size = disk::size(self.own);
        let tail = usize::try_from(old_size.saturating_sub(new_size)).unwrap_or(0);
        let old_tail = disk::read(self.own, new_size, tail);
        self.changes.push(Change::Resize { old_size, new_size, old_tail });
    }

    /// Everything written so far is durable.
    pub(crate) fn synced(&mut self) {
        for change in std::mem::take(&mut self.changes) {
            match change {
                Change::Write { offset, new, .. } => {
                    let from = offset - offset % PAGE;
                    let to = (offset + new.len() as u64).next_multiple_of(PAGE);
                    self.doomed.retain(|sector, _| !(from..to).contains(sector));
                }
                Change::Resize { new_size, .. } => {
                    self.doomed.retain(|sector, _| *sector < new_size)
                }
            }
        }
    }

    /// The sync failed: what was written since the last one will never reach the disk.
    pub(crate) fn sync_failed(&mut self) {
        for change in std::mem::take(&mut self.changes).into_iter().rev() {
            if let Change::Write { offset, old, new, .. } = change {
                self.doom(offset, &old, new.len());
            }
        }
    }

    /// Remembers what the sectors under a write held before it. Called from the last write back
    /// to the first, so that the oldest content stays.
    fn doom(&mut self, offset: u64, old: &[u8], length: usize) {
        let end = offset + length as u64;
        let mut at = offset - offset % SECTOR as u64;
        while at < end {
            let own = self.own;
            let before = self.doomed.entry(at).or_insert_with(|| disk::read(own, at, SECTOR));
            for (place, byte) in (at..).zip(before.iter_mut()) {
                if (offset..end).contains(&place) {
                    let place = usize::try_from(place - offset).unwrap_or(0);
                    *byte = old.get(place).copied().unwrap_or(0);
                }
            }
            at += SECTOR as u64;
        }
    }

    /// Puts the file back to its last sync, then lets a part of the rest survive.
    pub(crate) fn cut(&mut self, luck: Luck, rng: &mut Rng) -> Tally {
        for change in self.changes.iter().rev() {
            match change {
                Change::Write { offset, old, old_size, .. } => {
                    disk::write(self.own, *offset, old);
                    if disk::size(self.own) > *old_size {
                        disk::truncate(self.own, *old_size);
                    }
                }
                Change::Resize { old_size, new_size, old_tail } => {
                    disk::truncate(self.own, *old_size);
                    disk::write(self.own, *new_size, old_tail);
                }
            }
        }
        for (sector, old) in &self.doomed {
            disk::write(self.own, *sector, old);
        }
        let mut tally = Tally::default();
        let changes = std::mem::take(&mut self.changes);
        let last = changes.len().saturating_sub(1);
        for (number, change) in changes.iter().enumerate() {
            let fate = match luck {
                Luck::None => Fate::Dropped,
                Luck::AllButLast if number < last => Fate::Kept,
                Luck::AllButLast => Fate::Torn,
                Luck::Chance => Fate::by_chance(rng),
            };
            self.replay(change, fate, rng, &mut tally);
        }
        tally
    }

    fn replay(&self, change: &Change, fate: Fate, rng: &mut Rng, tally: &mut Tally) {
        match (change, fate) {
            (_, Fate::Dropped) => tally.dropped += 1,
            (Change::Resize { new_size, .. }, _) => {
                disk::truncate(self.own, *new_size);
                tally.kept += 1;
            }
            (Change::Write { offset, new, .. }, Fate::Kept) => {
                disk::write(self.own, *offset, new);
                tally.kept += 1;
            }
            (Change::Write { offset, new, .. }, Fate::Torn) => {
                self.tear(*offset, new, rng);
                tally.torn += 1;
            }
        }
    }

    /// Writes some sectors only: the first ones, or any.
    fn tear(&self, offset: u64, new: &[u8], rng: &mut Rng) {
        let lead = SECTOR - usize::try_from(offset % SECTOR as u64).unwrap_or(0);
        let mut pieces = Vec::new();
        let mut from = 0;
        while from < new.len() {
            let to = if from == 0 { lead.min(new.len()) } else { (from + SECTOR).min(new.len()) };
            pieces.push(from..to);
            from = to;
        }
        let prefix = rng.percent(70).then(|| rng.below(pieces.len()));
        for (number, piece) in pieces.into_iter().enumerate() {
            let survives = prefix.map_or_else(|| rng.percent(50), |prefix| number < prefix);
            if survives {
                disk::write(self.own, offset + piece.start as u64, &new[piece]);
            }
        }
    }
}

/// What becomes of one unsynced change.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Kept,
    Torn,
    Dropped,
}

impl Fate {
    fn by_chance(rng: &mut Rng) -> Self {
        match rng.below(4) {
            0 | 1 => Fate::Kept,
            2 => Fate::Torn,
            _ => Fate::Dropped,
        }
    }
}
