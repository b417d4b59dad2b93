//! A small HTTP/1.1 client over one kept-alive connection. It never sends anything twice by itself.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(60);

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Headers, names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as JSON; null where it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The receipt of an accepted message.
    pub fn receipt(&self) -> String {
        assert_eq!(self.status, 200, "{}", self.text());
        self.json()["receipt_id"]
            .as_str()
            .expect("a receipt_id")
            .to_owned()
    }

    /// The Observation ids of an accepted message.
    pub fn observation_ids(&self) -> Vec<String> {
        assert_eq!(self.status, 200, "{}", self.text());
        strings(&self.json()["observation_ids"])
    }
}

/// The texts of a JSON array.
pub fn strings(array: &Value) -> Vec<String> {
    let array = array.as_array().unwrap_or_else(|| panic!("no array: {array}"));
    array
        .iter()
        .map(|v| v.as_str().expect("text").to_owned())
        .collect()
}

/// One connection.
pub struct Connection {
    reader: BufReader<TcpStream>,
    address: SocketAddr,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// Where nobody listens.
    pub fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Self {
            reader: BufReader::new(stream),
            address,
        })
    }

    /// Sends a request and reads the answer.
    ///
    /// # Errors
    /// Where the connection breaks: the request may or may not have been taken.
    pub fn request(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> io::Result<Answer> {
        let mut head = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\ncontent-length: {}\r\n",
            self.address,
            body.len()
        );
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        let mut message = head.into_bytes();
        message.extend_from_slice(body);
        // A refusal may come before all of the body was read, with the connection closed behind it.
        let sent = self.reader.get_mut().write_all(&message);
        match (self.answer(method), sent) {
            (Ok(answer), _) => Ok(answer),
            (Err(_), Err(e)) | (Err(e), Ok(())) => Err(e),
        }
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.reader.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end().to_owned())
    }

    fn answer(&mut self, method: &str) -> io::Result<Answer> {
        let first = self.line()?;
        let status = first.split(' ').nth(1).and_then(|s| s.parse().ok());
        let status = status.ok_or_else(|| io::Error::other(format!("no status line: {first}")))?;
        let mut headers = BTreeMap::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(':') {
                headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
            }
        }
        let mut body = Vec::new();
        if method == "HEAD" {
        } else if headers.get("transfer-encoding").is_some_and(|v| v == "chunked") {
            loop {
                let size = usize::from_str_radix(&self.line()?, 16).map_err(io::Error::other)?;
                let mut chunk = vec![0; size];
                self.reader.read_exact(&mut chunk)?;
                self.line()?;
                if size == 0 {
                    break;
                }
                body.extend_from_slice(&chunk);
            }
        } else if let Some(length) = headers.get("content-length").and_then(|v| v.parse().ok()) {
            body = vec![0; length];
            self.reader.read_exact(&mut body)?;
        }
        Ok(Answer {
            status,
            headers,
            body,
        })
    }
}

/// One request on a connection of its own.
///
/// # Errors
/// Where nobody listens or the connection breaks.
pub fn once(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> io::Result<Answer> {
    Connection::open(address)?.request(method, path, headers, body)
}
