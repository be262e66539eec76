//! What PostgreSQL makes of the statements of the hot paths: none of them goes through a whole table.

use moorline_test_postgres::Database;
use tempfile::TempDir;
use tokio_postgres::Client;

use super::connect::{Connector, Purpose};
use super::url::DatabaseUrl;
use super::{Postgres, load, reads, write};
use crate::StoreConfig;

/// Enough rows that going through all of them would cost more than going through an index.
const FILL: &str = "
    INSERT INTO users (id, name, folded, at) SELECT 'u' || i, 'U', ' u', 0 FROM generate_series(1, 5000) i;
    INSERT INTO rooms (id, kind, history, folded, epoch, first, head, messages, members, last_message, active, at,
            made_as, changed)
        SELECT 'r' || i, 2, 1, '', 1, 1, 50, 50, 5, 50, i, 0, '', pg_current_xact_id() FROM generate_series(1, 2000) i;
    INSERT INTO members (usr, room, role, joined, read, read_messages, changed)
        SELECT u.n, r.n, 3, 1, 1, 1, pg_current_xact_id() FROM rooms r JOIN users u ON u.n % 400 = r.n % 400;
    INSERT INTO events (room, seq, kind, id, sender, at, messages, body, words)
        SELECT r.n, s, 1, gen_random_uuid(), 2, 0, s, 'a walrus', 'a walrus'::tsvector FROM rooms r, generate_series(1, 50) s;
    INSERT INTO presence (usr, node, connections, away, version, changed)
        SELECT n, n % 3, 1, false, n, pg_current_xact_id() FROM users;
    INSERT INTO sessions (token_hash, id, usr, created, expires)
        SELECT sha256(i::text::bytea), i::text, 1 + i % 400, 0, i FROM generate_series(1, 5000) i;
    INSERT INTO tickets (hash, usr, session, issued, at, ends, expires)
        SELECT token_hash, usr, id, 0, 0, expires, expires FROM sessions;
    INSERT INTO cids (cid, sender, room, hash, epoch, seq, at)
        SELECT uuid_send(id), sender, room, '', 1, seq, 0 FROM events;
    ANALYZE;";

async fn plan(db: &Client, sql: &str) -> String {
    let statement = db.prepare(sql).await.unwrap();
    let kinds: Vec<String> = statement
        .params()
        .iter()
        .map(|kind| {
            kind.name()
                .replace("_text", "text[]")
                .replace("_int8", "int8[]")
                .replace("_bytea", "bytea[]")
                .replace("_uuid", "uuid[]")
        })
        .collect();
    let nulls = vec!["NULL"; kinds.len()].join(", ");
    let (kinds, nulls) = match kinds.len() {
        0 => (String::new(), String::new()),
        _ => (format!("({})", kinds.join(", ")), format!("({nulls})")),
    };
    let explain = format!("DEALLOCATE ALL; PREPARE s{kinds} AS {sql}; EXPLAIN EXECUTE s{nulls}");
    let rows = db.simple_query(&explain).await.unwrap();
    let lines = rows.iter().filter_map(|row| match row {
        tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// A filled store, and a connection of each purpose.
async fn stage() -> (Database, Client, Client) {
    let (database, folder) = (Database::new(), TempDir::new().unwrap());
    let url: DatabaseUrl = database.url().parse().unwrap();
    let (store, _commits) = Postgres::open(&url, &StoreConfig::new(folder.path())).unwrap();
    store.close().await;
    database.psql(&format!("SET search_path = moorline; {FILL}")).unwrap();
    let connector = Connector::new(&url).unwrap();
    let writer = connector.connect(Purpose::Write).await.unwrap();
    let reader = connector.connect(Purpose::Read).await.unwrap();
    reader.batch_execute("SET plan_cache_mode = force_generic_plan").await.unwrap();
    (database, writer, reader)
}

#[tokio::test]
async fn no_statement_of_the_hot_paths_goes_through_a_table() {
    let (_database, writer, reader) = stage().await;
    let tables = ["events", "cids", "members", "rooms", "users", "presence", "tickets", "sessions"];
    let mut indexed = 0;
    for (db, statements) in
        [(&writer, [load::sql(), write::sql()].concat()), (&reader, reads::statements())]
    {
        for sql in statements {
            let plan = plan(db, &sql).await;
            for table in tables {
                assert!(!plan.contains(&format!("Seq Scan on {table}")), "{sql}\n{plan}");
            }
            indexed += usize::from(plan.contains("Index"));
        }
    }
    assert!(indexed > 20, "only {indexed} plans use an index");
}

#[tokio::test]
async fn a_resume_looks_for_the_events_that_it_brings_and_for_no_others_of_the_room() {
    let (_database, _writer, reader) = stage().await;
    let bounds = ["seq >= k.low", "seq <= k.high"];
    let ranges: Vec<String> = reads::statements()
        .into_iter()
        .filter(|sql| sql.contains("k.low") && sql.contains("k.high"))
        .collect();
    assert_eq!(ranges.len(), 1);
    for sql in ranges {
        let plan = plan(&reader, &sql).await;
        let by_index =
            plan.lines().find(|line| line.contains("Index Cond") && line.contains("seq"));
        assert!(by_index.is_some_and(|line| bounds.iter().all(|b| line.contains(b))), "{plan}");
    }
}

#[tokio::test]
async fn the_test_sees_a_statement_that_goes_through_a_table() {
    let (_database, _writer, reader) = stage().await;
    let plan = plan(&reader, "SELECT count(*) FROM events WHERE messages = $1").await;
    assert!(plan.contains("Seq Scan on events"), "{plan}");
}
