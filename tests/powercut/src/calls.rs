//! The functions of the C library that programs call, in our form: remember, then pass on.
//!
//! `open` and its kin take a mode only when they create; on the machines that run this, an argument
//! that was not given is a register of no meaning, and the kernel ignores it then.

use std::ffi::CStr;
use std::slice;

use libc::{
    AT_FDCWD, c_char, c_int, c_long, c_uint, c_void, iovec, off_t, size_t, ssize_t, syscall,
};

use crate::disk;
use crate::state::{Sync, state};

fn text(path: *const c_char) -> String {
    if path.is_null() {
        return String::new();
    }
    unsafe { CStr::from_ptr(path) }.to_string_lossy().into_owned()
}

fn int(result: c_long) -> c_int {
    c_int::try_from(result).unwrap_or(-1)
}

/// The name below a folder's descriptor.
fn at(folder: c_int, path: *const c_char) -> String {
    let name = text(path);
    match folder {
        AT_FDCWD => name,
        _ if name.starts_with('/') => name,
        folder => format!("{}/{name}", disk::path_of(folder).unwrap_or_default()),
    }
}

fn open_at(folder: c_int, path: *const c_char, flags: c_int, mode: c_uint) -> c_int {
    let Some(mut state) = state() else {
        return int(unsafe { syscall(libc::SYS_openat, folder, path, flags, mode) });
    };
    let name = at(folder, path);
    let watched = state.watched(&name).is_some();
    let created = watched && flags & libc::O_CREAT != 0 && !disk::exists(&name);
    // A truncation on opening is done by ourselves, so that it can be taken back.
    let empties = watched && flags & libc::O_TRUNC != 0;
    let passed = if empties { flags & !libc::O_TRUNC } else { flags };
    let fd = int(unsafe { syscall(libc::SYS_openat, folder, path, passed, mode) });
    if watched && fd >= 0 {
        state.opened(fd, flags, created);
        if empties {
            state.resizes(fd, 0);
            disk::truncate(fd, 0);
        }
    }
    fd
}

#[unsafe(no_mangle)]
extern "C" fn open(path: *const c_char, flags: c_int, mode: c_uint) -> c_int {
    open_at(AT_FDCWD, path, flags, mode)
}

#[unsafe(no_mangle)]
extern "C" fn open64(path: *const c_char, flags: c_int, mode: c_uint) -> c_int {
    open_at(AT_FDCWD, path, flags | libc::O_LARGEFILE, mode)
}

#[unsafe(no_mangle)]
extern "C" fn openat(folder: c_int, path: *const c_char, flags: c_int, mode: c_uint) -> c_int {
    open_at(folder, path, flags, mode)
}

#[unsafe(no_mangle)]
extern "C" fn openat64(folder: c_int, path: *const c_char, flags: c_int, mode: c_uint) -> c_int {
    open_at(folder, path, flags, mode)
}

#[unsafe(no_mangle)]
extern "C" fn creat(path: *const c_char, mode: c_uint) -> c_int {
    open_at(AT_FDCWD, path, libc::O_CREAT | libc::O_WRONLY | libc::O_TRUNC, mode)
}

#[unsafe(no_mangle)]
extern "C" fn close(fd: c_int) -> c_int {
    // Forgotten before it is closed: the number may be given out again at once.
    if let Some(mut state) = state() {
        state.closed(fd);
    }
    int(unsafe { syscall(libc::SYS_close, fd) })
}

unsafe fn bytes<'a>(buffer: *const c_void, count: size_t) -> &'a [u8] {
    if buffer.is_null() { &[] } else { unsafe { slice::from_raw_parts(buffer.cast(), count) } }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn write(fd: c_int, buffer: *const c_void, count: size_t) -> ssize_t {
    let mut state = state();
    let watched = state.as_mut().is_some_and(|state| state.knows(fd));
    if !watched {
        drop(state); // Sockets and pipes may block; they must not hold the lock.
        return unsafe { syscall(libc::SYS_write, fd, buffer, count) as ssize_t };
    }
    if let Some(state) = &mut state {
        state.writes(fd, None, unsafe { bytes(buffer, count) });
    }
    unsafe { syscall(libc::SYS_write, fd, buffer, count) as ssize_t }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn pwrite(fd: c_int, buffer: *const c_void, count: size_t, at: off_t) -> ssize_t {
    let mut state = state();
    if let Some(state) = &mut state {
        state.writes(fd, u64::try_from(at).ok(), unsafe { bytes(buffer, count) });
    }
    unsafe { syscall(libc::SYS_pwrite64, fd, buffer, count, at) as ssize_t }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn pwrite64(
    fd: c_int,
    buffer: *const c_void,
    count: size_t,
    at: off_t,
) -> ssize_t {
    unsafe { pwrite(fd, buffer, count, at) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn writev(fd: c_int, vectors: *const iovec, count: c_int) -> ssize_t {
    let mut state = state();
    let watched = state.as_mut().is_some_and(|state| state.knows(fd));
    if !watched {
        drop(state);
        return unsafe { syscall(libc::SYS_writev, fd, vectors, count) as ssize_t };
    }
    let mut joined = Vec::new();
    let pieces = unsafe { slice::from_raw_parts(vectors, usize::try_from(count).unwrap_or(0)) };
    for piece in pieces {
        joined.extend_from_slice(unsafe { bytes(piece.iov_base, piece.iov_len) });
    }
    if let Some(state) = &mut state {
        state.writes(fd, None, &joined);
    }
    unsafe { syscall(libc::SYS_writev, fd, vectors, count) as ssize_t }
}

#[unsafe(no_mangle)]
extern "C" fn ftruncate(fd: c_int, size: off_t) -> c_int {
    let mut state = state();
    if let Some(state) = &mut state {
        state.resizes(fd, u64::try_from(size).unwrap_or(0));
    }
    int(unsafe { syscall(libc::SYS_ftruncate, fd, size) })
}

#[unsafe(no_mangle)]
extern "C" fn ftruncate64(fd: c_int, size: off_t) -> c_int {
    ftruncate(fd, size)
}

fn sync(fd: c_int, number: c_long) -> c_int {
    let mut state = state();
    match state.as_mut().map_or(Sync::Real, |state| state.syncs(fd)) {
        Sync::Real => {
            drop(state);
            int(unsafe { syscall(number, fd) })
        }
        Sync::Pretend => 0,
        Sync::Fail(errno) => {
            disk::set_errno(errno);
            -1
        }
    }
}

#[unsafe(no_mangle)]
extern "C" fn fsync(fd: c_int) -> c_int {
    sync(fd, libc::SYS_fsync)
}

#[unsafe(no_mangle)]
extern "C" fn fdatasync(fd: c_int) -> c_int {
    sync(fd, libc::SYS_fdatasync)
}

fn unlink_at(folder: c_int, path: *const c_char, flags: c_int) -> c_int {
    let mut state = state();
    if let (Some(state), 0) = (&mut state, flags & libc::AT_REMOVEDIR) {
        state.removes(&at(folder, path));
    }
    int(unsafe { syscall(libc::SYS_unlinkat, folder, path, flags) })
}

#[unsafe(no_mangle)]
extern "C" fn unlink(path: *const c_char) -> c_int {
    unlink_at(AT_FDCWD, path, 0)
}

#[unsafe(no_mangle)]
extern "C" fn unlinkat(folder: c_int, path: *const c_char, flags: c_int) -> c_int {
    unlink_at(folder, path, flags)
}

fn rename_at(a: c_int, from: *const c_char, b: c_int, to: *const c_char, flags: c_uint) -> c_int {
    let mut state = state();
    if let Some(state) = &mut state {
        state.renames(&at(a, from), &at(b, to));
    }
    int(unsafe { syscall(libc::SYS_renameat2, a, from, b, to, flags) })
}

#[unsafe(no_mangle)]
extern "C" fn rename(from: *const c_char, to: *const c_char) -> c_int {
    rename_at(AT_FDCWD, from, AT_FDCWD, to, 0)
}

#[unsafe(no_mangle)]
extern "C" fn renameat(a: c_int, from: *const c_char, b: c_int, to: *const c_char) -> c_int {
    rename_at(a, from, b, to, 0)
}

#[unsafe(no_mangle)]
extern "C" fn renameat2(
    a: c_int,
    from: *const c_char,
    b: c_int,
    to: *const c_char,
    flags: c_uint,
) -> c_int {
    rename_at(a, from, b, to, flags)
}
