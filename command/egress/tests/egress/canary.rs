//! An HTTP server on this machine that nobody may reach, and that counts who does.

use std::sync::{Arc, Mutex};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// The server. It answers every request with 200 and closes the connection.
pub(crate) struct Canary {
    pub(crate) port: u16,
    heard: Arc<Mutex<Vec<String>>>,
    _serving: JoinSet<()>,
}

impl Canary {
    /// On all addresses of this machine, of both families where there are both.
    pub(crate) async fn start() -> Self {
        Self::answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok").await
    }

    /// Answers with these bytes.
    pub(crate) async fn answering(answer: impl Into<String>) -> Self {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let listener = TcpListener::bind("0.0.0.0:0").await.expect("a port is free");
        let port = listener.local_addr().expect("it is bound").port();
        let mut serving = JoinSet::new();
        let answer: Arc<str> = answer.into().into();
        serving.spawn(serve(listener, answer.clone(), heard.clone()));
        if let Ok(listener) = TcpListener::bind(("::1", port)).await {
            serving.spawn(serve(listener, answer, heard.clone()));
        }
        Self { port, heard, _serving: serving }
    }

    /// What was sent to it, a connection each. An empty text is a connection and nothing more.
    pub(crate) fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }
}

async fn serve(listener: TcpListener, answer: Arc<str>, heard: Arc<Mutex<Vec<String>>>) {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.expect("a bound listener accepts");
        let number = {
            let mut heard = heard.lock().unwrap();
            heard.push(String::new());
            heard.len() - 1
        };
        connections.spawn(listen(stream, answer.clone(), heard.clone(), number));
    }
}

/// Answers once the head of a request is there, and hears whatever else comes until the other side ends.
async fn listen(mut stream: TcpStream, answer: Arc<str>, heard: Arc<Mutex<Vec<String>>>, number: usize) {
    let mut buffer = [0; 4096];
    let mut answered = false;
    while let Ok(read @ 1..) = stream.read(&mut buffer).await {
        let whole = {
            let mut heard = heard.lock().unwrap();
            heard[number].push_str(&String::from_utf8_lossy(&buffer[..read]));
            heard[number].contains("\r\n\r\n")
        };
        if whole
            && !std::mem::replace(&mut answered, true)
            && stream.write_all(answer.as_bytes()).await.is_err()
        {
            return;
        }
        if answered {
            let _ = stream.shutdown().await;
        }
    }
}
