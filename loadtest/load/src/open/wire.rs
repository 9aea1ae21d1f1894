//! The bytes of a connection, plain or behind TLS, which nobody waits for.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;

use rustls::ClientConnection;

use super::scenario::Target;

pub(super) enum Wire {
    Plain(TcpStream),
    Secured(Box<Secured>),
}

pub(super) struct Secured {
    stream: TcpStream,
    session: ClientConnection,
}

impl Wire {
    pub(super) fn new(stream: TcpStream, target: &Target) -> io::Result<Self> {
        let Some(secure) = &target.secure else {
            return Ok(Self::Plain(stream));
        };
        let session = ClientConnection::new(Arc::clone(&secure.config), secure.name.clone());
        Ok(Self::Secured(Box::new(Secured {
            stream,
            session: session.map_err(io::Error::other)?,
        })))
    }

    /// Sends what will go now, and says how much of it was taken.
    pub(super) fn send(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => or_nothing(stream.write(bytes)),
            Self::Secured(secured) => {
                // Before the handshake is over, what is to be said is kept.
                let taken = secured.session.writer().write(bytes)?;
                secured.flush()?;
                Ok(taken)
            }
        }
    }

    /// Whether some of what was taken has not gone yet.
    pub(super) fn has_unsent(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Secured(secured) => secured.session.wants_write(),
        }
    }

    /// What has come, nothing if the other side sends no more; to have to wait is an error.
    pub(super) fn receive(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(into),
            Self::Secured(secured) => secured.receive(into),
        }
    }
}

impl Secured {
    fn flush(&mut self) -> io::Result<()> {
        while self.session.wants_write() {
            if or_nothing(self.session.write_tls(&mut self.stream))? == 0 {
                break;
            }
        }
        Ok(())
    }

    fn receive(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.session.reader().read(into) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return read,
            }
            let read = self.session.read_tls(&mut self.stream)?;
            let state = self.session.process_new_packets();
            state.map_err(io::Error::other)?;
            // A handshake goes on with what was just read.
            self.flush()?;
            if read == 0 {
                return Ok(0);
            }
        }
    }
}

fn or_nothing(result: io::Result<usize>) -> io::Result<usize> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
        other => other,
    }
}
