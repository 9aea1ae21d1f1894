//! The body of a request on its way to the service.

use std::convert::Infallible;
use std::future::pending;

use bytes::{Bytes, BytesMut};
use gateway_core::chunked::Part;
use gateway_core::fields::FieldRules;
use gateway_core::head::Framing;
use gateway_core::rejection::Rejection;
use gateway_core::trailers;
use h2::SendStream;
use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::time::timeout;

use super::both::Both;
use super::{BODY_BYTES_KEPT, End};
use crate::carrier::trunk::room;
use crate::clock;
use crate::unread::{Pace, Unread};

const MALFORMED: End = End::Rejected(Rejection::BodyMalformed);

pub(super) struct Upload {
    unread: Unread,
    /// All data so far, as long as it is little enough to be sent again.
    kept: Option<BytesMut>,
    /// The lines of the trailers as they came.
    trailers: BytesMut,
    bytes: u64,
    bytes_max: u64,
}

/// The service takes no more of the body.
struct Unwanted;

impl Upload {
    pub(super) fn new(framing: Framing, bytes_max: u64) -> Self {
        Self {
            unread: Unread::new(framing),
            kept: Some(BytesMut::new()),
            trailers: BytesMut::new(),
            bytes: 0,
            bytes_max,
        }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn into_unread(self) -> Unread {
        self.unread
    }

    /// Whether the request is all said with its head.
    pub(super) fn is_nothing(&self) -> bool {
        self.bytes == 0 && self.unread.is_nothing() && self.trailers.is_empty()
    }

    /// Whether the body can be sent from its beginning, as for the first time.
    pub(super) fn may_be_sent(&self) -> bool {
        self.kept.is_some()
    }

    /// Reads all of a small body, which must keep pace.
    pub(super) async fn read_whole(&mut self, both: &Both) -> Result<(), End> {
        let Unread::Bytes(length) = self.unread else {
            return Ok(());
        };
        let whole = async {
            while !self.unread.is_nothing() {
                self.read(both).await?;
            }
            Ok(())
        };
        let read = timeout(Pace::allowance(length), whole).await;
        read.unwrap_or(Err(End::Rejected(Rejection::BodyTimeout)))
    }

    /// Sends the body, then waits for the client to leave. Never ends well: it is the answer that
    /// ends an exchange.
    pub(super) async fn send(
        &mut self,
        both: &Both,
        mut sink: SendStream<Bytes>,
        rules: &FieldRules,
    ) -> End {
        if !self.is_nothing() {
            match self.send_body(both, &mut sink).await {
                Ok(Ok(())) => match self.finish(&mut sink, rules) {
                    Ok(()) => {}
                    Err(end) => return end,
                },
                // The answer says why; what it leaves of the body stays unread.
                Ok(Err(Unwanted)) => match pending::<Infallible>().await {},
                Err(end) => return end,
            }
        }
        both.set_sent(Some(clock::now()));
        both.client_left().await;
        End::ClientLeft
    }

    async fn send_body(
        &mut self,
        both: &Both,
        sink: &mut SendStream<Bytes>,
    ) -> Result<Result<(), Unwanted>, End> {
        let again = self.kept.as_deref().map(Bytes::copy_from_slice);
        if let Err(unwanted) = send_piece(both, sink, again.unwrap_or_default()).await {
            return Ok(Err(unwanted));
        }
        while !self.unread.is_nothing() {
            let piece = self.read(both).await?;
            if let Err(unwanted) = send_piece(both, sink, piece).await {
                return Ok(Err(unwanted));
            }
        }
        Ok(Ok(()))
    }

    /// Reads the next data of the client; nothing where only framing came.
    async fn read(&mut self, both: &Both) -> Result<Bytes, End> {
        if !both.fill().await? {
            return Err(Rejection::BodyTimeout.into());
        }
        let taken = both.with_wire(|wire| self.unread.take(&mut wire.ahead));
        let (part, bytes) = taken.map_err(|_| MALFORMED)?;
        match part {
            Part::Framing => return Ok(Bytes::new()),
            Part::Trailer => {
                self.trailers.extend_from_slice(&bytes);
                return Ok(Bytes::new());
            }
            Part::Data => {}
        }
        both.note_moved();
        self.bytes += bytes.len() as u64;
        if self.bytes > self.bytes_max {
            return Err(Rejection::BodyTooLarge.into());
        }
        self.keep(&bytes, both.is_told());
        Ok(bytes)
    }

    fn keep(&mut self, bytes: &Bytes, is_told: bool) {
        let kept = self.kept.as_mut();
        let has_room = kept.filter(|kept| kept.len() + bytes.len() <= BODY_BYTES_KEPT && !is_told);
        match has_room {
            Some(kept) => kept.extend_from_slice(bytes),
            None => self.kept = None,
        }
    }

    /// Ends the body, with its trailers where some may pass.
    fn finish(&self, sink: &mut SendStream<Bytes>, rules: &FieldRules) -> Result<(), End> {
        let fields = self.fields(rules)?;
        let ended = match fields.is_empty() {
            true => sink.send_data(Bytes::new(), true),
            false => sink.send_trailers(fields),
        };
        // A stream that takes no end is one whose answer says why.
        if let Err(error) = ended {
            tracing::debug!(%error, "a service took no end of a body");
        }
        Ok(())
    }

    fn fields(&self, rules: &FieldRules) -> Result<HeaderMap, End> {
        let mut passing = HeaderMap::new();
        if self.trailers.is_empty() {
            return Ok(passing);
        }
        let fields = trailers::parse(&self.trailers).map_err(|_| MALFORMED)?;
        for field in fields.iter().filter(|field| !rules.is_dropped(field.name)) {
            let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| MALFORMED)?;
            let value = HeaderValue::from_bytes(field.value).map_err(|_| MALFORMED)?;
            passing.append(name, value);
        }
        Ok(passing)
    }
}

/// Sends a piece as fast as the service takes it.
async fn send_piece(
    both: &Both,
    sink: &mut SendStream<Bytes>,
    mut piece: Bytes,
) -> Result<(), Unwanted> {
    while !piece.is_empty() {
        let room = room(sink, piece.len()).await.ok_or(Unwanted)?;
        let part = piece.split_to(room.min(piece.len()));
        sink.send_data(part, false).map_err(|_| Unwanted)?;
        both.note_moved();
    }
    Ok(())
}
