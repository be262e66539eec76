//! The 22 faults that doctor must find, and where each is planted.

use moorline_test_redis::Server;

use crate::examined::{Doctor, KEY};
use crate::running::Running;

/// What is wrong, the code that says so, and the test that plants it.
const FAULTS: [(&str, &str, &str); 22] = [
    (
        "Django's redis-py 8 gives up reads after 5 s",
        "ML-REDIS-007",
        "test_readers_that_give_up_after_five_seconds_are_found",
    ),
    (
        "pubsub on one side, core on the other",
        "ML-REDIS-009",
        "the_other_kind_of_layer_is_found_from_both_sides",
    ),
    ("no password", "ML-REDIS-002", "a_missing_a_wrong_and_a_needless_password_are_told_apart"),
    ("wrong password", "ML-REDIS-002", "a_missing_a_wrong_and_a_needless_password_are_told_apart"),
    ("wrong database", "ML-REDIS-003", "another_database_than_the_other_sides_is_found"),
    ("wrong prefix", "ML-REDIS-008", "another_prefix_than_the_other_sides_is_found"),
    ("other encryption key", "ML-REDIS-012", "another_key_than_the_other_sides_is_found"),
    ("expiry mismatch", "ML-REDIS-010", "another_expiry_than_the_other_sides_is_found"),
    ("full queue", "ML-REDIS-013", "a_full_queue_is_found"),
    ("eviction policy", "ML-REDIS-015", "a_policy_that_throws_keys_away_is_found"),
    ("proxy without upgrade", "ML-WEB-002", "a_proxy_that_passes_no_upgrade_is_found"),
    (
        "proxy with an idle limit",
        "ML-WEB-008",
        "a_proxy_that_ends_silent_connections_is_found_with_its_limit",
    ),
    ("proxy that buffers streams", "ML-WEB-005", "a_proxy_that_holds_streams_back_is_found"),
    ("wrong Origin", "ML-WEB-003", "a_page_that_the_server_does_not_list_is_found"),
    ("expired token", "ML-WEB-004", "a_token_that_the_server_refuses_is_found_with_the_reason"),
    ("wrong key", "ML-WEB-004", "a_token_that_the_server_refuses_is_found_with_the_reason"),
    ("clock off by an hour", "ML-WEB-006", "a_clock_that_is_off_by_an_hour_is_found"),
    ("full disk", "ML-SYSTEM-002", "a_full_disk_is_found"),
    ("256 files", "ML-SYSTEM-003", "too_few_open_files_are_found"),
    ("newer schema", "ML-STORE-002", "a_schema_of_a_newer_program_is_found"),
    ("port taken", "ML-SYSTEM-004", "a_taken_port_is_found_unless_our_own_server_has_it"),
    ("stale replica", "ML-REDIS-016", "a_stale_replica_is_found"),
];

const PROOFS: [&str; 4] = [
    include_str!("local.rs"),
    include_str!("redis.rs"),
    include_str!("web.rs"),
    include_str!("../../../../tests/interop/test_doctor.py"),
];

#[test]
fn each_of_the_22_faults_has_its_code_and_a_test_that_plants_it() {
    for (fault, code, proof) in FAULTS {
        assert!(moorline_doctor::CHECKS.iter().any(|check| check.code == code), "{fault}: {code}");
        let planted = PROOFS.iter().find(|text| text.contains(&format!(" {proof}(")));
        let text = planted.unwrap_or_else(|| panic!("{fault}: no test {proof}"));
        let body = text.split(&format!(" {proof}(")).nth(1).unwrap();
        let body = body.split("\n#[").next().unwrap().split("\nasync def ").next().unwrap();
        assert!(body.contains(code), "{fault}: {proof} does not ask for {code}");
    }
}

#[test]
fn a_healthy_installation_is_well_as_a_whole_beside_its_running_server() {
    let redis = Server::start();
    let variables = [("REDIS_URL", redis.url(0)), ("MOORLINE_LAYER_KEY", KEY.to_owned())];
    let variables = variables.each_ref().map(|(name, value)| (*name, value.as_str()));
    let server = Running::start_with_variables(tempfile::tempdir().unwrap(), &[], &variables);
    let data = server.data();
    let doctor = Doctor::with(&[
        "--data-dir",
        data.to_str().unwrap(),
        "--port",
        &server.address.port().to_string(),
    ]);
    let doctor =
        variables.iter().fold(doctor, |doctor, (name, value)| doctor.variable(name, value));
    let (exit, text) = doctor.run(&[]);
    assert_eq!(exit, 0, "{text}");
    assert!(text.contains("All is well:"), "{text}");
    for code in ["ML-STORE-004", "ML-REDIS-002", "ML-REDIS-005", "ML-REDIS-007", "ML-REDIS-019"] {
        assert!(text.contains(&format!("ok   {code}")), "{code}: {text}");
    }
}
