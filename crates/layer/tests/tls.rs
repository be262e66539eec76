//! `rediss://` against a real Redis with a certificate of our own.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says so by failing"
)]

mod support;

use std::path::Path;

use moorline_layer::{ChannelLayer, Error, Host, Options};
use support::{DEADLINE, TestRedis, numbered};

/// Writes a certificate for localhost that signs itself.
fn certify(folder: &Path) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    std::fs::write(folder.join("cert.pem"), made.cert.pem()).unwrap();
    std::fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Redis with TLS on another port than that without.
fn start() -> (TestRedis, u16) {
    let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
    certify(folder.path());
    let words = format!(
        "--tls-port {port} --tls-cert-file FOLDER/cert.pem --tls-key-file FOLDER/key.pem --tls-ca-cert-file \
         FOLDER/cert.pem --tls-auth-clients no"
    );
    let words: Vec<&str> = words.split(' ').collect();
    (TestRedis::start_in(folder, &words), port)
}

fn open(redis: &TestRedis, port: u16, query: &str) -> ChannelLayer {
    let query = query.replace("FOLDER", redis.folder().to_str().unwrap());
    let url = format!("rediss://:p%40ss%3Aw%2Frd%231@localhost:{port}/0{query}");
    let hosts = vec![Host::parse(&url).unwrap()];
    ChannelLayer::redis(Options { hosts, ..Options::default() }).unwrap()
}

#[tokio::test]
async fn a_certificate_that_is_trusted_or_not_asked_for_is_taken() {
    let (redis, port) = start();
    for query in ["?ssl_ca_certs=FOLDER/cert.pem", "?ssl_cert_reqs=none"] {
        let layer = open(&redis, port, query);
        let channel = layer.new_channel().await.unwrap();
        layer.send(&channel, &numbered(1)).await.unwrap();
        let received = layer.receive_within(&channel, DEADLINE).await.unwrap();
        assert_eq!(received, Some(numbered(1)));
        layer.close().await;
    }
}

#[tokio::test]
async fn a_certificate_of_a_stranger_is_refused_and_named_as_the_cause() {
    let (redis, port) = start();
    let Err(Error::Unavailable { why, .. }) =
        open(&redis, port, "").send("worker", &numbered(1)).await
    else {
        panic!("sent to a stranger");
    };
    assert!(why.contains("TLS") && why.contains("certificate"), "{why}");
}
