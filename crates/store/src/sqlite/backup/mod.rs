//! What backups, restores, imports and verifications do with a data folder. Called by `crate::backup` alone, which never
//! runs inside a server: they work beside one, or while there is none.

mod load;
mod snapshot;
mod source;
mod state;

pub(crate) use self::load::Loader;
pub(crate) use self::snapshot::{Copy, copy};
pub(crate) use self::source::Source;
pub(crate) use self::state::{look_at_note, retire};
