//! One connection for requests that differ: each is sent when the answer before it has come.

use std::net::{IpAddr, SocketAddr};

use crate::http1::answer::Answer;

use super::Limits;
use super::connection::{Connection, Failure};
use super::request::{Request, Sent};

/// Opened when there is something to send, and anew after it was closed or broke. Nothing is sent
/// twice.
#[derive(Debug)]
pub(crate) struct Dialogue {
    target: SocketAddr,
    limits: Limits,
    /// The address it is sent from, if that matters.
    source: Option<IpAddr>,
    connection: Option<Connection>,
}

impl Dialogue {
    pub(crate) fn new(target: SocketAddr, limits: Limits) -> Self {
        Self {
            target,
            limits,
            source: None,
            connection: None,
        }
    }

    pub(crate) fn from(self, source: IpAddr) -> Self {
        Self {
            source: Some(source),
            ..self
        }
    }

    pub(crate) async fn ask(&mut self, request: &Request) -> Result<Answer, Failure> {
        let sent = Sent {
            id: "",
            path: request.path(0),
        };
        let wire = request.wire(self.target, &sent);
        let mut connection = match self.connection.take() {
            Some(kept) if kept.is_open()? => kept,
            Some(_) | None => self.open().await?,
        };
        let answer = connection
            .exchange(&wire, request.is_head(), &self.limits)
            .await?;
        self.connection = answer.keeps_alive.then_some(connection);
        Ok(answer)
    }

    async fn open(&self) -> Result<Connection, Failure> {
        match self.source {
            Some(source) => Connection::open_from(source, self.target, &self.limits).await,
            None => Connection::open(self.target, &self.limits).await,
        }
    }
}
