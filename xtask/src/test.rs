//! `cargo xtask test`: all that must hold before a change is merged, in the order in which it fails
//! fastest.

use anyhow::{Result, bail};

use crate::repository::Repository;
use crate::steps::{self, OnFailure, Step};
use crate::{autobahn, django, docs, install, interop, prove, schema, sdk, web};

/// Arguments of `cargo xtask test`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Stop at the first step that fails.
    #[arg(long)]
    fail_fast: bool,
    /// Run only this step; repeatable.
    #[arg(long, value_name = "STEP")]
    only: Vec<String>,
    /// Start at this step.
    #[arg(long, value_name = "STEP", conflicts_with = "only")]
    from: Option<String>,
    /// Print the steps and run none.
    #[arg(long)]
    list: bool,
}

/// Name, what it does, and what to do when it fails.
type Row = (&'static str, fn(&Repository) -> Result<()>, &'static str);

const ROWS: &[Row] = &[
    (
        "install",
        install::everything,
        "see what the package manager said above; apt-get, npm and pip must reach their registries",
    ),
    ("format", format, "run `cargo fmt --all`"),
    ("clippy", clippy, "mend what is named above; an exception needs `#[expect]` and its reason"),
    ("build", build, "mend what the compiler names above"),
    ("rust-tests", rust, "run the named test alone: `cargo test -p CRATE NAME`"),
    (
        "store-reads",
        |repository| read_times(repository).arg("--short").run(),
        "an answer was wrong, not slow: see the question named above in crates/store/examples/read_times",
    ),
    ("doc-tests", doc, "mend the example in the named doc comment"),
    ("schema", schema::check, "run `cargo xtask schema` and commit what it writes"),
    ("docs", docs::check, "mend the link or name above; `cargo xtask docs` builds the site alone"),
    (
        "docs-commands",
        docs::commands,
        "mend the page at the line named above, or the test that knows what it says: tests/docs/test_begin.py",
    ),
    ("sdk", sdk::unit, "run `npm test` in clients/typescript"),
    ("page-tests", web::test, "run `npm run check` and `npm test` in web"),
    ("page-fresh", web::check, "run `cargo xtask web` and commit web/dist"),
    (
        "autobahn",
        autobahn::run,
        "see crates/server/tests/autobahn/run.py; the failed cases are named above",
    ),
    (
        "api",
        docs::api,
        "repeat the curl command above; either the server or `examples/schema` in crates/protocol is wrong",
    ),
    (
        "interop",
        interop::test,
        "run the named test alone, as tests/interop/README.md says; it compares with channels_redis itself",
    ),
    (
        "django-package",
        django::package,
        "run the named test alone, as clients/python/README.md says",
    ),
    (
        "django-example",
        django::example,
        "run the named test alone, as examples/django/README.md says; the parts' logs lie in its temporary folder",
    ),
    (
        "deploy",
        django::deploy,
        "run the named test alone: `pytest -k NAME` in tests/deploy, with MOORLINE_BIN",
    ),
    ("sdk-live", sdk::live, "run `npm run test:live` in clients/typescript"),
    (
        "raw-clients",
        sdk::raw_clients,
        "run `node --test FILE` in tests/e2e; the files are raw-clients.test.mjs, event-source.test.mjs and \
         compression.test.mjs",
    ),
    (
        "examples",
        sdk::examples,
        "run `npm run build` in clients/typescript, then `node --test examples.test.mjs` in tests/e2e",
    ),
];

fn all_steps() -> Vec<Step> {
    let rows = ROWS.iter().map(|(name, run, remedy)| Step {
        name: (*name).to_owned(),
        remedy: (*remedy).to_owned(),
        again: format!("cargo xtask test --only {name}"),
        on_failure: on_failure(name),
        run: Box::new(run),
    });
    rows.chain(prove::short_steps()).collect()
}

fn on_failure(name: &str) -> OnFailure {
    match name {
        "build" => OnFailure::Stop,
        "install" | "docs-commands" | "sdk-live" | "raw-clients" | "examples" | "autobahn"
        | "api" | "interop" | "django-package" | "django-example" | "deploy" => OnFailure::TryAgain,
        _ => OnFailure::GoOn,
    }
}

/// Runs the chosen steps and tells whether all of them passed.
pub(crate) fn run(repository: &Repository, args: &Args) -> Result<bool> {
    let all = all_steps();
    if args.list {
        all.iter().for_each(|step| println!("{}", step.name));
        return Ok(true);
    }
    for name in args.only.iter().chain(&args.from) {
        if !all.iter().any(|step| step.name == *name) {
            bail!("there is no step `{name}`; `cargo xtask test --list` names them");
        }
    }
    let chosen: Vec<Step> = all
        .into_iter()
        .skip_while(|step| args.from.as_ref().is_some_and(|from| *from != step.name))
        .filter(|step| args.only.is_empty() || args.only.contains(&step.name))
        .collect();
    if !chosen.iter().any(|step| step.name == "install") {
        install::everything(repository)?;
    }
    Ok(steps::run(repository, &chosen, args.fail_fast))
}

fn format(repository: &Repository) -> Result<()> {
    repository.command("cargo").args(["fmt", "--all", "--check"]).run()
}

fn clippy(repository: &Repository) -> Result<()> {
    let args = [
        "clippy",
        "--quiet",
        "--keep-going",
        "--workspace",
        "--all-targets",
        "--all-features",
        "--",
        "-D",
        "warnings",
    ];
    repository.command("cargo").args(args).run()
}

/// The binary as people run it; the steps below try this one and no other.
pub(crate) fn build(repository: &Repository) -> Result<()> {
    repository.command("cargo").args(["build", "--release", "--bins", "-p", "moorline"]).run()
}

fn rust(repository: &Repository) -> Result<()> {
    let nextest = repository.command("cargo").args(["nextest", "--version"]).works();
    let run: &[&str] = match nextest {
        true => &["nextest", "run", "--profile", "gate"],
        false => &["test", "--no-fail-fast"],
    };
    repository
        .command("cargo")
        .args(run)
        .args(["--workspace", "--all-targets"])
        .env("MOORLINE_BIN", repository.server())
        .run()
}

/// The benchmark of the store's reads, to be told how large; in its short form it only looks at the answers.
pub(crate) fn read_times(repository: &Repository) -> crate::command::Command {
    let args = ["run", "--release", "-p", "moorline-store", "--example", "read_times", "--"];
    repository.command("cargo").args(args)
}

fn doc(repository: &Repository) -> Result<()> {
    repository.command("cargo").args(["test", "--quiet", "--workspace", "--doc"]).run()
}
