//! `promtool`, which looks at metrics and alert rules as Prometheus does, out of Debian's package `prometheus`.
//!
//! The package is fetched and unpacked in the build folder and never installed: it would start a server. The tests find
//! it there.

use anyhow::{Context, Result};

use crate::repository::Repository;

/// Fetches it, unless it is there.
pub(crate) fn fetch(repository: &Repository) -> Result<()> {
    let folder = repository.target("prometheus");
    if folder.join("usr/bin/promtool").exists() {
        println!("promtool: there");
        return Ok(());
    }
    std::fs::create_dir_all(&folder).context("could not make the folder of promtool")?;
    let download =
        || repository.command("apt-get").folder(&folder).args(["download", "prometheus"]);
    if !download().works() {
        crate::install::apt(repository, &["update", "-q"])?;
        download().run()?;
    }
    for entry in std::fs::read_dir(&folder).context("could not list the folder of promtool")? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "deb") {
            repository.command("dpkg-deb").arg("--extract").arg(&path).arg(&folder).run()?;
            std::fs::remove_file(&path).context("could not remove the package of promtool")?;
        }
    }
    Ok(())
}
