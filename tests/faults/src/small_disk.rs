//! A disk of a few MiB that a proof can fill and free. Only root can make one.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use anyhow::Result;
use tempfile::TempDir;

/// The disk; gone with this.
#[derive(Debug)]
pub struct SmallDisk(TempDir);

impl SmallDisk {
    /// A disk of so many MiB; none, with a word on the screen, where it may not be made.
    pub fn new(megabytes: u32) -> Option<Self> {
        let folder = TempDir::new().ok()?;
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={megabytes}m"), "moorline-test"])
            .arg(folder.path())
            .output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(Self(folder));
        }
        println!("skipped: only root can mount a small disk");
        None
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Takes all the room that is left.
    ///
    /// # Errors
    /// If the file that takes it cannot be made at all.
    pub fn fill(&self) -> Result<()> {
        let ballast = self.path().join("ballast");
        let mut file = fs::OpenOptions::new().append(true).create(true).open(ballast)?;
        while file.write_all(&[1; 4096]).is_ok() {}
        Ok(())
    }

    /// Gives it back.
    ///
    /// # Errors
    /// If it was not taken.
    pub fn free(&self) -> Result<()> {
        Ok(fs::remove_file(self.path().join("ballast"))?)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}
