//! Behind a pooler that hands connections on after each transaction, nothing that is set on a connection holds: the start
//! says so, and leaves the database as it was.

use std::time::{Duration, Instant};

use moorline_store::{Store, StoreConfig};
use moorline_test_postgres::{Pooler, Server};
use tempfile::TempDir;

fn open(url: &str) -> Result<(), String> {
    let folder = TempDir::new().unwrap();
    let config = StoreConfig::new(folder.path()).in_database(url.parse().unwrap());
    Store::open(config).map(drop).map_err(|error| error.to_string())
}

#[test]
fn a_pooler_in_between_is_refused_at_once_and_the_text_says_what_to_do() {
    let server = Server::start();
    let pools = ["", "ignore_startup_parameters = options", "pool_mode = session"];
    for settings in
        pools.into_iter().chain(["ignore_startup_parameters = options\npool_mode = session"])
    {
        let pooler = Pooler::before(&server, settings);
        let started = Instant::now();
        let refused = open(&pooler.url("postgres")).unwrap_err();
        assert!(refused.contains("PgBouncer"), "{settings}: {refused}");
        assert!(refused.contains("give the address of PostgreSQL itself"), "{settings}: {refused}");
        assert!(started.elapsed() < Duration::from_secs(5), "{settings}: {:?}", started.elapsed());
    }
    let schemas = "SELECT count(*) FROM pg_namespace WHERE nspname = 'moorline'";
    assert_eq!(server.psql("postgres", schemas).unwrap(), "0");
    open(&server.url("postgres")).unwrap();
}
