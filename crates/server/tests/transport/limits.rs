//! Floods: rates of handshakes, sockets whose person stays unknown, and who is exempt.

use moorline_server::ServerConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use crate::site::{SOON, Site, status};

#[tokio::test]
async fn handshakes_of_one_address_are_limited_if_loopback_is() {
    let config = ServerConfig { limit_loopback: true, ..ServerConfig::default() };
    let site = Site::with(config).await;
    let mut seen = Vec::new();
    for _ in 0..30 {
        seen.push(site.shake("/echo", &[]).await);
    }
    let refused = seen.iter().filter(|status| **status == 429).count();
    assert!(seen[..20].iter().all(|status| *status == 101), "{seen:?}");
    assert!(refused > 0, "{seen:?}");
    assert!(site.metrics.render().contains("moorline_handshakes_refused_total"));
}

#[tokio::test]
async fn a_client_behind_a_local_proxy_is_limited_by_its_own_address() {
    let site = Site::start().await;
    for _ in 0..30 {
        assert_eq!(site.shake("/echo", &[]).await, 101);
    }
    let mut seen = Vec::new();
    for _ in 0..30 {
        seen.push(site.shake("/echo", &["X-Forwarded-For: 203.0.113.9"]).await);
    }
    assert!(seen.contains(&429), "{seen:?}");
    assert_eq!(site.shake("/echo", &["X-Forwarded-For: 203.0.113.10"]).await, 101);
}

#[tokio::test]
async fn sockets_without_a_sign_in_are_limited_and_a_sign_in_makes_room() {
    let config = ServerConfig {
        limit_loopback: true,
        unauthenticated_sockets: 3,
        ..ServerConfig::default()
    };
    let site = Site::with(config).await;
    let (mut first, head) = site.try_shake("/sign-in", &[]).await;
    assert_eq!(status(&head), 101);
    let (_second, _) = site.try_shake("/sign-in", &[]).await;
    let (_third, _) = site.try_shake("/sign-in", &[]).await;
    assert_eq!(site.answer("GET /hello HTTP/1.1\r\n\r\n").await, "");
    let sign_in = [&[0x81, 0x87, 0, 0, 0, 0][..], b"sign in"].concat();
    first.write_all(&sign_in).await.unwrap();
    let mut welcome = [0; 9];
    timeout(SOON, first.read_exact(&mut welcome)).await.unwrap().unwrap();
    assert_eq!(site.shake("/sign-in", &[]).await, 101);
}

#[tokio::test]
async fn a_socket_that_needs_no_sign_in_takes_no_place() {
    let config = ServerConfig {
        limit_loopback: true,
        unauthenticated_sockets: 1,
        ..ServerConfig::default()
    };
    let site = Site::with(config).await;
    let mut open = Vec::new();
    for _ in 0..5 {
        let (socket, head) = site.try_shake("/echo", &[]).await;
        assert_eq!(status(&head), 101);
        open.push(socket);
    }
}
