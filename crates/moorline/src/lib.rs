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
pub mod doctor;
pub(crate) mod embed;
pub mod failure;
pub mod gauges;
pub mod layer;
pub mod layer_commands;
pub mod layer_numbers;
pub mod listen;
pub mod load;
pub mod lock;
pub mod logging;
pub mod manual;
pub mod migrate;
mod notify;
pub mod outside;
pub mod page;
pub mod parse;
pub mod process_numbers;
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

use crate::args::{Cli, Command, TokenCommand};
use crate::failure::{Exit, Failure};
use crate::load::args::SoakCommand;
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
    let process = Environment::of_process;
    let settings = || process().with_file(file);
    match cli.command {
        Command::Serve(args) => done(serve::run(&args, &settings()?)),
        Command::Init(args) => print(&init::run(&args)?),
        Command::Check(args) => print(&show::check(&args, process(), file)?),
        Command::Config { command: ConfigCommand::Show(args) } => {
            print(&show::show(&args, process(), file)?)
        }
        Command::Config { command: ConfigCommand::Reference } => print(&reference::page()),
        Command::Config { command: ConfigCommand::Daphne } => print(&daphne::page()),
        Command::Doctor(args) => doctor::run(&args, &settings()?),
        Command::Token { command: TokenCommand::Mint(args) } => {
            print(&format!("{}\n", token::mint(&args, &settings()?, SystemTime::now())?))
        }
        Command::Token { command: TokenCommand::Inspect(args) } => {
            let good = token::inspect(&args, &settings()?, SystemTime::now(), &mut stdout())?;
            Ok(if good { ExitCode::SUCCESS } else { Exit::Failed.into() })
        }
        Command::Migrate { command } => print(&migrate::run(&command, &settings()?)?),
        Command::Backup(args) => backup::backup(&args, &settings()?),
        Command::Restore(args) => backup::restore(&args, &settings()?),
        Command::Verify(args) => backup::verify(&args, &settings()?),
        Command::Import(args) => backup::import(&args, &settings()?),
        Command::Tail(args) => done(admin::tail(&args, &settings()?, &mut stdout())),
        Command::Clients { command } => done(admin::clients(&command, &settings()?, &mut stdout())),
        Command::Rooms { command } => done(admin::rooms(&command, &settings()?, &mut stdout())),
        Command::Layer { command } => {
            done(layer_commands::run(&command, &settings()?, &mut stdout()))
        }
        Command::Send(args) => done(admin::send(&args, &settings()?, &mut stdout())),
        Command::Users { command } => done(users::run(&command, &settings()?, &mut stdout())),
        Command::Soak(args) => match &args.command {
            Some(SoakCommand::Verify { file, json }) => verify(file, *json),
            None => load::soak(&args, &settings()?),
        },
        Command::Bench(args) => load::bench(&args, &settings()?),
        Command::Completions { shell } => print(&manual::completions(shell)),
        Command::Man { folder } => print(&manual::man(folder.as_deref())?),
        Command::Version { json } => print(&format!("{}\n", version::text(json))),
    }
}

fn print(text: &str) -> Result<ExitCode, Failure> {
    match stdout().write_all(text.as_bytes()) {
        // The reader of `moorline config show | head` has what it wanted.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Ok(Exit::Failed.into()),
        _ => Ok(ExitCode::SUCCESS),
    }
}

fn stdout() -> std::io::StdoutLock<'static> {
    std::io::stdout().lock()
}

fn done(result: Result<(), Failure>) -> Result<ExitCode, Failure> {
    result.map(|()| ExitCode::SUCCESS)
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
