//! The tasks of the repository, started as `cargo xtask NAME`.
//!
//! People and CI call the same tasks. A task runs ordinary commands, one after the other, and says
//! which failed, why, and what to do. Nothing here reads from standard input, and nothing here is
//! part of the product.

mod autobahn;
mod command;
mod django;
mod docs;
mod files;
mod install;
mod interop;
mod promtool;
mod prove;
mod repository;
#[cfg(test)]
mod rules;
mod schema;
mod screenshots;
mod sdk;
mod steps;
mod test;
mod versions;
mod web;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use repository::Repository;

/// What stands after `cargo xtask`.
#[derive(Parser)]
#[command(name = "cargo xtask", about = "The tasks of this repository.", version)]
struct Args {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Install what the tests need, then run all of them; each long proof in its short form.
    Test(test::Args),
    /// Run a proof at its full numbers and print its verdict.
    Prove(prove::Args),
    /// Build the chat page into web/dist, or check that web/dist is what the sources give.
    Web(web::Args),
    /// Write docs/schema and the SDK's types from the Rust types, or check that they are current.
    Schema(schema::Args),
    /// Build the documentation's site into target/docs; it needs nothing from elsewhere once it is built.
    Docs,
    /// Compare the server with a bare one: `cargo xtask bench -- --help` lists the rows.
    Bench {
        /// Passed on to the benchmark.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        rest: Vec<String>,
    },
    /// Compare the store on PostgreSQL with one connection and with SQLite: `cargo xtask bench-postgres -- --help`.
    BenchPostgres {
        /// Passed on to the benchmark.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        rest: Vec<String>,
    },
    /// Measure two nodes against one: `cargo xtask bench-nodes -- --help`.
    BenchNodes {
        /// Passed on to the benchmark.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        rest: Vec<String>,
    },
    /// Measure what compression saves and costs in a room of 100: `cargo xtask bench-compression -- --help`.
    BenchCompression {
        /// Passed on to the benchmark.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        rest: Vec<String>,
    },
    /// Compare the channel layer with Python's channels_redis on the same Redis: `cargo xtask bench-layer -- --help`.
    BenchLayer {
        /// Passed on to the benchmark.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        rest: Vec<String>,
    },
    /// Compare how long reading takes in a store of 1,000,000 messages and in one of 10,000, on both back ends:
    /// `cargo xtask bench-store -- --help`.
    BenchStore {
        /// Passed on to the benchmark.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        rest: Vec<String>,
    },
    /// Compare the chat of examples/django on Daphne and Channels with Moorline: `cargo xtask bench-django -- --help`.
    BenchDjango {
        /// Passed on to the benchmark.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        rest: Vec<String>,
    },
    /// Take a picture of every view of the page into target/screenshots.
    Screenshots(screenshots::Args),
}

fn main() -> ExitCode {
    let args = Args::parse();
    match run(args.task) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs one task and tells whether it held; an error is a task that could not be run at all.
fn run(task: Task) -> Result<bool> {
    let repository = Repository::find()?;
    match task {
        Task::Test(args) => test::run(&repository, &args),
        Task::Prove(args) => prove::run(&repository, &args),
        Task::Web(args) => web::run(&repository, &args).map(|()| true),
        Task::Schema(args) => schema::run(&repository, &args).map(|()| true),
        Task::Docs => docs::build(&repository).map(|()| true),
        Task::Bench { rest } => bench(&repository, &rest),
        Task::BenchPostgres { rest } => {
            bench_with_servers(&repository, "moorline-bench-postgres", &rest)
        }
        Task::BenchNodes { rest } => bench_with_servers(&repository, "moorline-bench-nodes", &rest),
        Task::BenchCompression { rest } => {
            bench_with_servers(&repository, "moorline-bench-compression", &rest)
        }
        Task::BenchLayer { rest } => interop::bench(&repository, &rest),
        Task::BenchStore { rest } => bench_store(&repository, &rest),
        Task::BenchDjango { rest } => django::bench(&repository, &rest),
        Task::Screenshots(args) => screenshots::run(&repository, &args).map(|()| true),
    }
}

/// Runs the benchmark, which prints its own verdict and exits with it.
fn bench(repository: &Repository, rest: &[String]) -> Result<bool> {
    let args = ["run", "--release", "-p", "moorline-bench", "--"];
    repository.command("cargo").args(args).args(rest).succeeds()
}

/// Runs the benchmark of the store's reads, which prints its own verdict and exits with it.
fn bench_store(repository: &Repository, rest: &[String]) -> Result<bool> {
    install::everything(repository)?;
    test::read_times(repository).args(rest).succeeds()
}

/// The same for a benchmark that needs PostgreSQL's programs or Redis, and measures the server itself or its store.
fn bench_with_servers(repository: &Repository, program: &str, rest: &[String]) -> Result<bool> {
    install::everything(repository)?;
    repository.command("cargo").args(["build", "--release", "-p", "moorline"]).run()?;
    let args = ["run", "--release", "-p", "moorline-bench", "--bin", program, "--"];
    repository.command("cargo").args(args).args(rest).succeeds()
}
