//! A power cut for one process, as a library to preload (`LD_PRELOAD`).
//!
//! It stands between a program and the C library for files under one folder: everything is passed
//! on, and remembered until it is synced. At the cut it puts the files back to what was synced plus
//! a random part of what was not, some of it torn inside a page, and ends the process at once.
//!
//! | variable | meaning |
//! | --- | --- |
//! | `POWERCUT_FOLDER` | the folder, absolute, without links; nothing else is touched |
//! | `POWERCUT_SHADOW` | an existing folder beside it, on the same file system, for what unlink and rename remove |
//! | `POWERCUT_SEED` | decides what survives |
//! | `POWERCUT_AT` | the cut comes with this write or sync, counted from 1 |
//! | `POWERCUT_TRIGGER` | a FIFO: the cut comes when somebody writes into it |
//! | `POWERCUT_MODE` | `normal`, `ignore-sync` (syncs do nothing, as on a lying disk), `fail-sync` |
//! | `POWERCUT_FAIL_AT`, `POWERCUT_FAIL_COUNT`, `POWERCUT_FAIL_WITH` | the sync that fails first, how many fail, `EIO` or `ENOSPC` |
//! | `POWERCUT_REPORT` | a file outside of the folder that gets one line a cut or failed sync |
//!
//! A file's new name is durable when its folder was synced, not before. Memory maps are not seen:
//! SQLite's `-shm` is left out and at the cut sometimes deleted, as after a real one.

mod calls;
mod disk;
mod rng;
mod settings;
mod state;
mod undo;
