//! The `moorline` program as a library: arguments, configuration, wiring, the built-in page, commands.
//! `main` reads the command line, runs one command and prints its failure, if any. Nothing below knows of it.

pub mod admin;
pub mod args;
pub mod auth_url;
pub mod backup;
pub mod config;
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
pub mod migrate;
pub mod outside;
pub mod page;
pub mod parse;
pub mod process_numbers;
pub mod relay;
pub mod secret;
pub mod serve;
pub mod settings;
pub mod soak;
mod stop;
pub mod token;
pub mod users;
pub mod version;
pub mod welcome;

use std::path::Path;
use std::process::ExitCode;
use std::time::SystemTime;

use crate::args::{Cli, Command, TokenCommand};
use crate::failure::{Exit, Failure};
use crate::load::args::SoakCommand;
use crate::settings::Environment;

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    let cli = match args::parse(std::env::args_os()) {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    match run(cli) {
        Ok(code) => code,
        Err(failure) => {
            let (red, plain) =
                if logging::has_colours() { ("\x1b[1;31m", "\x1b[0m") } else { ("", "") };
            eprintln!("{red}error:{plain} {failure}");
            failure.exit.into()
        }
    }
}

fn run(cli: Cli) -> Result<ExitCode, Failure> {
    let environment = Environment::of_process();
    match cli.command {
        Command::Serve(args) => serve::run(&args, &environment).map(|()| ExitCode::SUCCESS),
        Command::Token { command: TokenCommand::Mint(args) } => {
            println!("{}", token::mint(&args, &environment, SystemTime::now())?);
            Ok(ExitCode::SUCCESS)
        }
        Command::Doctor(args) => doctor::run(&args, &environment),
        Command::Token { command: TokenCommand::Inspect(args) } => {
            let good = token::inspect(&args, &environment, SystemTime::now(), &mut stdout())?;
            Ok(if good { ExitCode::SUCCESS } else { Exit::Failed.into() })
        }
        Command::Migrate { command } => {
            print!("{}", migrate::run(&command, &environment)?);
            Ok(ExitCode::SUCCESS)
        }
        Command::Backup(args) => backup::backup(&args, &environment),
        Command::Restore(args) => backup::restore(&args, &environment),
        Command::Verify(args) => backup::verify(&args, &environment),
        Command::Import(args) => backup::import(&args, &environment),
        Command::Tail(args) => done(admin::tail(&args, &environment, &mut stdout())),
        Command::Clients { command } => done(admin::clients(&command, &environment, &mut stdout())),
        Command::Rooms { command } => done(admin::rooms(&command, &environment, &mut stdout())),
        Command::Layer { command } => {
            done(layer_commands::run(&command, &environment, &mut stdout()))
        }
        Command::Send(args) => done(admin::send(&args, &environment, &mut stdout())),
        Command::Users { command } => done(users::run(&command, &environment, &mut stdout())),
        Command::Soak(args) => match &args.command {
            Some(SoakCommand::Verify { file, json }) => verify(file, *json),
            None => load::soak(&args, &environment),
        },
        Command::Bench(args) => load::bench(&args, &environment),
        Command::Version { json } => {
            println!("{}", version::text(json));
            Ok(ExitCode::SUCCESS)
        }
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
    // Where the output is gone, nothing can be said any more.
    let _ = error.print();
    if is_mistake { Exit::Usage.into() } else { ExitCode::SUCCESS }
}
