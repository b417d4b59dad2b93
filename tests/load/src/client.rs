//! A gateway's side of the door: one kept connection, one message after the other.

use std::net::SocketAddr;

use anyhow::{Context, bail};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{CONTENT_TYPE, HOST};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// The header that tells a bare endpoint the key that the door reads from the body. Every run sends it.
pub const GATEWAY: &str = "x-gateway";

/// A kept connection.
pub struct Client {
    host: String,
    sender: SendRequest<Full<Bytes>>,
}

impl Client {
    /// Connects.
    ///
    /// # Errors
    /// Where nothing listens.
    pub async fn connect(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address)
            .await
            .with_context(|| format!("nothing answers at {address}"))?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self {
            host: address.to_string(),
            sender,
        })
    }

    /// Sends a message and gives the answer's body; an answer other than 200 is an error.
    ///
    /// # Errors
    /// Where the connection breaks or the answer is not 200.
    pub async fn send(&mut self, gateway: &str, message: String) -> anyhow::Result<Bytes> {
        self.sender.ready().await?;
        let request = Request::post("/api/ava4/data")
            .header(HOST, &self.host)
            .header(CONTENT_TYPE, "application/json")
            .header(GATEWAY, gateway)
            .body(Full::new(Bytes::from(message)))?;
        let answer = self.sender.send_request(request).await?;
        let status = answer.status();
        let body = answer.into_body().collect().await?.to_bytes();
        if status.as_u16() != 200 {
            bail!("the answer was {status}: {}", String::from_utf8_lossy(&body));
        }
        Ok(body)
    }
}
