//! What a client hears, written down as short lines that a table can state.
//!
//! Unlike `client`, nothing here fails: whatever the gateway does becomes a line, so that a table can
//! show every case that went another way, not the first one alone.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use crate::socket::Socket;

/// Longer than any deadline the tables set; a gateway that says nothing this long hangs.
const PATIENCE: Duration = Duration::from_secs(4);
/// Bodies past this length are told by their length.
const TOLD_BYTES_MAX: usize = 60;

/// One end of a connection, and what it heard but did not write down yet.
pub(crate) struct Ear {
    stream: Socket,
    ahead: Vec<u8>,
}

/// How a connection ends while more was expected.
type End = &'static str;

impl Ear {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self::on(Socket::connect(address).await)
    }

    pub(crate) fn on(stream: Socket) -> Self {
        Self {
            stream,
            ahead: Vec::new(),
        }
    }

    /// Sends bytes; a gateway that left is noticed when its answer is read.
    pub(crate) async fn say(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes).await;
        let _ = self.stream.flush().await;
    }

    /// Ends this side of the connection.
    pub(crate) async fn finish(&mut self) {
        let _ = self.stream.shutdown().await;
    }

    /// The next answer as one line: the status, then the code of a problem or the body. An answer
    /// that announces the end of the connection is marked, one that breaks off says how.
    pub(crate) async fn hear(&mut self, is_head: bool) -> String {
        let head = match self.until(b"\r\n\r\n").await {
            Ok(head) => String::from_utf8_lossy(&head).to_ascii_lowercase(),
            Err(end) if self.ahead.is_empty() => return end.to_owned(),
            Err(end) => return format!("{}, {end}", self.ahead.escape_ascii()),
        };
        let status = head.get(9..12).unwrap_or("???");
        let mut body = Vec::new();
        let has_none = is_head || status.starts_with('1') || matches!(status, "204" | "304");
        let read = if has_none {
            Ok(())
        } else {
            self.body(&head, &mut body).await
        };
        let mut line = status.to_owned();
        if !body.is_empty() {
            line.push(' ');
            line.push_str(&told_body(is_problem(&head), &body));
        }
        if head.contains("\r\nconnection: close\r\n") {
            line.push_str(" (last)");
        }
        if let Err(end) = read {
            line.push_str(", ");
            line.push_str(end);
        }
        line
    }

    /// Every answer up to the end of the connection, and the end.
    pub(crate) async fn hear_out(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let line = self.hear(false).await;
            let is_end = ["closed", "reset", "silent", "unsaid"]
                .iter()
                .any(|end| line.ends_with(end));
            lines.push(line);
            if is_end {
                return lines;
            }
        }
    }

    async fn body(&mut self, head: &str, body: &mut Vec<u8>) -> Result<(), End> {
        if head.contains("\r\ntransfer-encoding: chunked\r\n") {
            return self.chunks(body).await;
        }
        let length = head.split("\r\ncontent-length: ").nth(1);
        let Some(length) = length.and_then(|rest| rest.split("\r\n").next()) else {
            return self
                .take(usize::MAX, body)
                .await
                .or_else(|end| if end == "closed" { Ok(()) } else { Err(end) });
        };
        self.take(length.parse().unwrap_or(usize::MAX), body).await
    }

    async fn chunks(&mut self, body: &mut Vec<u8>) -> Result<(), End> {
        loop {
            let line = self.until(b"\r\n").await?;
            let line = String::from_utf8_lossy(&line);
            let digits = line.split(';').next().unwrap_or_default();
            let Ok(size) = usize::from_str_radix(digits.trim_end(), 16) else {
                return Err("no chunk");
            };
            if size == 0 {
                // Trailers, up to an empty line.
                while self.until(b"\r\n").await? != b"\r\n" {}
                return Ok(());
            }
            self.take(size, body).await?;
            self.until(b"\r\n").await?;
        }
    }

    /// Moves `count` bytes to `body`, or as many as come.
    async fn take(&mut self, mut count: usize, body: &mut Vec<u8>) -> Result<(), End> {
        loop {
            let here = count.min(self.ahead.len());
            body.extend(self.ahead.drain(..here));
            count -= here;
            if count == 0 {
                return Ok(());
            }
            self.read().await?;
        }
    }

    async fn until(&mut self, end: &[u8]) -> Result<Vec<u8>, End> {
        let mut searched = 0;
        loop {
            let unsearched = self.ahead.get(searched..).unwrap_or_default();
            let found = unsearched.windows(end.len()).position(|here| here == end);
            if let Some(at) = found {
                return Ok(self.ahead.drain(..searched + at + end.len()).collect());
            }
            searched = self.ahead.len().saturating_sub(end.len());
            self.read().await?;
        }
    }

    async fn read(&mut self) -> Result<(), End> {
        match timeout(PATIENCE, self.stream.read_buf(&mut self.ahead)).await {
            Err(_) => Err("silent"),
            // What TLS calls the end of the bytes without a word that it is one.
            Ok(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => Err("unsaid"),
            Ok(Err(_)) => Err("reset"),
            Ok(Ok(0)) => Err("closed"),
            Ok(Ok(_)) => Ok(()),
        }
    }
}

fn is_problem(head: &str) -> bool {
    head.contains("\r\ncontent-type: application/problem+json\r\n")
}

/// The code of a problem, or the body, unless that is long.
pub(crate) fn told_body(is_problem: bool, body: &[u8]) -> String {
    if is_problem {
        let problem: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
        return problem["code"].as_str().unwrap_or("no code").to_owned();
    }
    if body.len() > TOLD_BYTES_MAX {
        return format!("{} bytes", body.len());
    }
    body.escape_ascii().to_string()
}
