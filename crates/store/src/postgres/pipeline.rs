//! Several statements in one round trip: they are sent in the order in which they stand here, before the first is answered.

use std::future::Future;
use std::pin::Pin;
use std::task::Poll;

use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row, Statement};

use super::failure::Failure;

/// A statement under way.
pub(super) type Step<'a> =
    Pin<Box<dyn Future<Output = Result<Vec<Row>, tokio_postgres::Error>> + Send + 'a>>;

/// A prepared statement with its values.
pub(super) fn step<'a>(
    client: &'a Client,
    statement: &'a Statement,
    values: Vec<&'a (dyn ToSql + Sync)>,
) -> Step<'a> {
    Box::pin(async move { client.query(statement, &values).await })
}

/// A statement without values or rows, such as `BEGIN`.
pub(super) fn word<'a>(client: &'a Client, word: &'a str) -> Step<'a> {
    Box::pin(async move { client.batch_execute(word).await.map(|()| Vec::new()) })
}

/// Sends all and waits for all. The first failure counts: those behind it fail only because of it.
pub(super) async fn run(steps: Vec<Step<'_>>) -> Result<Vec<Vec<Row>>, Failure> {
    let mut steps: Vec<Option<Step<'_>>> = steps.into_iter().map(Some).collect();
    let mut done: Vec<Option<Result<Vec<Row>, tokio_postgres::Error>>> =
        steps.iter().map(|_| None).collect();
    // A step sends itself when it is first polled, so this order is the order on the wire.
    std::future::poll_fn(|cx| {
        let mut is_done = true;
        for (place, slot) in steps.iter_mut().enumerate() {
            let Some(step) = slot else { continue };
            match step.as_mut().poll(cx) {
                Poll::Ready(result) => {
                    done[place] = Some(result);
                    *slot = None;
                }
                Poll::Pending => is_done = false,
            }
        }
        if is_done { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    let mut rows = Vec::with_capacity(done.len());
    for result in done.into_iter().flatten() {
        rows.push(result?);
    }
    Ok(rows)
}
