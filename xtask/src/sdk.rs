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

/// The example clients that need no SDK: Python's `websockets` and Node's own WebSocket.
pub(crate) fn raw_clients(repository: &Repository) -> Result<()> {
    repository
        .command_in("tests/e2e", "node")
        .args(["--test", "--test-reporter=spec", "raw-clients.test.mjs"])
        .env("MOORLINE_BIN", repository.server())
        .env("PYTHON", install::python_path(repository))
        .run()
}
