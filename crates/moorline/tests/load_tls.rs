//! `moorline soak` through a proxy that speaks TLS, as most installations have one: over all transports, and only where the
//! certificate is trusted.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests stop there")]

mod running;

use std::net::SocketAddr;
use std::sync::Arc;

use running::{Running, SECRET, program};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;

/// Takes TLS off and passes the rest on; gives its port and its certificate as it stands in a file.
async fn proxy(server: SocketAddr) -> (u16, String) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()).into();
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                // Who does not trust the certificate goes away.
                let Ok(mut client) = acceptor.accept(client).await else { return };
                let mut server = TcpStream::connect(server).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    (port, made.cert.pem())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_soak_through_tls_is_clean_where_the_certificate_is_trusted() {
    let server = Running::start(&["--jwt-secret", SECRET]);
    let address = server.address;
    let (port, pem) = proxy(address).await;
    let folder = tempfile::tempdir().unwrap();
    let trusted = folder.path().join("trusted.pem");
    std::fs::write(&trusted, pem).unwrap();
    let url = format!("https://localhost:{port}");
    let soak = move |trusted: Option<&std::path::Path>| {
        let mut command = program(&["soak", &url, "--duration", "2s", "--people", "6"]);
        command.args(["--transport", "mixed", "--jwt-secret", SECRET]);
        command.envs(trusted.map(|file| ("SSL_CERT_FILE", file)));
        command.output().unwrap()
    };
    let (good, bad) =
        tokio::task::spawn_blocking(move || (soak(Some(&trusted)), soak(None))).await.unwrap();
    let said = String::from_utf8_lossy(&good.stdout).into_owned();
    assert_eq!(good.status.code(), Some(0), "{said}{}", String::from_utf8_lossy(&good.stderr));
    assert!(said.contains("0 lost, 0 doubled, 0 out of order: contract kept"), "{said}");
    let said = String::from_utf8_lossy(&bad.stderr).into_owned();
    assert_eq!(bad.status.code(), Some(3), "{said}");
    assert!(said.contains("certificate"), "{said}");
}
