//! The login against a stranger: replies that no Redis gives.

use super::*;

/// What reading one reply out of these bytes gives.
async fn reply(bytes: &[u8]) -> Result<Reply, Failure> {
    let (mut here, there) = tokio::io::duplex(1 << 20);
    here.write_all(bytes).await.unwrap();
    drop(here);
    read_reply(&mut (Box::new(there) as BoxedStream)).await
}

#[tokio::test]
async fn replies_of_the_login_are_read() {
    let text = |text: &str| Reply::Text(text.to_owned());
    assert_eq!(reply(b"+PONG\r\n").await, Ok(text("PONG")));
    assert_eq!(reply(b"-NOAUTH x\r\n").await, Ok(Reply::Error("NOAUTH x".to_owned())));
    assert_eq!(reply(b"*-1\r\n").await, Ok(Reply::Nil));
    let address = b"*2\r\n$9\r\n127.0.0.1\r\n$4\r\n6379\r\n";
    assert_eq!(reply(address).await, Ok(Reply::Array(vec![text("127.0.0.1"), text("6379")])));
    let role = b"*3\r\n$6\r\nmaster\r\n:0\r\n*1\r\n*3\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\n2\r\n";
    let Ok(Reply::Array(parts)) = reply(role).await else { panic!("no role") };
    assert_eq!(parts.first(), Some(&text("master")));
}

#[tokio::test]
async fn what_no_redis_says_is_refused_in_bounded_memory() {
    let strangers: [&[u8]; 7] = [
        b"HTTP/1.1 400 Bad Request\r\n",
        b"$999999999\r\n",
        b"*999999999\r\n+a\r\n",
        b"$x\r\n",
        b"\r\n",
        b"+cut short",
        &[b'+'; 20_000],
    ];
    for bytes in strangers {
        assert!(reply(bytes).await.is_err(), "{:?}", &bytes[..bytes.len().min(20)]);
    }
}

#[test]
fn a_missing_and_a_wrong_password_are_told_apart() {
    let check = |text: &str| check_login(&Reply::Error(text.to_owned()));
    let missing = check("NOAUTH Authentication required.").unwrap_err();
    assert!(
        missing.cause == Cause::PasswordMissing && missing.why.contains("none was given"),
        "{missing:?}"
    );
    let wrong = check("WRONGPASS invalid username-password pair or user is disabled.").unwrap_err();
    assert!(wrong.cause == Cause::PasswordWrong && wrong.why.contains("is wrong"), "{wrong:?}");
    let loading = check("LOADING Redis is loading the dataset in memory").unwrap_err();
    assert!(!loading.is_refusal());
    assert!(check("ERR DB index is out of range").unwrap_err().is_refusal());
    assert_eq!(check("NOPERM this user has no permissions to run the 'ping' command"), Ok(()));
    let needless =
        "ERR AUTH <password> called without any password configured for the default user.";
    assert_eq!(check(needless), Ok(()));
}
