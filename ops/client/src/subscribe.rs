//! Subscriptions over the graphql-transport-ws protocol:
//! <https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md>.

use std::{pin::Pin, time::Duration};

use futures_util::{SinkExt, Stream, StreamExt, stream};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{
        Message,
        client::IntoClientRequest,
        http::{HeaderValue, header},
        protocol::WebSocketConfig,
    },
};

use crate::{Client, Error, graphql::Response};

/// The `data` of each update. Ends when the server completes the subscription, or after its first error. Dropping it
/// ends the subscription.
pub type Updates = Pin<Box<dyn Stream<Item = Result<Value, Error>> + Send>>;

/// The handshake and the acknowledgement together.
const OPEN_TIMEOUT: Duration = Duration::from_secs(10);
/// The server pings idle connections; without any sign of it for this long it is gone.
const SILENCE: Duration = Duration::from_secs(90);
const MAX_MESSAGE_BYTES: usize = 8 << 20;

/// A connection, encrypted or not.
trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

type Socket = WebSocketStream<Box<dyn Wire>>;

/// A message of the server.
#[derive(Deserialize)]
struct Incoming {
    r#type: String,
    #[serde(default)]
    payload: Value,
}

impl Client {
    /// Subscribes. Resuming after an end is the caller's: with the position of the last update as a variable nothing
    /// is lost and nothing comes twice.
    ///
    /// # Errors
    /// As for a query; [`Error::Closed`] if the server turned the connection away.
    pub async fn subscribe(&self, query: &str, variables: Value) -> Result<Updates, Error> {
        let payload = json!({ "query": query, "variables": variables });
        let socket = match timeout(OPEN_TIMEOUT, self.open(payload)).await {
            Ok(opened) => opened?,
            Err(elapsed) => {
                return Err(Error::Transport { url: self.url().to_owned(), source: elapsed.into() });
            }
        };
        let url = self.url().to_owned();
        Ok(Box::pin(stream::unfold(Some(socket), move |socket| {
            let url = url.clone();
            async move {
                let mut socket = socket?;
                match next(&mut socket, &url).await {
                    Ok(None) => None,
                    Ok(Some(data)) => Some((Ok(data), Some(socket))),
                    Err(error) => Some((Err(error), None)),
                }
            }
        })))
    }

    /// Connects, introduces itself and asks.
    async fn open(&self, payload: Value) -> Result<Socket, Error> {
        let url = format!("{}/graphql/ws", self.url().replacen("http", "ws", 1));
        let mut request =
            url.as_str().into_client_request().map_err(|error| Error::Config(format!("{url}: {error}")))?;
        let headers = request.headers_mut();
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static("graphql-transport-ws"));
        let mut bearer = HeaderValue::from_str(&format!("Bearer {}", self.token()))
            .map_err(|_| Error::Config("the token has characters that no token has".to_owned()))?;
        bearer.set_sensitive(true);
        headers.insert(header::AUTHORIZATION, bearer);
        let config = WebSocketConfig::default()
            .max_message_size(Some(MAX_MESSAGE_BYTES))
            .max_frame_size(Some(MAX_MESSAGE_BYTES));
        let wire = self.wire().await?;
        let (mut socket, _) = client_async_with_config(request, wire, Some(config))
            .await
            .map_err(|error| refused(error, &url))?;

        let hello = json!({
            "type": "connection_init",
            "payload": { "authorization": format!("Bearer {}", self.token()) },
        });
        send(&mut socket, &hello, &url).await?;
        loop {
            match receive(&mut socket, &url).await?.r#type.as_str() {
                "connection_ack" => break,
                "ping" => send(&mut socket, &json!({ "type": "pong" }), &url).await?,
                "pong" => {}
                other => return Err(Error::Protocol(format!("{other} before connection_ack"))),
            }
        }
        send(&mut socket, &json!({ "id": "1", "type": "subscribe", "payload": payload }), &url).await?;
        Ok(socket)
    }
}

impl Client {
    /// A connection to the server.
    async fn wire(&self) -> Result<Box<dyn Wire>, Error> {
        let transport =
            |source: std::io::Error| Error::Transport { url: self.url().to_owned(), source: source.into() };
        let url = reqwest::Url::parse(self.url()).map_err(|error| Error::Config(error.to_string()))?;
        let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
            return Err(Error::Config(format!("{url} is no address")));
        };
        let socket = TcpStream::connect(format!("{host}:{port}")).await.map_err(transport)?;
        socket.set_nodelay(true).map_err(transport)?;
        if url.scheme() == "https" {
            return Ok(Box::new(self.trust().connect(host, socket).await?));
        }
        Ok(Box::new(socket))
    }
}

/// The next update's data; none when the subscription is complete.
async fn next(socket: &mut Socket, url: &str) -> Result<Option<Value>, Error> {
    loop {
        let message = receive(socket, url).await?;
        let nonsense = |error: serde_json::Error| Error::Protocol(error.to_string());
        match message.r#type.as_str() {
            "next" => {
                let response: Response = serde_json::from_value(message.payload).map_err(nonsense)?;
                return response.into_data().map(Some);
            }
            "error" => {
                return Err(Error::Graphql(serde_json::from_value(message.payload).map_err(nonsense)?));
            }
            "complete" => return Ok(None),
            "ping" => send(socket, &json!({ "type": "pong" }), url).await?,
            _ => {}
        }
    }
}

async fn receive(socket: &mut Socket, url: &str) -> Result<Incoming, Error> {
    let transport =
        |source: Box<dyn std::error::Error + Send + Sync>| Error::Transport { url: url.to_owned(), source };
    loop {
        let frame = timeout(SILENCE, socket.next()).await.map_err(|elapsed| transport(elapsed.into()))?;
        match frame {
            Some(Ok(Message::Text(text))) => {
                return serde_json::from_str(&text).map_err(|error| Error::Protocol(error.to_string()));
            }
            Some(Ok(Message::Close(frame))) => {
                return Err(frame.map_or_else(
                    || Error::Closed { code: 1005, reason: String::new() },
                    |frame| Error::Closed { code: frame.code.into(), reason: frame.reason.to_string() },
                ));
            }
            Some(Ok(_)) => {}
            Some(Err(error)) => return Err(transport(error.into())),
            None => return Err(transport("the connection ended".into())),
        }
    }
}

async fn send(socket: &mut Socket, message: &Value, url: &str) -> Result<(), Error> {
    socket
        .send(Message::text(message.to_string()))
        .await
        .map_err(|error| Error::Transport { url: url.to_owned(), source: error.into() })
}

/// A handshake that the server answered with a status, or none at all.
fn refused(error: tokio_tungstenite::tungstenite::Error, url: &str) -> Error {
    match error {
        tokio_tungstenite::tungstenite::Error::Http(response) if response.status() == 401 => {
            Error::Unauthorized
        }
        tokio_tungstenite::tungstenite::Error::Http(response) => Error::Status {
            status: response.status().as_u16(),
            body: String::from_utf8_lossy(response.body().as_deref().unwrap_or_default()).into_owned(),
        },
        other => Error::Transport { url: url.to_owned(), source: other.into() },
    }
}
