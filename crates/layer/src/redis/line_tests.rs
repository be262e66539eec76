//! The shared connection against a peer that is slow, silent, gone or talks out of turn.

use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::join_all;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

use super::*;

/// A line whose socket holds so many bytes, driven, and its other end.
fn line(room: usize) -> (Arc<Line>, DuplexStream) {
    let (here, there) = tokio::io::duplex(room);
    let line = Arc::new(Line::new(Box::new(here)));
    let driven = Arc::clone(&line);
    tokio::spawn(async move { driven.drive().await });
    (line, there)
}

/// Answers each `ECHO n` of one digit with the number.
async fn echo(mut peer: DuplexStream, count: usize) {
    for _ in 0..count {
        let mut command = [0; "*2\r\n$4\r\nECHO\r\n$1\r\nn\r\n".len()];
        peer.read_exact(&mut command).await.unwrap();
        let digit = command[command.len() - 3];
        peer.write_all(&[b':', digit, b'\r', b'\n']).await.unwrap();
    }
    // It stays until the test ends.
    std::future::pending().await
}

fn command(digit: usize) -> Cmd {
    let mut command = redis::cmd("ECHO");
    command.arg(digit);
    command
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_of_many_tasks_gets_its_own_reply() {
    let (line, peer) = line(50);
    tokio::spawn(echo(peer, 1000));
    let tasks = (0..100).map(|task| {
        let line = Arc::clone(&line);
        tokio::spawn(async move {
            for n in 0..10 {
                let digit = (task + n) % 10;
                assert_eq!(line.command(&command(digit)).await, Ok(Value::Int(digit as i64)));
            }
        })
    });
    for task in join_all(tasks).await {
        task.unwrap();
    }
}

#[tokio::test]
async fn several_commands_are_sent_at_once_and_none_asks_nothing() {
    let (line, peer) = line(1000);
    tokio::spawn(echo(peer, 2));
    let mut pipeline = redis::pipe();
    assert_eq!(line.commands(&pipeline).await, Ok(Vec::new()));
    pipeline.add_command(command(1)).add_command(command(2));
    assert_eq!(line.commands(&pipeline).await, Ok(vec![Value::Int(1), Value::Int(2)]));
}

#[tokio::test]
async fn what_the_socket_does_not_take_at_once_is_written_later() {
    let (line, mut peer) = line(100);
    let mut large = redis::cmd("SET");
    large.arg("k").arg(vec![b'x'; 1_000_000]);
    let wanted = large.get_packed_command();
    let mut send = Box::pin(line.command(&large));
    assert!(send.as_mut().now_or_never().is_none());
    let mut got = vec![0; wanted.len()];
    peer.read_exact(&mut got).await.unwrap();
    assert_eq!(got, wanted);
    peer.write_all(b"+OK\r\n").await.unwrap();
    assert_eq!(send.await, Ok(Value::Okay));
}

#[tokio::test]
async fn a_caller_that_stops_waiting_does_not_shift_the_replies() {
    let (line, peer) = line(1000);
    assert!(line.command(&command(1)).now_or_never().is_none());
    tokio::spawn(echo(peer, 2));
    assert_eq!(line.command(&command(2)).await, Ok(Value::Int(2)));
}

#[tokio::test(start_paused = true)]
async fn silence_ends_the_line_and_only_the_first_waited_in_vain() {
    let (line, peer) = line(1000);
    let began = Instant::now();
    tokio::time::sleep(RESPONSE_TIMEOUT / 2).await;
    let (first, second) = (command(1), command(2));
    let (first, second) = tokio::join!(line.command(&first), line.command(&second));
    assert_eq!(began.elapsed().as_secs(), (RESPONSE_TIMEOUT * 3 / 2).as_secs());
    assert_eq!((first, second), (Err(Ended::Silent), Err(dropped())));
    assert_eq!(line.command(&command(3)).await, Err(Ended::Silent));
    drop(peer);
}

#[tokio::test(start_paused = true)]
async fn a_line_on_which_nobody_asks_anything_stays() {
    let (line, peer) = line(1000);
    tokio::time::sleep(RESPONSE_TIMEOUT * 10).await;
    tokio::spawn(echo(peer, 1));
    assert_eq!(line.command(&command(7)).await, Ok(Value::Int(7)));
}

#[tokio::test]
async fn the_end_of_the_connection_is_told_to_all_who_wait_and_who_come() {
    for last_words in [&b""[..], b":1\r\n:2\r\n:3\r\n", b"HTTP/1.1 400 Bad Request\r\n"] {
        let (line, mut peer) = line(1000);
        let (one, two) = (command(1), command(2));
        let asked = async { tokio::join!(line.command(&one), line.command(&two)) };
        let ended = async {
            peer.write_all(last_words).await.unwrap();
            drop(peer);
        };
        let ((first, second), ()) = tokio::join!(asked, ended);
        assert_eq!(first.is_ok(), last_words.starts_with(b":"), "{first:?}");
        assert_eq!(second.is_ok(), last_words.starts_with(b":"), "{second:?}");
        tokio::task::yield_now().await;
        assert!(matches!(line.command(&command(3)).await, Err(Ended::Lost(_))));
    }
}

#[tokio::test]
async fn giving_the_driver_up_ends_the_line_even_before_it_ran() {
    let (here, _there) = tokio::io::duplex(1000);
    let line = Line::new(Box::new(here));
    let driver = line.drive();
    let one = command(1);
    let mut asked = Box::pin(line.command(&one));
    assert!(asked.as_mut().now_or_never().is_none());
    drop(driver);
    assert_eq!(asked.await, Err(dropped()));
}
