//! System calls without the C library's functions, which this library itself replaces.

use std::ffi::{CStr, CString};

use libc::{AT_FDCWD, c_int, c_long, c_void, syscall};

/// What `fstat` tells of a file: its device and number.
pub(crate) type Inode = (u64, u64);

fn path(text: &str) -> CString {
    CString::new(text).unwrap_or_default()
}

pub(crate) fn open(path: &CStr, flags: c_int, mode: u32) -> c_int {
    let fd = unsafe { syscall(libc::SYS_openat, AT_FDCWD, path.as_ptr(), flags, mode) };
    c_int::try_from(fd).unwrap_or(-1)
}

/// A second descriptor of an open file, for reading and writing it. It is never closed, since
/// closing any descriptor of a file gives up the locks that the process holds on it.
pub(crate) fn reopen(fd: c_int) -> c_int {
    open(&path(&format!("/proc/self/fd/{fd}")), libc::O_RDWR | libc::O_CLOEXEC, 0)
}

pub(crate) fn inode(fd: c_int) -> Option<(Inode, bool)> {
    let mut stat: libc::stat = unsafe { std::mem::zeroed() };
    if unsafe { syscall(libc::SYS_fstat, fd, &raw mut stat) } != 0 {
        return None;
    }
    let is_folder = stat.st_mode & libc::S_IFMT == libc::S_IFDIR;
    Some(((stat.st_dev, stat.st_ino), is_folder))
}

pub(crate) fn size(fd: c_int) -> u64 {
    let mut stat: libc::stat = unsafe { std::mem::zeroed() };
    unsafe { syscall(libc::SYS_fstat, fd, &raw mut stat) };
    u64::try_from(stat.st_size).unwrap_or(0)
}

/// The path behind a descriptor.
pub(crate) fn path_of(fd: c_int) -> Option<String> {
    read_link(&format!("/proc/self/fd/{fd}"))
}

pub(crate) fn folder_of_process() -> Option<String> {
    read_link("/proc/self/cwd")
}

fn read_link(link: &str) -> Option<String> {
    let mut buffer = vec![0_u8; 4096];
    let link = path(link);
    let (link, room) = (link.as_ptr(), buffer.len());
    let length =
        unsafe { syscall(libc::SYS_readlinkat, AT_FDCWD, link, buffer.as_mut_ptr(), room) };
    buffer.truncate(usize::try_from(length).ok()?);
    String::from_utf8(buffer).ok()
}

pub(crate) fn exists(name: &str) -> bool {
    let name = path(name);
    unsafe { syscall(libc::SYS_faccessat, AT_FDCWD, name.as_ptr(), libc::F_OK) == 0 }
}

pub(crate) fn read(fd: c_int, offset: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    let mut done = 0;
    while done < length {
        let rest = &mut bytes[done..];
        let at = c_long::try_from(offset).unwrap_or(0) + c_long::try_from(done).unwrap_or(0);
        let (buffer, room) = (rest.as_mut_ptr().cast::<c_void>(), rest.len());
        let read = unsafe { syscall(libc::SYS_pread64, fd, buffer, room, at) };
        match usize::try_from(read) {
            Ok(read) if read > 0 => done += read,
            _ => break,
        }
    }
    bytes.truncate(done);
    bytes
}

pub(crate) fn write(fd: c_int, offset: u64, bytes: &[u8]) {
    let mut done = 0;
    while done < bytes.len() {
        let rest = &bytes[done..];
        let at = c_long::try_from(offset).unwrap_or(0) + c_long::try_from(done).unwrap_or(0);
        let (buffer, room) = (rest.as_ptr().cast::<c_void>(), rest.len());
        let wrote = unsafe { syscall(libc::SYS_pwrite64, fd, buffer, room, at) };
        match usize::try_from(wrote) {
            Ok(wrote) if wrote > 0 => done += wrote,
            _ => break,
        }
    }
}

pub(crate) fn truncate(fd: c_int, size: u64) {
    unsafe { syscall(libc::SYS_ftruncate, fd, size) };
}

/// Where a plain `write` of the descriptor would go.
pub(crate) fn offset(fd: c_int, appends: bool) -> u64 {
    if appends {
        return size(fd);
    }
    u64::try_from(unsafe { syscall(libc::SYS_lseek, fd, 0, libc::SEEK_CUR) }).unwrap_or(0)
}

pub(crate) fn link(from: &str, to: &str) -> bool {
    let (from, to) = (path(from), path(to));
    unsafe { syscall(libc::SYS_linkat, AT_FDCWD, from.as_ptr(), AT_FDCWD, to.as_ptr(), 0) == 0 }
}

pub(crate) fn rename(from: &str, to: &str) {
    let (from, to) = (path(from), path(to));
    unsafe { syscall(libc::SYS_renameat2, AT_FDCWD, from.as_ptr(), AT_FDCWD, to.as_ptr(), 0) };
}

pub(crate) fn unlink(name: &str) {
    let name = path(name);
    unsafe { syscall(libc::SYS_unlinkat, AT_FDCWD, name.as_ptr(), 0) };
}

/// Appends a line to a file outside of the folder.
pub(crate) fn report(file: &CStr, line: &str) {
    let fd = open(file, libc::O_WRONLY | libc::O_CREAT | libc::O_APPEND | libc::O_CLOEXEC, 0o644);
    unsafe { syscall(libc::SYS_write, fd, line.as_ptr().cast::<c_void>(), line.len()) };
    unsafe { syscall(libc::SYS_close, fd) };
}

/// Ends the process without any of its last acts.
pub(crate) fn end() -> ! {
    unsafe { libc::_exit(137) }
}

pub(crate) fn set_errno(errno: c_int) {
    unsafe { *libc::__errno_location() = errno };
}
