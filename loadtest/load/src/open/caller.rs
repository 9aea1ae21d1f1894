//! A client for what happens before and beside the load: one request after the other, waited for.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use rustls::{ClientConnection, StreamOwned};
use thiserror::Error;

use super::answer::{Progress, look};
use super::scenario::Target;

const ANSWER_BYTES_MAX: usize = 1024 * 1024;

#[derive(Debug, Error)]
pub enum CallError {
    #[error("nobody answers")]
    Io(#[from] io::Error),
    #[error("the answer is not HTTP, or is larger than 1 MiB")]
    Answer,
}

pub(super) struct Caller {
    target: Target,
    timeout: Duration,
    stream: Option<Stream>,
}

enum Stream {
    Plain(TcpStream),
    Secured(Box<StreamOwned<ClientConnection, TcpStream>>),
}

/// Status and body.
pub(super) struct Said {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
}

impl Caller {
    pub(super) fn new(target: Target, timeout: Duration) -> Self {
        Self {
            target,
            timeout,
            stream: None,
        }
    }

    /// Posts a form.
    pub(super) fn post(
        &mut self,
        path: &str,
        authorization: &str,
        form: &str,
    ) -> Result<Said, CallError> {
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: {}\r\nauthorization: {authorization}\r\n\
             content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{form}",
            self.target.authority,
            form.len()
        );
        self.ask(request.as_bytes(), false)
    }

    /// Sends it on the connection there is; if that was closed meanwhile, once more on a new one.
    pub(super) fn ask(&mut self, request: &[u8], is_head: bool) -> Result<Said, CallError> {
        if let Some(mut stream) = self.stream.take()
            && let Ok(said) = self.exchange(&mut stream, request, is_head)
        {
            self.stream = said.1.then_some(stream);
            return Ok(said.0);
        }
        let mut stream = self.connect()?;
        let (said, keeps_alive) = self.exchange(&mut stream, request, is_head)?;
        self.stream = keeps_alive.then_some(stream);
        Ok(said)
    }

    fn connect(&self) -> io::Result<Stream> {
        let stream = TcpStream::connect_timeout(&self.target.address, self.timeout)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(self.timeout))?;
        stream.set_write_timeout(Some(self.timeout))?;
        let Some(secure) = &self.target.secure else {
            return Ok(Stream::Plain(stream));
        };
        let session = ClientConnection::new(Arc::clone(&secure.config), secure.name.clone());
        let session = session.map_err(io::Error::other)?;
        let secured = StreamOwned::new(session, stream);
        Ok(Stream::Secured(Box::new(secured)))
    }

    fn exchange(
        &self,
        stream: &mut Stream,
        request: &[u8],
        is_head: bool,
    ) -> Result<(Said, bool), CallError> {
        let stream: &mut dyn ReadWrite = match stream {
            Stream::Plain(stream) => stream,
            Stream::Secured(secured) => secured.as_mut(),
        };
        stream.write_all(request)?;
        stream.flush()?;
        let mut read = Vec::new();
        let mut part = [0; 16 * 1024];
        loop {
            let count = stream.read(&mut part)?;
            read.extend_from_slice(part.get(..count).unwrap_or_default());
            let (answer, keeps_alive) = match (look(&read, is_head), count) {
                (Progress::Whole(answer), _) => (answer, answer.keeps_alive),
                (Progress::UntilEnd(answer), 0) => (answer, false),
                (Progress::Malformed, _) => return Err(CallError::Answer),
                (_, 0) => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
                (_, _) if read.len() > ANSWER_BYTES_MAX => return Err(CallError::Answer),
                (_, _) => continue,
            };
            let body = read.get(answer.body_at..answer.ends_at);
            let said = Said {
                status: answer.status,
                body: body.unwrap_or_default().to_vec(),
            };
            return Ok((said, keeps_alive));
        }
    }
}

trait ReadWrite: Read + Write {}

impl<T: Read + Write> ReadWrite for T {}
