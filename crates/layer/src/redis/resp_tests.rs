//! Replies as Redis gives them, cut anywhere, and as nobody should.

use super::*;

/// All replies in these bytes, read in pieces of this size.
async fn replies(bytes: &[u8], size: usize) -> Result<Vec<Value>, Malformed> {
    let (mut frames, mut found, mut rest) = (Frames::default(), Vec::new(), bytes);
    while !rest.is_empty() {
        let (mut piece, after) = rest.split_at(size.min(rest.len()));
        frames.fill(&mut piece).await.unwrap();
        rest = after;
        while let Some(frame) = frames.next()? {
            found.push(value(frame)?);
        }
    }
    Ok(found)
}

fn string(text: &str) -> Value {
    Value::BulkString(text.as_bytes().to_vec())
}

#[tokio::test]
async fn replies_are_the_same_however_they_are_cut() {
    let bytes = b"+OK\r\n+PONG\r\n:-7\r\n$-1\r\n*-1\r\n*0\r\n$0\r\n\r\n$4\r\na\r\nb\r\n\
        *3\r\n$1\r\nx\r\n*2\r\n:1\r\n*1\r\n$1\r\ny\r\n$-1\r\n-WRONGTYPE no such sort\r\n:1\r\n";
    let inner = Value::Array(vec![Value::Int(1), Value::Array(vec![string("y")])]);
    let wanted = vec![
        Value::Okay,
        Value::SimpleString("PONG".to_owned()),
        Value::Int(-7),
        Value::Nil,
        Value::Nil,
        Value::Array(Vec::new()),
        string(""),
        string("a\r\nb"),
        Value::Array(vec![string("x"), inner, Value::Nil]),
        redis::parse_redis_value(b"-WRONGTYPE no such sort\r\n").unwrap(),
        Value::Int(1),
    ];
    for size in 1..=bytes.len() {
        assert_eq!(replies(bytes, size).await.unwrap(), wanted, "in pieces of {size}");
    }
}

#[tokio::test]
async fn many_replies_keep_the_buffer_small_and_a_large_one_does_not_keep_it_large() {
    let mut frames = Frames::default();
    let one = [b"$1000\r\n", &[b'x'; 1000][..], b"\r\n"].concat();
    let many = one.repeat(2000);
    let (mut stream, mut count) = (&many[..], 0);
    while !stream.is_empty() {
        frames.fill(&mut stream).await.unwrap();
        while let Some(frame) = frames.next().unwrap() {
            assert_eq!(frame.len(), one.len());
            count += 1;
        }
    }
    assert_eq!(count, 2000);
    assert!(frames.bytes.capacity() <= 8 * ROOM, "{}", frames.bytes.capacity());
    let large = [b"$3000000\r\n", &vec![b'x'; 3_000_000][..], b"\r\n"].concat();
    let mut stream = &large[..];
    while frames.next().unwrap().is_none() {
        frames.fill(&mut stream).await.unwrap();
    }
    frames.fill(&mut &b"+OK\r\n"[..]).await.unwrap();
    assert_eq!(frames.next().unwrap(), Some(&b"+OK\r\n"[..]));
    assert!(frames.bytes.capacity() <= KEPT, "{}", frames.bytes.capacity());
}

#[tokio::test]
async fn what_no_redis_says_is_refused_in_bounded_memory() {
    let deep = b"*1\r\n".repeat(MAX_DEPTH + 1);
    let deep = [&deep[..], b":1\r\n"].concat();
    let wide = b"*16777216\r\n".repeat(2);
    let strangers: [&[u8]; 12] = [
        b"HTTP/1.1 400 Bad Request\r\n",
        b"\r\n",
        b"+no carriage return\n",
        b"$999999999999\r\n",
        b"*999999999999\r\n",
        b"$x\r\n",
        b":12a\r\n",
        b"$3\r\nabcde\r\n",
        b"%1\r\n+a\r\n+b\r\n",
        &[b'+'; 20_000],
        &deep,
        &wide,
    ];
    for bytes in strangers {
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(20)]);
        assert!(replies(bytes, 7).await.is_err(), "{shown}");
    }
    let mut frames = Frames::default();
    frames.fill(&mut &b"$536870912\r\nabc"[..]).await.unwrap();
    assert_eq!(frames.next(), Ok(None));
    frames.fill(&mut &b"def"[..]).await.unwrap();
    assert!(frames.bytes.capacity() < 4 * ROOM, "what is promised takes no memory");
}

#[tokio::test]
async fn the_end_of_a_connection_is_an_error() {
    let ended = Frames::default().fill(&mut tokio::io::empty()).await;
    assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
}
