//! A small HTTP client: what it sends is what the test says.

use std::collections::HashMap;
use std::net::SocketAddr;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HashMap<String, String>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// The code of the one error, after the whole envelope was looked at.
    pub fn error(&self) -> String {
        let body = self.json();
        assert_eq!(body["success"], false);
        let errors = body["errors"].as_array().unwrap();
        assert_eq!(body["error_count"], errors.len());
        for error in errors {
            let keys: Vec<_> = error.as_object().unwrap().keys().map(String::as_str).collect();
            assert_eq!(
                keys,
                [
                    "error_code",
                    "error_type",
                    "field",
                    "message",
                    "suggestion",
                    "value"
                ]
            );
            assert_eq!(error["value"], Value::Null);
            assert_ne!(error["message"], "");
        }
        assert_eq!(body["request_id"], self.header("x-request-id"));
        assert!(body["timestamp"].as_str().unwrap().ends_with('Z'));
        errors[0]["error_code"].as_str().unwrap().to_owned()
    }
}

/// One connection.
pub struct Client {
    stream: TcpStream,
    unread: Vec<u8>,
}

impl Client {
    pub async fn connect(address: SocketAddr) -> Self {
        Self {
            stream: TcpStream::connect(address).await.unwrap(),
            unread: Vec::new(),
        }
    }

    pub async fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// As `write`; the other side may close meanwhile.
    pub async fn try_write(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).await.is_ok()
    }

    pub async fn answer(&mut self) -> Answer {
        self.try_answer().await.expect("an answer")
    }

    /// The next answer; none where the connection ends before.
    pub async fn try_answer(&mut self) -> Option<Answer> {
        loop {
            if let Some(end) = find(&self.unread, b"\r\n\r\n") {
                let head = String::from_utf8(self.unread[..end].to_vec()).unwrap();
                self.unread.drain(..end + 4);
                let mut lines = head.split("\r\n");
                let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
                let headers: HashMap<_, _> = lines
                    .map(|line| line.split_once(": ").unwrap())
                    .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
                    .collect();
                let length: usize = headers.get("content-length").map_or(0, |n| n.parse().unwrap());
                while self.unread.len() < length {
                    self.more().await?;
                }
                let body = self.unread.drain(..length).collect();
                return Some(Answer {
                    status,
                    headers,
                    body,
                });
            }
            self.more().await?;
        }
    }

    async fn more(&mut self) -> Option<()> {
        let mut buffer = [0; 16 << 10];
        match self.stream.read(&mut buffer).await {
            Ok(n) if n > 0 => {
                self.unread.extend_from_slice(&buffer[..n]);
                Some(())
            }
            _ => None,
        }
    }
}

fn find(all: &[u8], part: &[u8]) -> Option<usize> {
    all.windows(part.len()).position(|w| w == part)
}

/// A request with a body and these headers.
pub fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut bytes = format!(
        "{method} {path} HTTP/1.1\r\nhost: door\r\ncontent-length: {}\r\n",
        body.len()
    )
    .into_bytes();
    for (name, value) in headers {
        bytes.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(body);
    bytes
}

pub async fn post(address: SocketAddr, path: &str, body: impl AsRef<[u8]>) -> Answer {
    post_with(address, path, &[("content-type", "application/json")], body).await
}

pub async fn post_with(
    address: SocketAddr,
    path: &str,
    headers: &[(&str, &str)],
    body: impl AsRef<[u8]>,
) -> Answer {
    let mut client = Client::connect(address).await;
    client.write(&request("POST", path, headers, body.as_ref())).await;
    client.answer().await
}

pub async fn get(address: SocketAddr, path: &str) -> Answer {
    let mut client = Client::connect(address).await;
    client
        .write(format!("GET {path} HTTP/1.1\r\nhost: door\r\n\r\n").as_bytes())
        .await;
    client.answer().await
}
