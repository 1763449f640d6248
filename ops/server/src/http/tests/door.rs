//! What strangers may do, and what many may do together.

use super::*;

const HOST: (&str, &str) = ("host", "localhost");
const WRONG: (&str, &str) = ("authorization", "Bearer 0123456789abcdef0123456789abcdee");

fn held(answer: &str) -> bool {
    status(answer) == 429 && answer.contains("OC-HTTP-007") && answer.to_lowercase().contains("retry-after: ")
}

#[tokio::test]
async fn who_guesses_is_held_off_and_who_has_the_token_comes_in_from_the_same_address_as_well() {
    let rules = Strangers { failures: 10, ..STRANGERS };
    let server = start_with(64, None, |shell| shell.attempts = Attempts::new(rules)).await;
    for guess in 1..=10 {
        assert_eq!(status(&server.get("/who", &[HOST, WRONG]).await), 401, "guess {guess}");
    }
    for path in ["/who", "/metrics", "/rpc", "/graphql/ws"] {
        let answer = server.get(path, &[HOST, WRONG]).await;
        assert!(held(&answer), "{path}: {answer}");
        assert!(answer.contains("\"retryAfterMs\":"), "{answer}");
    }
    assert!(held(&server.get("/who", &[HOST]).await), "nor is it told what to send");
    assert_eq!(
        handshake(&server, "/graphql/ws", &[HOST]).await,
        429,
        "the token may be guessed there as well"
    );

    assert_eq!(status(&server.get("/who", &[HOST, BEARER]).await), 200);
    assert_eq!(handshake(&server, "/graphql/ws", &[HOST, BEARER]).await, 101);
    assert_eq!(status(&server.get("/livez", &[HOST]).await), 200, "a probe guesses nothing");
}

#[tokio::test]
async fn asking_without_any_token_is_no_guess_but_has_a_rate() {
    let rules = Strangers { rate: 20, failures: 3, ..STRANGERS };
    let server = start_with(64, None, |shell| shell.attempts = Attempts::new(rules)).await;
    let mut limited = 0;
    for _ in 0..40 {
        let answer = server.get("/who", &[HOST]).await;
        match status(&answer) {
            401 => {}
            429 => {
                assert!(answer.contains("OC-HTTP-008"), "{answer}");
                limited += 1;
            }
            other => panic!("{other}: {answer}"),
        }
    }
    assert!(limited > 0, "forty requests at once are within twenty a second");
    assert_eq!(status(&server.get("/who", &[HOST, BEARER]).await), 200);
}

#[tokio::test]
async fn bodies_have_so_much_room_together_and_the_next_one_is_told_to_come_back() {
    let server = start_with(64, None, |shell| {
        shell.bodies = (1 << 20, 1 << 20);
        shell.body_time = LONG;
    })
    .await;
    let begin = async |length: usize| {
        let mut socket = TcpStream::connect(server.address).await.expect("listening");
        let head = format!(
            "POST /echo HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {SECRET}\r\nconnection: close\r\n\
             content-length: {length}\r\n\r\nx"
        );
        socket.write_all(head.as_bytes()).await.expect("sent");
        socket
    };
    let mut first = begin(1 << 20).await;
    let full = async {
        loop {
            let answer = server
                .raw(&format!(
                    "POST /echo HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {SECRET}\r\n\
                     connection: close\r\ncontent-length: 5\r\n\r\nhello"
                ))
                .await;
            if status(&answer) == 503 {
                return answer;
            }
        }
    };
    let answer = timeout(LONG, full).await.expect("the room is taken by a body that is announced");
    assert!(answer.contains("OC-HTTP-009") && answer.to_lowercase().contains("retry-after: 1"), "{answer}");
    assert_eq!(status(&server.get("/who", &[HOST, BEARER]).await), 200, "what has no body needs no room");

    first.write_all(&vec![b'x'; (1 << 20) - 1]).await.expect("sent");
    let mut answer = Vec::new();
    timeout(LONG, first.read_to_end(&mut answer)).await.expect("answered").expect("whole");
    assert!(answer.starts_with(b"HTTP/1.1 200"));
    let small = format!(
        "POST /echo HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {SECRET}\r\nconnection: close\r\n\
         content-length: 5\r\n\r\nhello"
    );
    assert_eq!(status(&server.raw(&small).await), 200, "the room is given back");
}
