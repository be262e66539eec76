//! The committed page is the one that the committed sources give: `web/dist/BUILD.json` holds their hash.
//! Needs no Node.js; the byte-for-byte proof is `cargo xtask web --check`.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test stops where it cannot go on")]

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// Single files that the build depends on, beside the folders.
const FILES: [&str; 9] = [
    "web/package.json",
    "web/package-lock.json",
    "web/vite.config.ts",
    "web/tsconfig.json",
    "web/index.html",
    "web/svelte.config.js",
    "web/embed.html",
    "web/vite.embed.config.ts",
    "web/tools/boxed.ts",
];

const FOLDERS: [&str; 2] = ["web/src", "clients/typescript/src"];

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn collect(root: &Path, folder: &str, found: &mut Vec<String>) {
    let Ok(entries) = std::fs::read_dir(root.join(folder)) else { return };
    for entry in entries {
        let entry = entry.unwrap();
        let path = format!("{folder}/{}", entry.file_name().to_str().unwrap());
        if entry.file_type().unwrap().is_dir() {
            collect(root, &path, found);
        } else {
            found.push(path);
        }
    }
}

/// For each path, sorted bytewise: the path, a NUL, the length in decimal, a NUL, the contents.
fn hash_of_sources(root: &Path) -> String {
    let mut paths: Vec<String> = FILES.iter().map(|path| path.to_string()).collect();
    paths.retain(|path| root.join(path).is_file());
    for folder in FOLDERS {
        collect(root, folder, &mut paths);
    }
    paths.sort_unstable();
    let mut hash = Sha256::new();
    for path in paths {
        let contents = std::fs::read(root.join(&path)).unwrap();
        hash.update(format!("{path}\0{}\0", contents.len()));
        hash.update(contents);
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn the_committed_page_is_built_from_the_committed_sources() {
    let root = repository();
    let text = std::fs::read_to_string(root.join("web/dist/BUILD.json"))
        .expect("web/dist is missing; run: cargo xtask web");
    let build: serde_json::Value = serde_json::from_str(&text).unwrap();
    let built_from = build["sources_sha256"].as_str().unwrap();
    assert_eq!(built_from, hash_of_sources(&root), "web/dist is stale; run: cargo xtask web");
}

#[test]
fn a_changed_moved_or_new_source_changes_the_hash() {
    let root = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = root.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let mut seen = Vec::new();
    write("web/src/a.ts", "one");
    seen.push(hash_of_sources(root.path()));
    write("web/src/a.ts", "two");
    seen.push(hash_of_sources(root.path()));
    write("web/src/view/b.ts", "");
    seen.push(hash_of_sources(root.path()));
    write("clients/typescript/src/c.ts", "");
    seen.push(hash_of_sources(root.path()));
    write("web/package-lock.json", "{}");
    seen.push(hash_of_sources(root.path()));
    let count = seen.len();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), count);
    write("web/README.md", "not part of the build");
    assert!(seen.contains(&hash_of_sources(root.path())));
}
