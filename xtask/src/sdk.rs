//! The SDK's tests and the raw clients, which speak to the server without it.

use anyhow::Result;

use crate::install;
use crate::repository::Repository;

/// Types, unit tests and the size of the core, without a server.
pub(crate) fn unit(repository: &Repository) -> Result<()> {
    repository.command_in("clients/typescript", "npm").arg("test").run()
}

/// The SDK in Node.js against the release binary.
pub(crate) fn live(repository: &Repository) -> Result<()> {
    repository
        .command_in("clients/typescript", "npm")
        .args(["run", "test:live"])
        .env("MOORLINE_BIN", repository.server())
        .run()
}

/// The SDK on the server in memory, whatever goes wrong, over so many seeds; the twins with planted bugs are in the same file.
pub(crate) fn seeds(repository: &Repository, count: u32) -> Result<()> {
    repository
        .command_in("clients/typescript", "npx")
        .args(["vitest", "run", "test/property.test.ts"])
        .env("MOORLINE_SEEDS", count.to_string())
        .run()
}

/// The programs of `examples/` that use the SDK or the HTTP API, in a browser and as processes.
pub(crate) fn examples(repository: &Repository) -> Result<()> {
    repository.command_in("clients/typescript", "npm").args(["run", "build"]).run()?;
    end_to_end(repository, "examples.test.mjs")
}

/// Clients that need no SDK: Python's `websockets`, Node's own WebSocket, and a browser's `EventSource`.
pub(crate) fn raw_clients(repository: &Repository) -> Result<()> {
    end_to_end(repository, "raw-clients.test.mjs")?;
    end_to_end(repository, "event-source.test.mjs")?;
    end_to_end(repository, "compression.test.mjs")
}

fn end_to_end(repository: &Repository, file: &str) -> Result<()> {
    repository
        .command_in("tests/e2e", "node")
        .args(["--test", "--test-reporter=spec", file])
        .env("MOORLINE_BIN", repository.server())
        .env("PYTHON", install::python_path(repository))
        .run()
}
