//! Opens a logged-in byte stream to a Redis: TCP, TLS, a Unix socket, or whatever master the Sentinels name.
//!
//! `Link` and the readers call it whenever they need a connection. The login is done here, reply by reply, so that a
//! missing or a wrong password is told as exactly that. It neither retries nor logs a password.

use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};

use crate::host::{Address, Host, Login, Place};
use crate::redis::tls;
use crate::trouble::Cause;

/// A whole attempt may take so long.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// What `CLIENT LIST` calls our connections.
const CLIENT_NAME: &str = "moorline";

/// Replies during the login are short; anything longer is not a Redis.
const MAX_REPLY_BYTES: usize = 16 * 1024;
const MAX_REPLY_PARTS: usize = 1024;

/// Bytes both ways, whatever carries them.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// A stream on which commands can be sent.
pub(crate) type BoxedStream = Box<dyn Stream>;

/// Why there is no connection.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Failure {
    pub(crate) why: String,
    pub(crate) cause: Cause,
}

impl Failure {
    pub(crate) fn network(why: impl ToString) -> Self {
        Self { why: why.to_string(), cause: Cause::Unreachable }
    }

    fn refusal(why: impl ToString) -> Self {
        Self { why: why.to_string(), cause: Cause::Refused }
    }

    /// Redis was reached and refused the login: waiting does not help.
    pub(crate) fn is_refusal(&self) -> bool {
        self.cause != Cause::Unreachable
    }
}

/// Connects and logs in, within five seconds.
pub(crate) async fn connect(host: &Host) -> Result<BoxedStream, Failure> {
    let attempt = async {
        match &host.place {
            Place::Tcp(address) => open(host, address).await,
            Place::Unix(path) => {
                let stream = UnixStream::connect(path).await.map_err(Failure::network)?;
                logged_in(Box::new(stream), &host.login, host.database).await
            }
            Place::Sentinel { sentinels, master, login } => {
                let address = ask_sentinels(host, sentinels, master, login).await?;
                let mut stream = open(host, &address).await?;
                check_role(&mut stream, &address).await?;
                Ok(stream)
            }
        }
    };
    let late = |_| Failure::network(format!("no answer within {} s", CONNECT_TIMEOUT.as_secs()));
    tokio::time::timeout(CONNECT_TIMEOUT, attempt).await.map_err(late)?
}

/// Connects and does not log in, for those who ask what a Redis says to a stranger. It has no time limit of its own.
pub(crate) async fn dial_host(host: &Host) -> Result<BoxedStream, Failure> {
    match &host.place {
        Place::Tcp(address) => dial(host, address).await,
        Place::Unix(path) => {
            Ok(Box::new(UnixStream::connect(path).await.map_err(Failure::network)?))
        }
        Place::Sentinel { sentinels, master, login } => {
            dial(host, &ask_sentinels(host, sentinels, master, login).await?).await
        }
    }
}

async fn open(host: &Host, address: &Address) -> Result<BoxedStream, Failure> {
    let stream = dial(host, address).await?;
    logged_in(stream, &host.login, host.database).await
}

async fn dial(host: &Host, address: &Address) -> Result<BoxedStream, Failure> {
    let tcp = TcpStream::connect((address.host.as_str(), address.port))
        .await
        .map_err(|error| Failure::network(format!("{address}: {error}")))?;
    tune(&tcp).map_err(Failure::network)?;
    match &host.tls {
        None => Ok(Box::new(tcp)),
        Some(options) => Ok(Box::new(tls::wrap(tcp, &address.host, options).await?)),
    }
}

/// Small commands leave at once, and a peer that vanished without a word is noticed within half a minute.
fn tune(tcp: &TcpStream) -> std::io::Result<()> {
    tcp.set_nodelay(true)?;
    let socket = SockRef::from(tcp);
    let keepalive = TcpKeepalive::new()
        .with_time(Duration::from_secs(15))
        .with_interval(Duration::from_secs(5))
        .with_retries(3);
    socket.set_tcp_keepalive(&keepalive)?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(Duration::from_secs(20)))?;
    Ok(())
}

async fn logged_in(
    mut stream: BoxedStream,
    login: &Login,
    database: u32,
) -> Result<BoxedStream, Failure> {
    if let Some(password) = &login.password {
        let words: Vec<&str> =
            ["AUTH"].into_iter().chain(login.user.as_deref()).chain([password.as_str()]).collect();
        check_login(&ask(&mut stream, &words).await?)?;
    }
    if database != 0 {
        check_login(&ask(&mut stream, &["SELECT", &database.to_string()]).await?)?;
    }
    check_login(&ask(&mut stream, &["PING"]).await?)?;
    // So that `CLIENT LIST` tells whose a connection is; a user who may not do so goes without.
    ask(&mut stream, &["CLIENT", "SETNAME", CLIENT_NAME]).await?;
    Ok(stream)
}

fn check_login(reply: &Reply) -> Result<(), Failure> {
    let Reply::Error(error) = reply else { return Ok(()) };
    let code = error.split(' ').next().unwrap_or_default();
    match code {
        "NOAUTH" => Err(Failure {
            why: "NOAUTH: it asks for a password and none was given; write it into the URL, redis://:PASSWORD@HOST"
                .to_owned(),
            cause: Cause::PasswordMissing,
        }),
        "WRONGPASS" => Err(Failure {
            why: "WRONGPASS: the user name or the password is wrong; compare it with `requirepass` or the ACL, and \
                 percent-encode special characters"
                .to_owned(),
            cause: Cause::PasswordWrong,
        }),
        // The user may do everything that the layer needs, but not PING.
        "NOPERM" => Ok(()),
        // redis-py 8 logs in the same way with any password.
        "ERR" if error.contains("without any password configured") => {
            tracing::warn!("the Redis URL has a password, but Redis asks for none");
            Ok(())
        }
        "ERR" => Err(Failure::refusal(error)),
        // LOADING, MASTERDOWN: it will be ready soon.
        _ => Err(Failure::network(error)),
    }
}

/// The master's address from the first Sentinel that knows it.
async fn ask_sentinels(
    host: &Host,
    sentinels: &[Address],
    master: &str,
    login: &Login,
) -> Result<Address, Failure> {
    let mut failure = Failure::network("no Sentinel is named");
    for sentinel in sentinels {
        match tokio::time::timeout(CONNECT_TIMEOUT / 4, ask_sentinel(host, sentinel, master, login))
            .await
        {
            Ok(Ok(address)) => return Ok(address),
            Ok(Err(error)) => {
                failure = Failure { why: format!("Sentinel {sentinel}: {}", error.why), ..error }
            }
            Err(_) => failure = Failure::network(format!("Sentinel {sentinel} does not answer")),
        }
    }
    Err(failure)
}

async fn ask_sentinel(
    host: &Host,
    sentinel: &Address,
    master: &str,
    login: &Login,
) -> Result<Address, Failure> {
    let mut stream = logged_in(dial(host, sentinel).await?, login, 0).await?;
    let reply = ask(&mut stream, &["SENTINEL", "GET-MASTER-ADDR-BY-NAME", master]).await?;
    match reply {
        Reply::Array(parts) => match parts.as_slice() {
            [Reply::Text(host), Reply::Text(port)] => {
                let port = port.parse().map_err(|_| Failure::network("it names no port"))?;
                Ok(Address { host: host.clone(), port })
            }
            _ => Err(Failure::network("it does not name a host and a port")),
        },
        Reply::Error(error) => Err(Failure::network(error)),
        _ => Err(Failure::network(format!("it knows no master {master:?}"))),
    }
}

/// Right after a failover a Sentinel may still name the old master, which by then is a replica.
async fn check_role(stream: &mut BoxedStream, address: &Address) -> Result<(), Failure> {
    match ask(stream, &["ROLE"]).await? {
        Reply::Array(parts) if parts.first() == Some(&Reply::Text("master".to_owned())) => Ok(()),
        Reply::Array(_) => Err(Failure::network(format!("{address} is not the master any more"))),
        // The user may not ask.
        _ => Ok(()),
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Reply {
    Text(String),
    Error(String),
    Array(Vec<Reply>),
    Nil,
}

/// Sends one command and reads its reply. Only for the few commands of the login.
async fn ask(stream: &mut BoxedStream, words: &[&str]) -> Result<Reply, Failure> {
    let mut command = format!("*{}\r\n", words.len());
    for word in words {
        command.push_str(&format!("${}\r\n{word}\r\n", word.len()));
    }
    stream.write_all(command.as_bytes()).await.map_err(Failure::network)?;
    stream.flush().await.map_err(Failure::network)?;
    read_reply(stream).await
}

/// Nesting is unrolled: what a reply's parts are still to come is counted, not recursed into.
async fn read_reply(stream: &mut BoxedStream) -> Result<Reply, Failure> {
    let first = read_part(stream).await?;
    let Part::Array(length) = first else { return first.into_reply() };
    let (mut parts, mut missing, mut total) = (Vec::new(), length, length);
    while missing > 0 {
        missing -= 1;
        match read_part(stream).await? {
            Part::Array(length) => {
                missing += length;
                total += length;
                parts.push(Reply::Array(Vec::new()));
            }
            part => parts.push(part.into_reply()?),
        }
        if total > MAX_REPLY_PARTS {
            return Err(not_redis());
        }
    }
    Ok(Reply::Array(parts))
}

enum Part {
    Whole(Reply),
    Array(usize),
}

impl Part {
    fn into_reply(self) -> Result<Reply, Failure> {
        if let Self::Whole(reply) = self { Ok(reply) } else { Err(not_redis()) }
    }
}

async fn read_part(stream: &mut BoxedStream) -> Result<Part, Failure> {
    let line = read_line(stream).await?;
    let (kind, rest) = line.split_at_checked(1).ok_or_else(not_redis)?;
    let length = || rest.parse::<i64>().map_err(|_| not_redis()).map(usize::try_from);
    Ok(match kind {
        "+" | ":" => Part::Whole(Reply::Text(rest.to_owned())),
        "-" => Part::Whole(Reply::Error(rest.to_owned())),
        "$" => match length()? {
            Ok(length) if length <= MAX_REPLY_BYTES => {
                let mut bytes = vec![0; length + 2];
                stream.read_exact(&mut bytes).await.map_err(Failure::network)?;
                bytes.truncate(length);
                Part::Whole(Reply::Text(String::from_utf8_lossy(&bytes).into_owned()))
            }
            Ok(_) => return Err(not_redis()),
            Err(_) => Part::Whole(Reply::Nil),
        },
        "*" => length()?.map_or(Part::Whole(Reply::Nil), Part::Array),
        _ => return Err(not_redis()),
    })
}

/// Byte by byte, so that nothing after the reply is taken from the stream.
async fn read_line(stream: &mut BoxedStream) -> Result<String, Failure> {
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        let closed = |_| Failure::network("it closed the connection during the login");
        line.push(stream.read_u8().await.map_err(closed)?);
        if line.len() > MAX_REPLY_BYTES {
            return Err(not_redis());
        }
    }
    line.truncate(line.len() - 2);
    String::from_utf8(line).map_err(|_| not_redis())
}

fn not_redis() -> Failure {
    Failure::refusal("what answers there does not speak the protocol of Redis")
}

#[cfg(test)]
#[path = "connect_tests.rs"]
mod tests;
