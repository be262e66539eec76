//! Opening: many at once, on servers that are fit and on those that are not.

use moorline_store::{Error, Store, StoreConfig};
use moorline_test_postgres::Server;
use tempfile::TempDir;

use crate::backend::Place;
use crate::stage::{Stage, follow, room};

fn open(url: &str, folder: &TempDir) -> Result<Store, Error> {
    let config = StoreConfig::new(folder.path()).in_database(url.parse().unwrap());
    Store::open(config).map(|(store, _)| store)
}

#[tokio::test]
async fn ten_nodes_that_start_together_make_one_store() {
    let place = Place::new();
    let url = place.url();
    let nodes: Vec<_> = (0..10)
        .map(|_| {
            let url = url.clone();
            std::thread::spawn(move || open(&url, &TempDir::new().unwrap()).map(drop))
        })
        .collect();
    for node in nodes {
        node.join().unwrap().unwrap();
    }
    let generation = place.database().psql("SELECT generation FROM moorline.state").unwrap();
    assert_eq!(generation, "10");
}

#[tokio::test]
async fn a_newer_schema_is_refused_with_a_clear_text() {
    let stage = Stage::with_group("r", &["ann"]).await;
    let place = stage.place().clone();
    stage.store.close().await;
    let add = "INSERT INTO moorline.refinery_schema_history VALUES (9000, 'later', '2099', '1')";
    place.database().psql(add).unwrap();
    let error = Store::open(place.config()).map(drop).unwrap_err();
    assert!(matches!(error, Error::NewerSchema { found: 9000, .. }), "{error:?}");
    assert!(error.to_string().contains("newer Moorline"), "{error}");
}

#[tokio::test]
async fn the_tables_stand_beside_those_of_others() {
    let place = Place::new();
    let make =
        "CREATE TABLE users (id int); CREATE TABLE rooms (id int); CREATE TABLE state (id int)";
    place.database().psql(make).unwrap();
    let (store, commits) = Store::open(place.config()).unwrap();
    follow(commits);
    assert_eq!(store.head(&room("r")).await, Err(Error::NotFound));
    assert_eq!(place.database().psql("SELECT count(*) FROM public.users").unwrap(), "0");
}

#[tokio::test]
async fn a_schemas_steps_are_told_and_made_on_demand() {
    let place = Place::new();
    let url = place.url().parse().unwrap();
    let before = Store::migrations(&url, false).unwrap();
    assert!(!before.is_empty() && before.iter().all(|step| !step.is_applied), "{before:?}");
    let after = Store::migrations(&url, true).unwrap();
    assert!(after.iter().all(|step| step.is_applied), "{after:?}");
    assert_eq!(Store::migrations(&url, false).unwrap(), after);
}

#[tokio::test]
async fn a_server_that_does_not_sync_is_refused() {
    let mut server = Server::start();
    server.kill("INT");
    server.set(&["fsync=off"]);
    server.resume();
    let error = open(&server.url("postgres"), &TempDir::new().unwrap()).map(drop).unwrap_err();
    assert!(error.to_string().contains("fsync = off"), "{error}");
}

#[tokio::test]
async fn a_database_of_another_encoding_or_name_is_refused_and_the_password_not_shown() {
    let place = Place::new();
    let name = format!("latin_{}", std::process::id());
    let make = format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'");
    place.database().psql(&make).unwrap();
    let base = place.url();
    let base = base.rsplit_once('/').unwrap().0;
    let folder = TempDir::new().unwrap();
    let latin = open(&format!("{base}/{name}"), &folder).map(drop).unwrap_err();
    place.database().psql(&format!("DROP DATABASE {name}")).unwrap();
    assert!(latin.to_string().contains("UTF8"), "{latin}");
    let url = base.replace("postgres@", "postgres:s3cret@");
    let missing = open(&format!("{url}/nothing"), &folder).map(drop).unwrap_err().to_string();
    assert!(missing.contains("does not exist") && !missing.contains("s3cret"), "{missing}");
}
