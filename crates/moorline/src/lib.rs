//! The `moorline` program as a library: arguments, configuration, wiring, the built-in page, commands.
//! `main` reads the command line, runs one command and prints its failure, if any. Nothing below knows of it.

pub mod access_log;
pub mod admin;
pub mod args;
pub mod auth_url;
pub mod backup;
pub mod config;
pub mod daphne;
pub mod database;
pub(crate) mod embed;
pub mod failure;
pub mod gauges;
pub mod layer;
pub mod layer_commands;
pub mod layer_numbers;
pub mod listen;
pub mod lock;
pub mod logging;
pub mod manual;
pub mod migrate;
pub mod outside;
pub mod page;
pub mod parse;
pub mod relay;
pub mod reload;
pub mod secret;
pub mod serve;
pub mod settings;
pub mod soak;
pub mod sockets;
mod stop;
pub mod token;
pub mod users;
pub mod version;
pub mod welcome;

use std::io::{ErrorKind, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::SystemTime;

use crate::args::{Cli, Command, SoakCommand, TokenCommand};
use crate::failure::{Exit, Failure};
use crate::settings::show::ConfigCommand;
use crate::settings::{Environment, init, reference, show};

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    let cli = match args::parse(std::env::args_os()) {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    run(cli).unwrap_or_else(|failure| failed(&failure))
}

fn failed(failure: &Failure) -> ExitCode {
    let (red, plain) = if logging::has_colours() { ("\x1b[1;31m", "\x1b[0m") } else { ("", "") };
    eprintln!("{red}error:{plain} {failure}");
    failure.exit.into()
}

fn run(cli: Cli) -> Result<ExitCode, Failure> {
    let file = cli.config.as_deref();
    let settings = || Environment::of_process().with_file(file);
    let text = match cli.command {
        Command::Serve(args) => done(serve::run(&args, &settings()?))?,
        Command::Init(args) => init::run(&args)?,
        Command::Check(args) => show::check(&args, Environment::of_process(), file)?,
        Command::Config { command: ConfigCommand::Show(args) } => {
            show::show(&args, Environment::of_process(), file)?
        }
        Command::Config { command: ConfigCommand::Reference } => reference::page(),
        Command::Config { command: ConfigCommand::Daphne } => daphne::page(),
        Command::Token { command: TokenCommand::Mint(args) } => {
            format!("{}\n", token::mint(&args, &settings()?, SystemTime::now())?)
        }
        Command::Token { command: TokenCommand::Inspect(args) } => {
            let good = token::inspect(&args, &settings()?, SystemTime::now(), &mut stdout())?;
            return Ok(if good { ExitCode::SUCCESS } else { Exit::Failed.into() });
        }
        Command::Migrate { command } => migrate::run(&command, &settings()?)?,
        Command::Backup(args) => return backup::backup(&args, &settings()?),
        Command::Restore(args) => return backup::restore(&args, &settings()?),
        Command::Verify(args) => return backup::verify(&args, &settings()?),
        Command::Import(args) => return backup::import(&args, &settings()?),
        Command::Tail(args) => done(admin::tail(&args, &settings()?, &mut stdout()))?,
        Command::Clients { command } => {
            done(admin::clients(&command, &settings()?, &mut stdout()))?
        }
        Command::Rooms { command } => done(admin::rooms(&command, &settings()?, &mut stdout()))?,
        Command::Layer { command } => {
            done(layer_commands::run(&command, &settings()?, &mut stdout()))?
        }
        Command::Send(args) => done(admin::send(&args, &settings()?, &mut stdout()))?,
        Command::Users { command } => done(users::run(&command, &settings()?, &mut stdout()))?,
        Command::Soak { command: SoakCommand::Verify { file, json } } => {
            return verify(&file, json);
        }
        Command::Completions { shell } => manual::completions(shell),
        Command::Man { folder } => manual::man(folder.as_deref())?,
        Command::Version { json } => format!("{}\n", version::text(json)),
    };
    match stdout().write_all(text.as_bytes()) {
        // The reader of `moorline config show | head` has what it wanted.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Ok(Exit::Failed.into()),
        _ => Ok(ExitCode::SUCCESS),
    }
}

fn stdout() -> std::io::StdoutLock<'static> {
    std::io::stdout().lock()
}

/// Of what has said itself all that there is to say.
fn done(result: Result<(), Failure>) -> Result<String, Failure> {
    result.map(|()| String::new())
}

/// Judges a history; a broken promise is a failed check.
fn verify(file: &Path, json: bool) -> Result<ExitCode, Failure> {
    let is_clean = soak::verify(file, json, &mut std::io::stdout().lock()).map_err(|error| {
        let what = format!("The history `{}` cannot be read.", file.display());
        Failure::new(Exit::Failed, what, "Check the path; docs/history.md describes the form.")
            .because(error)
    })?;
    Ok(if is_clean { ExitCode::SUCCESS } else { Exit::Failed.into() })
}

/// Prints clap's help or error; asking for help is no mistake.
fn usage(error: &clap::Error) -> ExitCode {
    let is_mistake = error.use_stderr();
    let words: Vec<String> =
        std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    if let Some(failure) = daphne::instead(&words).filter(|_| is_mistake) {
        return failed(&failure);
    }
    // Where the output is gone, nothing can be said any more.
    let _ = error.print();
    if is_mistake { Exit::Usage.into() } else { ExitCode::SUCCESS }
}
