//! What the lane of people writes of presence: leases, who is on which node, and the end of nodes that left.
//!
//! Every row belongs to one node, which alone writes it while it lives.

use tokio_postgres::Client;

use super::failure::Failure;
use super::schema::put;
use crate::presence::{Lease, PutPresence};

/// Places of nodes that left, taken away with one renewal at most.
const BURIED: i64 = 1_000;

/// Answers whether the lease had not ended before.
pub(super) async fn renew(client: &Client, lease: &Lease) -> Result<bool, Failure> {
    let node = lease.node.0.cast_signed();
    let renew = "INSERT INTO nodes AS n (node, renewed, until)
         VALUES ($1, clock_timestamp(), clock_timestamp() + $2 * interval '1 second')
         ON CONFLICT (node) DO UPDATE SET renewed = excluded.renewed, until = excluded.until
         RETURNING coalesce((SELECT until > clock_timestamp() FROM nodes WHERE node = $1), false)";
    let row = client.query_one(renew, &[&node, &lease.length.as_secs_f64()]).await?;
    bury(client).await?;
    // By then every other node has seen that they are gone, or begins anew.
    let forget =
        "DELETE FROM presence WHERE node = $1 AND gone < clock_timestamp() - interval '10 minutes'";
    client.execute(forget, &[&node]).await?;
    Ok(row.try_get(0)?)
}

/// Takes away what nodes left behind that are gone for a while; their people were last seen when they lived.
async fn bury(client: &Client) -> Result<(), Failure> {
    let take = "DELETE FROM presence d USING (
             SELECT p.usr, p.node, n.renewed FROM nodes n JOIN presence p ON p.node = n.node
             WHERE n.until < clock_timestamp() - interval '15 seconds' LIMIT $1 FOR UPDATE OF p SKIP LOCKED) k
         WHERE d.usr = k.usr AND d.node = k.node
         RETURNING d.usr, d.connections, (extract(epoch FROM k.renewed) * 1000)::bigint";
    let (mut users, mut times) = (Vec::new(), Vec::new());
    for row in client.query(take, &[&BURIED]).await? {
        if row.try_get::<_, i64>(1)? > 0 {
            users.push(row.try_get::<_, i64>(0)?);
            times.push(row.try_get::<_, i64>(2)?);
        }
    }
    if !users.is_empty() {
        let lock = "SELECT 1 FROM users WHERE n = ANY($1::bigint[]) ORDER BY id FOR NO KEY UPDATE";
        client.query(lock, &[&users]).await?;
        let seen = "UPDATE users u SET seen = k.at FROM unnest($1::bigint[], $2::bigint[]) k(n, at)
             WHERE u.n = k.n AND u.removed IS NULL AND u.seen < k.at";
        client.execute(seen, &[&users, &times]).await?;
    }
    let end = "DELETE FROM nodes n WHERE until < clock_timestamp() - interval '10 minutes'
             AND NOT EXISTS (SELECT 1 FROM presence p WHERE p.node = n.node)";
    client.execute(end, &[]).await?;
    Ok(())
}

pub(super) async fn write(client: &Client, written: &PutPresence) -> Result<(), Failure> {
    let places = &written.places;
    let users: Vec<&str> = places.iter().map(|place| place.user.as_str()).collect();
    let connections: Vec<i64> = places.iter().map(|place| place.connections.into()).collect();
    let away: Vec<bool> = places.iter().map(|place| place.is_away).collect();
    let versions: Vec<i64> = places.iter().map(|place| put(place.version)).collect();
    let write = "INSERT INTO presence AS p (usr, node, connections, away, version, gone, changed)
         SELECT u.n, $1, k.connections, k.away, k.version,
             CASE WHEN k.connections = 0 THEN clock_timestamp() END, pg_current_xact_id()
         FROM unnest($2::text[], $3::bigint[], $4::boolean[], $5::bigint[]) k(id, connections, away, version)
         JOIN users u ON u.id = k.id AND u.removed IS NULL
         ON CONFLICT (usr, node) DO UPDATE SET connections = excluded.connections, away = excluded.away,
             version = excluded.version, gone = excluded.gone, changed = excluded.changed
         WHERE p.version < excluded.version";
    let node = written.node.0.cast_signed();
    client.execute(write, &[&node, &users, &connections, &away, &versions]).await?;
    Ok(())
}

/// One whose erasing begins is nowhere any more.
pub(super) async fn forget(client: &Client, user: i64) -> Result<(), Failure> {
    let mark =
        "UPDATE presence SET connections = 0, gone = clock_timestamp(), version = version + 1,
             changed = pg_current_xact_id() WHERE usr = $1 AND gone IS NULL";
    client.execute(mark, &[&user]).await?;
    Ok(())
}
