//! TLS to a real server with a certificate of our own authority.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use moorline_store::{Store, StoreConfig};
use moorline_test_postgres::Server;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tempfile::TempDir;

use crate::stage::{follow, user};

/// The name that the server's certificate is for.
const NAME: &str = "db.example";
/// How long a refusal may take: nobody waits for a certificate to become good.
const AT_ONCE: Duration = Duration::from_secs(5);

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// A certificate for [`NAME`], and its key.
    fn certify(&self) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![NAME.to_owned()]).unwrap();
        (params.signed_by(&key, &self.issuer).unwrap().pem(), key.serialize_pem())
    }
}

struct Stand {
    _server: Server,
    address: Ipv4Addr,
    folder: TempDir,
}

impl Stand {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let authority = Authority::new("ours");
        for (file, pem) in [
            ("ca.pem", authority.pem.as_str()),
            ("other.pem", &Authority::new("other").pem),
            ("namesake.pem", &Authority::new("ours").pem),
            ("empty.pem", ""),
        ] {
            std::fs::write(folder.path().join(file), pem).unwrap();
        }
        let (certificate, key) = authority.certify();
        // An address of its own, so that the port is free.
        let [_, b, c, d] = rand::random::<[u8; 4]>();
        let address = Ipv4Addr::new(127, b, c, d | 2);
        let server = Server::start_with_tls(address, &certificate, &key);
        Self { _server: server, address, folder }
    }

    fn open(&self, host: &str, query: &str) -> Result<Store, String> {
        let files = self.folder.path().display().to_string().replace('/', "%2F");
        let query = query.replace("FOLDER", &files);
        let url = format!("postgres://postgres@{host}/postgres?hostaddr={}&{query}", self.address);
        let folder = TempDir::new().unwrap();
        let config = StoreConfig::new(folder.path()).in_database(url.parse().unwrap());
        let started = Instant::now();
        let opened = Store::open(config).map_err(|error| error.to_string());
        assert!(started.elapsed() < AT_ONCE, "{query}: {:?}", started.elapsed());
        opened.map(|(store, commits)| {
            follow(commits);
            store
        })
    }
}

#[tokio::test]
async fn a_certificate_that_is_good_by_the_sslmode_is_taken() {
    let stand = Stand::new();
    for (host, query) in [
        (NAME, "sslmode=verify-full&sslrootcert=FOLDER%2Fca.pem"),
        (NAME, "sslrootcert=FOLDER%2Fca.pem"),
        ("other.example", "sslmode=verify-ca&sslrootcert=FOLDER%2Fca.pem"),
        ("other.example", "sslmode=require"),
        ("other.example", "sslmode=prefer"),
        ("other.example", "sslmode=allow"),
    ] {
        let store = stand.open(host, query).unwrap();
        // A lane and a reader have come through as well.
        let id = user("ann");
        store.put_user(id.clone(), "Ann".to_owned(), 1).await.unwrap();
        assert_eq!(store.user(&id).await.unwrap().unwrap().name, "Ann", "{query}");
        store.close().await;
    }
}

#[tokio::test]
async fn a_certificate_that_is_not_good_is_refused_at_once_with_what_to_do() {
    let stand = Stand::new();
    for (host, query, says) in [
        (
            NAME,
            "sslmode=verify-full&sslrootcert=FOLDER%2Fother.pem",
            "no authority that is trusted",
        ),
        (
            NAME,
            "sslmode=verify-ca&sslrootcert=FOLDER%2Fnamesake.pem",
            "no authority that is trusted",
        ),
        (NAME, "sslmode=require&sslrootcert=FOLDER%2Fother.pem", "no authority that is trusted"),
        ("other.example", "sslmode=verify-full&sslrootcert=FOLDER%2Fca.pem", "for another host"),
        (NAME, "sslmode=verify-full&sslrootcert=FOLDER%2Fnothing.pem", "cannot be read"),
        (NAME, "sslmode=verify-full&sslrootcert=FOLDER%2Fempty.pem", "no certificate in"),
    ] {
        let refused = stand.open(host, query).map(drop).unwrap_err();
        assert!(refused.contains(says), "{query}: {refused}");
    }
    // The server takes nobody who does not encrypt.
    let refused = stand.open(NAME, "sslmode=disable").map(drop).unwrap_err();
    assert!(refused.contains("no encryption"), "{refused}");
}
