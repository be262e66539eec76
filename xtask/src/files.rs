//! Folders of files: their fingerprints and what differs between two of them.
//!
//! A folder is compared by the bytes of each file, by path, in sorted order, so that the answer is
//! the same on every machine.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

/// The SHA-256 of one file, as hex digits.
pub(crate) fn hash(path: &Path) -> Result<String> {
    let bytes =
        std::fs::read(path).with_context(|| format!("could not read {}", path.display()))?;
    Ok(hex::encode(Sha256::digest(bytes)))
}

/// The files below a folder, by their path in it.
fn contents(folder: &Path) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut found = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        let entries = std::fs::read_dir(&next)
            .with_context(|| format!("could not list {}", next.display()))?;
        for entry in entries {
            let path = entry?.path();
            if path.is_dir() {
                open.push(path);
                continue;
            }
            let name = path.strip_prefix(folder)?.to_string_lossy().into_owned();
            found.insert(name, std::fs::read(&path)?);
        }
    }
    Ok(found)
}

/// One line for each file that is in only one of the two folders or has other bytes in them.
pub(crate) fn differences(committed: &Path, fresh: &Path) -> Result<Vec<String>> {
    let committed = contents(committed)?;
    let mut fresh = contents(fresh)?;
    let mut lines = Vec::new();
    for (name, bytes) in &committed {
        match fresh.remove(name) {
            None => lines.push(format!("{name} is committed but no longer made")),
            Some(made) if made != *bytes => lines.push(format!("{name} differs")),
            Some(_) => {}
        }
    }
    lines.extend(fresh.into_keys().map(|name| format!("{name} is made but not committed")));
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        folder
    }

    #[test]
    fn two_folders_with_the_same_files_do_not_differ() {
        let one = folder(&[("a.js", "1"), ("assets/b.css", "2")]);
        let two = folder(&[("a.js", "1"), ("assets/b.css", "2")]);
        assert!(differences(one.path(), two.path()).unwrap().is_empty());
    }

    #[test]
    fn a_changed_a_missing_and_an_added_file_are_each_named() {
        let committed = folder(&[("a.js", "1"), ("old.js", "x")]);
        let fresh = folder(&[("a.js", "2"), ("assets/new.js", "x")]);
        assert_eq!(
            differences(committed.path(), fresh.path()).unwrap(),
            [
                "a.js differs",
                "old.js is committed but no longer made",
                "assets/new.js is made but not committed"
            ]
        );
    }
}
