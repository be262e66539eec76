//! `moorline completions` and `moorline man`: what shells and `man` want to know, made from the command line's own list.

use std::io;
use std::path::Path;

use clap_complete::Shell;

use crate::args;
use crate::failure::{Exit, Failure};

/// The script that completes commands and options in a shell.
pub fn completions(shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut args::command(), "moorline", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

/// The manual page of the whole program; or, where a folder is given, how many pages were written there.
///
/// # Errors
/// Where the folder cannot be written to.
pub fn man(folder: Option<&Path>) -> Result<String, Failure> {
    let Some(folder) = folder else {
        let mut page = Vec::new();
        // Writing into memory cannot fail.
        let _ = clap_mangen::Man::new(args::command()).render(&mut page);
        return Ok(String::from_utf8_lossy(&page).into_owned());
    };
    Ok(format!("Wrote {} pages to {}\n", pages(folder)?, folder.display()))
}

/// One page for the program and one for each command.
fn pages(folder: &Path) -> Result<usize, Failure> {
    let write = || -> io::Result<usize> {
        std::fs::create_dir_all(folder)?;
        clap_mangen::generate_to(args::command(), folder)?;
        Ok(std::fs::read_dir(folder)?.count())
    };
    write().map_err(|error| {
        let what = format!("The manual pages cannot be written to `{}`.", folder.display());
        Failure::new(Exit::Failed, what, "Check the folder's owner and rights.").because(error)
    })
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    #[test]
    fn every_shell_gets_a_script_that_knows_the_options() {
        for shell in Shell::value_variants() {
            let script = completions(*shell);
            assert!(script.contains("ping-interval") && script.contains("restore"), "{shell}");
        }
    }

    #[test]
    fn every_command_gets_a_page() {
        let folder = tempfile::tempdir().unwrap();
        let pages = pages(folder.path()).unwrap();
        assert!(pages > 15, "{pages}");
        let serve = std::fs::read_to_string(folder.path().join("moorline-serve.1")).unwrap();
        assert!(serve.contains("MOORLINE_PING_INTERVAL"), "{serve}");
        assert!(man(None).unwrap().contains("moorline\\-serve(1)"));
    }
}
