//! The environment of the process, read once at the first call.

use std::env;
use std::ffi::CString;

/// What syncs do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Normal,
    IgnoreSync,
    /// From this sync on, so many fail with this errno.
    FailSync {
        at: u64,
        count: u64,
        errno: i32,
    },
}

#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) folder: String,
    pub(crate) shadow: String,
    pub(crate) seed: u64,
    pub(crate) at: u64,
    pub(crate) trigger: Option<CString>,
    pub(crate) report: Option<CString>,
    pub(crate) mode: Mode,
}

fn number(name: &str, default: u64) -> u64 {
    env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

impl Settings {
    /// None without a folder: then the library only passes on.
    pub(crate) fn read() -> Option<Self> {
        let folder = env::var("POWERCUT_FOLDER").ok().filter(|folder| folder.starts_with('/'))?;
        let path = |name| env::var(name).ok().and_then(|text| CString::new(text).ok());
        let mode = match env::var("POWERCUT_MODE").as_deref() {
            Ok("ignore-sync") => Mode::IgnoreSync,
            Ok("fail-sync") => Mode::FailSync {
                at: number("POWERCUT_FAIL_AT", 1),
                count: number("POWERCUT_FAIL_COUNT", 1),
                errno: match env::var("POWERCUT_FAIL_WITH").as_deref() {
                    Ok("ENOSPC") => libc::ENOSPC,
                    _ => libc::EIO,
                },
            },
            _ => Mode::Normal,
        };
        Some(Self {
            shadow: env::var("POWERCUT_SHADOW").unwrap_or_else(|_| format!("{folder}.shadow")),
            folder,
            seed: number("POWERCUT_SEED", 0),
            at: number("POWERCUT_AT", u64::MAX),
            trigger: path("POWERCUT_TRIGGER"),
            report: path("POWERCUT_REPORT"),
            mode,
        })
    }
}
