//! The connections that read: a few, shared by all readers, each looked at when it is made.

use std::time::Duration;

use deadpool_postgres::{
    Hook, HookError, Manager, ManagerConfig, Object, PoolError, RecyclingMethod, Runtime,
};

use super::connect::{Connector, Purpose};
use super::failure::Failure;
use super::generation::Generation;
use crate::Error;

/// Connections of a node that read, beside those of its lanes: ten nodes fit into PostgreSQL's usual hundred.
const CONNECTIONS: usize = 5;
/// Reads that may wait for one; more are refused as overloaded. A whole node's connections coming back at once fit.
const WAITING: usize = 32_768;
/// How long a read waits for its turn, and for a connection to be made.
const PATIENCE: Duration = Duration::from_secs(5);

/// A read that would write is a mistake in this program.
const READ_ONLY: &str = "SET default_transaction_read_only = on";

/// The pool.
pub(super) struct Pool(deadpool_postgres::Pool);

impl Pool {
    pub(super) fn new(connector: &Connector, generation: &Generation) -> Result<Self, String> {
        let config = connector.config_for(Purpose::Read);
        let settings = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = Manager::from_config(config, connector.tls.clone(), settings);
        let generation = generation.clone();
        let look = Hook::async_fn(move |client: &mut deadpool_postgres::ClientWrapper, _| {
            let generation = generation.clone();
            Box::pin(async move {
                let look = async {
                    generation.check(client).await?;
                    // Not among the settings it is asked for with: of several hosts the one that can be written to is
                    // found by that very setting.
                    Ok::<_, Failure>(client.batch_execute(READ_ONLY).await?)
                };
                look.await.map_err(|failure| HookError::message(failure.to_string()))
            })
        });
        let pool = deadpool_postgres::Pool::builder(manager)
            .max_size(CONNECTIONS)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(PATIENCE))
            .create_timeout(Some(PATIENCE))
            .recycle_timeout(Some(PATIENCE))
            .post_create(look)
            .build();
        pool.map(Self).map_err(|error| error.to_string())
    }

    pub(super) async fn connection(&self) -> Result<Object, Error> {
        if self.0.status().waiting > WAITING {
            return Err(Error::overloaded());
        }
        self.0.get().await.map_err(refusal)
    }

    /// Another one after one was broken: the others are likely to be as well.
    pub(super) async fn another(&self) -> Result<Object, Error> {
        self.0.retain(|client, _| !client.is_closed());
        self.connection().await
    }

    pub(super) fn close(&self) {
        self.0.close();
    }
}

fn refusal(error: PoolError) -> Error {
    match error {
        PoolError::Backend(error) => Failure::from(error).answer(),
        PoolError::Timeout(_) => Failure::TimedOut.answer(),
        PoolError::Closed => Error::unavailable("the store is closed"),
        PoolError::PostCreateHook(HookError::Message(text)) => Error::unavailable(text.to_string()),
        PoolError::PostCreateHook(_) | PoolError::NoRuntimeSpecified => {
            Error::unavailable("no connection could be made")
        }
    }
}
