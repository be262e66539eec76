//! Writes what is generated from the table of checks: `docs/doctor.md` and `docs/doctor.schema.json`, below the folder that is
//! given. `cargo xtask schema` runs it.

use std::path::PathBuf;

fn main() -> std::io::Result<()> {
    let root: PathBuf = std::env::args_os().nth(1).unwrap_or_else(|| ".".into()).into();
    let docs = root.join("docs");
    std::fs::create_dir_all(&docs)?;
    std::fs::write(docs.join("doctor.md"), moorline_doctor::page())?;
    std::fs::write(docs.join("doctor.schema.json"), moorline_doctor::schema())
}
