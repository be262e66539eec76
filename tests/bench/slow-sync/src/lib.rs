//! A stand-in for an ordinary disk: loaded with `LD_PRELOAD`, it lets every `fsync` and
//! `fdatasync` of the process wait before it goes to the kernel. The wait is two milliseconds,
//! or as many microseconds as `MOORLINE_BENCH_SYNC_US` says. It is never part of what ships.

use std::sync::LazyLock;
use std::time::Duration;

use libc::{c_int, c_long};

static DELAY: LazyLock<Duration> = LazyLock::new(|| {
    let said = std::env::var("MOORLINE_BENCH_SYNC_US").ok();
    Duration::from_micros(said.and_then(|text| text.parse().ok()).unwrap_or(2_000))
});

fn wait_and_call(number: c_long, fd: c_int) -> c_int {
    std::thread::sleep(*DELAY);
    // SAFETY: both system calls take one file descriptor and touch no memory of ours.
    unsafe { libc::syscall(number, fd) as c_int }
}

/// Stands before the C library's `fsync`.
// SAFETY: the name and the signature are those of the function that it replaces.
#[unsafe(no_mangle)]
pub extern "C" fn fsync(fd: c_int) -> c_int {
    wait_and_call(libc::SYS_fsync, fd)
}

/// Stands before the C library's `fdatasync`.
// SAFETY: the name and the signature are those of the function that it replaces.
#[unsafe(no_mangle)]
pub extern "C" fn fdatasync(fd: c_int) -> c_int {
    wait_and_call(libc::SYS_fdatasync, fd)
}
