//! The one memory of the layer: open files, what of them is not synced, names that are not durable
//! yet, and the cut itself. A lock around it makes every call whole: either before the cut or not.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use libc::c_int;

use crate::disk::{self, Inode};
use crate::rng::Rng;
use crate::settings::{Mode, Settings};
use crate::undo::{File, Luck, Tally};

/// A change of a name that is not durable before its folder is synced.
#[derive(Debug)]
enum Naming {
    Created { name: String },
    Removed { name: String, saved: Option<String> },
    Renamed { from: String, to: String, saved: Option<String> },
}

/// What a descriptor of the program stands for.
#[derive(Clone, Copy, Debug)]
enum Open {
    File { inode: Inode, appends: bool },
    Folder,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) settings: Settings,
    open: HashMap<c_int, Open>,
    files: HashMap<Inode, File>,
    namings: Vec<Naming>,
    /// Descriptors of a file whose sync failed on another one: the kernel tells each of them once.
    owed: HashMap<c_int, c_int>,
    /// Writes and syncs so far.
    calls: u64,
    syncs: u64,
    saved: u64,
}

/// What a sync is to answer.
pub(crate) enum Sync {
    /// Do it and answer as the kernel does.
    Real,
    /// Say that it is done.
    Pretend,
    /// Fail with this errno.
    Fail(c_int),
}

static STATE: LazyLock<Option<Mutex<State>>> = LazyLock::new(|| {
    let settings = Settings::read()?;
    if let Some(trigger) = settings.trigger.clone() {
        std::thread::spawn(move || {
            let fd = disk::open(&trigger, libc::O_RDONLY | libc::O_CLOEXEC, 0);
            let mut byte = 0_u8;
            let read = unsafe { libc::syscall(libc::SYS_read, fd, &raw mut byte, 1) };
            if read == 1
                && let Some(mut state) = state()
            {
                state.cut();
            }
        });
    }
    Some(Mutex::new(State {
        settings,
        open: HashMap::new(),
        files: HashMap::new(),
        namings: Vec::new(),
        owed: HashMap::new(),
        calls: 0,
        syncs: 0,
        saved: 0,
    }))
});

/// The state, or none if no folder is watched.
pub(crate) fn state() -> Option<MutexGuard<'static, State>> {
    STATE.as_ref().map(|state| state.lock().unwrap_or_else(PoisonError::into_inner))
}

impl State {
    /// The absolute name, if it lies in the watched folder and can be durable.
    pub(crate) fn watched(&self, name: &str) -> Option<String> {
        let name = match name.starts_with('/') {
            true => name.to_owned(),
            false => format!("{}/{name}", disk::folder_of_process()?),
        };
        let inside = name.strip_prefix(&self.settings.folder)?;
        let known = inside.is_empty() || inside.starts_with('/');
        (known && !name.ends_with("-shm")).then_some(name)
    }

    /// A descriptor was opened; `created` if the name is new.
    pub(crate) fn opened(&mut self, fd: c_int, flags: c_int, created: bool) {
        let Some(name) = disk::path_of(fd).and_then(|name| self.watched(&name)) else { return };
        let Some((inode, is_folder)) = disk::inode(fd) else { return };
        let open = match is_folder {
            true => Open::Folder,
            false => Open::File { inode, appends: flags & libc::O_APPEND != 0 },
        };
        self.open.insert(fd, open);
        if !is_folder {
            self.files.entry(inode).or_insert_with(|| File::new(disk::reopen(fd)));
        }
        if created {
            self.namings.push(Naming::Created { name });
        }
    }

    pub(crate) fn closed(&mut self, fd: c_int) {
        self.open.remove(&fd);
        self.owed.remove(&fd);
    }

    /// Whether the descriptor is a file of the folder.
    pub(crate) fn knows(&self, fd: c_int) -> bool {
        self.open.contains_key(&fd)
    }

    fn file(&mut self, fd: c_int) -> Option<(&mut File, bool)> {
        let Open::File { inode, appends } = *self.open.get(&fd)? else { return None };
        Some((self.files.get_mut(&inode)?, appends))
    }

    /// A write is about to happen, at `offset` or where the descriptor stands.
    pub(crate) fn writes(&mut self, fd: c_int, offset: Option<u64>, bytes: &[u8]) {
        let Some((file, appends)) = self.file(fd) else { return };
        let offset = offset.unwrap_or_else(|| disk::offset(fd, appends));
        file.before_write(offset, bytes);
        self.count();
    }

    pub(crate) fn resizes(&mut self, fd: c_int, size: u64) {
        let Some((file, _)) = self.file(fd) else { return };
        file.before_resize(size);
        self.count();
    }

    /// A sync is asked for.
    pub(crate) fn syncs(&mut self, fd: c_int) -> Sync {
        let Some(open) = self.open.get(&fd).copied() else { return Sync::Real };
        self.count();
        if let Some(errno) = self.owed.remove(&fd) {
            return self.fails(fd, open, errno);
        }
        self.syncs += 1;
        match self.settings.mode {
            Mode::IgnoreSync => return Sync::Pretend,
            Mode::FailSync { at, count, errno } if (at..at + count).contains(&self.syncs) => {
                return self.fails(fd, open, errno);
            }
            _ => {}
        }
        match open {
            Open::Folder => self.namings.clear(),
            Open::File { .. } => {
                if let Some((file, _)) = self.file(fd) {
                    file.synced();
                }
            }
        }
        // What counts as synced is decided here: a true sync would only cost time.
        Sync::Pretend
    }

    /// What was not synced is lost, and every descriptor of the file hears of it, as on Linux.
    fn fails(&mut self, fd: c_int, open: Open, errno: c_int) -> Sync {
        if let Open::File { inode, .. } = open {
            if let Some(file) = self.files.get_mut(&inode) {
                file.sync_failed();
            }
            let same =
                |open: &Open| matches!(open, Open::File { inode: other, .. } if *other == inode);
            let others = self.open.iter().filter(|(other, open)| **other != fd && same(open));
            let others: Vec<c_int> = others.map(|(other, _)| *other).collect();
            self.owed.extend(others.into_iter().map(|other| (other, errno)));
        }
        let name = disk::path_of(fd).unwrap_or_default();
        let name = name.rsplit('/').next().unwrap_or_default();
        self.report(&format!("sync {} of {name} failed with errno {errno}\n", self.syncs));
        Sync::Fail(errno)
    }

    /// A name is about to be removed: keeps the file by a second link.
    pub(crate) fn removes(&mut self, name: &str) {
        let Some(name) = self.watched(name) else { return };
        let saved = self.save(&name);
        self.namings.push(Naming::Removed { name, saved });
    }

    pub(crate) fn renames(&mut self, from: &str, to: &str) {
        let (Some(from), Some(to)) = (self.watched(from), self.watched(to)) else { return };
        let saved = self.save(&to);
        self.namings.push(Naming::Renamed { from, to, saved });
    }

    fn save(&mut self, name: &str) -> Option<String> {
        self.saved += 1;
        let saved = format!("{}/{}-{}", self.settings.shadow, std::process::id(), self.saved);
        disk::link(name, &saved).then_some(saved)
    }

    /// Counts a write or a sync; the cut may come with it.
    fn count(&mut self) {
        self.calls += 1;
        if self.calls == self.settings.at {
            self.cut();
        }
    }

    fn report(&self, line: &str) {
        if let Some(file) = &self.settings.report {
            disk::report(file, line);
        }
    }

    /// The power is gone.
    fn cut(&mut self) -> ! {
        let mut rng = Rng::new(self.settings.seed);
        let luck = [Luck::None, Luck::AllButLast, Luck::Chance, Luck::Chance][rng.below(4)];
        let keep = rng.below(self.namings.len() + 1);
        let forgotten = self.namings.len() - keep;
        for naming in self.namings.drain(keep..).rev() {
            naming.undo();
        }
        let mut total = Tally::default();
        let mut inodes: Vec<Inode> = self.files.keys().copied().collect();
        inodes.sort_unstable();
        for inode in inodes {
            let Some(file) = self.files.get_mut(&inode) else { continue };
            let tally = file.cut(luck, &mut rng);
            total.kept += tally.kept;
            total.torn += tally.torn;
            total.dropped += tally.dropped;
        }
        if rng.percent(50) {
            disk::unlink(&format!("{}/moorline.db-shm", self.settings.folder));
        }
        let line = format!(
            "cut at call {}: unsynced writes kept {}, torn {}, dropped {}; names forgotten {forgotten}\n",
            self.calls, total.kept, total.torn, total.dropped
        );
        self.report(&line);
        disk::end()
    }
}

impl Naming {
    fn undo(self) {
        match self {
            Naming::Created { name } => disk::unlink(&name),
            Naming::Removed { name, saved } => {
                if let Some(saved) = saved
                    && !disk::exists(&name)
                {
                    disk::link(&saved, &name);
                }
            }
            Naming::Renamed { from, to, saved } => {
                disk::rename(&to, &from);
                if let Some(saved) = saved {
                    disk::link(&saved, &to);
                }
            }
        }
    }
}
