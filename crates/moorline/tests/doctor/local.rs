//! Faults of this machine and of the store.

use std::fs::Permissions;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use moorline_store::{Store, StoreConfig};
use moorline_test_postgres::Server;
use tempfile::TempDir;

use crate::examined::{Doctor, OTHER_SECRET};
use crate::running::{Running, SECRET, program};
use crate::web::{expired_token, token};

fn on(folder: &Path) -> Doctor {
    Doctor::with(&["--data-dir", folder.to_str().unwrap()])
}

/// A disk of a few MiB, which only root can make.
struct SmallDisk(TempDir);

impl SmallDisk {
    fn new() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount
            .args(["-t", "tmpfs", "-o", "size=64m,mode=700", "moorline-doctor"])
            .arg(folder.path());
        let is_mounted = mount.output().is_ok_and(|output| output.status.success());
        if !is_mounted {
            println!("skipped: only root can mount a small disk");
        }
        is_mounted.then_some(Self(folder))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[test]
fn a_full_disk_is_found() {
    let Some(disk) = SmallDisk::new() else { return };
    let doctor = on(disk.0.path());
    // It is small, and that is told; but it is not full.
    let (exit, found) = doctor.check("ML-SYSTEM-002");
    assert_eq!((exit, found.status.as_str()), (0, "warn"), "{}", found.told);
    let ballast = disk.0.path().join("ballast");
    let mut file = std::fs::File::create(&ballast).unwrap();
    while std::io::Write::write_all(&mut file, &[1; 4096]).is_ok() {}
    drop(file);
    doctor.finds("ML-SYSTEM-002", "The disk is full", "Make room");
    doctor.finds("ML-SYSTEM-001", "cannot be written to", "ML-SYSTEM-002");
    std::fs::remove_file(&ballast).unwrap();
    assert_eq!(doctor.check("ML-SYSTEM-002").0, 0);
    doctor.passes("ML-SYSTEM-001");
}

#[test]
fn too_few_open_files_are_found() {
    let doctor = Doctor::default();
    doctor.clone().files(256).finds("ML-SYSTEM-003", "256 files", "LimitNOFILE=");
    doctor.files(4_096).passes("ML-SYSTEM-003");
}

#[test]
fn the_files_of_the_server_that_runs_count_and_not_those_of_the_doctor() {
    let server = Running::start(&[]);
    let doctor = on(&server.data()).files(256);
    assert!(doctor.check("ML-SYSTEM-003").1.told.contains("The running server"));
}

#[test]
fn a_taken_port_is_found_unless_our_own_server_has_it() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let doctor = on(folder.path()).and(&["--port", &port]);
    doctor.finds("ML-SYSTEM-004", &format!("Port {port}"), "--port");
    let server = Running::start(&[]);
    let port = server.address.port().to_string();
    let told = on(&server.data()).and(&["--port", &port]).passes("ML-SYSTEM-004");
    assert!(told.contains(&server.pid().to_string()), "{told}");
}

#[test]
fn a_schema_of_a_newer_program_is_found() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), Permissions::from_mode(0o700)).unwrap();
    drop(Store::open(StoreConfig::new(folder.path())).unwrap());
    let doctor = on(folder.path());
    doctor.passes("ML-STORE-002");
    let db = rusqlite::Connection::open(folder.path().join("moorline.db")).unwrap();
    db.busy_timeout(std::time::Duration::from_secs(20)).unwrap();
    let later = "INSERT INTO refinery_schema_history SELECT 999, name, applied_on, checksum FROM refinery_schema_history LIMIT 1";
    db.execute(later, []).unwrap();
    drop(db);
    doctor.finds("ML-STORE-002", "schema 999", "at least as new");
    let (_, text) = doctor.run(&["--only", "store"]);
    assert!(text.contains("ok   ML-STORE-004"), "{text}");
}

#[test]
fn a_standby_that_lost_its_primary_is_found() {
    let primary = Server::start();
    let standby = Server::replica_of(&primary);
    let doctor =
        |server: &Server| Doctor::default().variable("DATABASE_URL", &server.url("postgres"));
    doctor(&primary).passes("ML-STORE-006");
    doctor(&primary).passes("ML-STORE-001");
    doctor(&primary).passes("ML-STORE-003");
    doctor(&primary).passes("ML-STORE-007");
    doctor(&standby).finds("ML-STORE-006", "is a standby", "one,two");
    standby.fall_behind();
    doctor(&standby).finds("ML-STORE-006", "has lost its primary", "pg_promote");
}

#[test]
fn a_token_that_expired_or_has_another_key_is_found_beside_the_secret() {
    let doctor = Doctor::with(&["--jwt-secret", SECRET]);
    doctor.clone().token(&token(SECRET)).passes("ML-TOKEN-001");
    doctor.clone().token(&expired_token(SECRET)).finds("ML-TOKEN-001", "expired", "token mint");
    doctor.token(&token(OTHER_SECRET)).finds("ML-TOKEN-001", "another key", "--jwt-secret-file");
}

#[test]
fn settings_that_serve_refuses_are_found_with_the_words_of_serve() {
    let doctor = Doctor::default().variable("MOORLINE_PORT", "http");
    doctor.finds("ML-CONFIG-001", "`http` from MOORLINE_PORT is not a port", "1 to 65535");
    Doctor::default().passes("ML-CONFIG-001");
}

#[test]
fn wrong_words_end_with_2() {
    for words in [
        &["doctor", "--only", "nonsense"][..],
        &["doctor", "chat.example.org"],
        &["doctor", "--idle", "330s"],
        &["doctor", "--nonsense"],
    ] {
        assert_eq!(program(words).output().unwrap().status.code(), Some(2), "{words:?}");
    }
}

#[test]
fn the_checks_are_listed() {
    let (exit, text) = Doctor::with(&["--list-checks"]).run(&[]);
    assert_eq!(exit, 0);
    for check in moorline_doctor::CHECKS {
        assert!(text.contains(&format!("{}  {}", check.code, check.title)), "{text}");
    }
}
