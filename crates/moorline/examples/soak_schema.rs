//! Writes `docs/soak.schema.json`, the schema of what `soak --json` and `bench --json` print, below the folder that is given.
//! `cargo xtask schema` runs it.

use std::path::PathBuf;

fn main() -> std::io::Result<()> {
    let root: PathBuf = std::env::args_os().nth(1).unwrap_or_else(|| ".".into()).into();
    let docs = root.join("docs");
    std::fs::create_dir_all(&docs)?;
    std::fs::write(docs.join("soak.schema.json"), moorline::load::schema())
}
