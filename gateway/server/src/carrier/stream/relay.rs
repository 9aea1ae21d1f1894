//! Passing on the body of an answer, and what comes behind it.

use std::future::poll_fn;
use std::task::Poll;

use bytes::Bytes;
use gateway_core::answer::AnswerBody;
use gateway_core::chunked::TRAILER_BYTES_MAX;
use gateway_core::head::Field;
use gateway_core::trailers;
use h2::RecvStream;
use http::HeaderMap;

use super::{BROKEN, End, Run, size};
use crate::carrier::trunk::Lane;

impl Run<'_> {
    pub(super) async fn relay(
        &mut self,
        told: AnswerBody,
        mut body: RecvStream,
        lane: &Lane,
    ) -> Result<(), End> {
        match told {
            AnswerBody::Nothing => {}
            AnswerBody::Length(length) => self.relay_length(&mut body, lane, length).await?,
            AnswerBody::Chunked | AnswerBody::UntilClose if self.reads_chunks() => {
                self.relay_chunks(&mut body, lane).await?;
            }
            AnswerBody::Chunked | AnswerBody::UntilClose => {
                while let Some(data) = self.next(&mut body, lane).await? {
                    self.write_data(&data, &mut body).await?;
                }
            }
        }
        self.both.flush().await
    }

    async fn relay_length(
        &mut self,
        body: &mut RecvStream,
        lane: &Lane,
        mut left: u64,
    ) -> Result<(), End> {
        while let Some(data) = self.next(body, lane).await? {
            left = left.checked_sub(data.len() as u64).ok_or(BROKEN)?;
            self.write_data(&data, body).await?;
        }
        match left {
            0 => Ok(()),
            _ => Err(BROKEN),
        }
    }

    async fn relay_chunks(&mut self, body: &mut RecvStream, lane: &Lane) -> Result<(), End> {
        while let Some(data) = self.next(body, lane).await? {
            self.both
                .write(format!("{:x}\r\n", data.len()).as_bytes())
                .await?;
            self.write_data(&data, body).await?;
            self.both.write(b"\r\n").await?;
        }
        let trailers = self.trailers(body).await?;
        let asked = self.exchange.asked();
        let takes_trailers = asked.is_some_and(|asked| asked.takes_trailers);
        let fields = trailers.iter().filter(|_| takes_trailers);
        let fields = fields.map(|(name, value)| Field {
            name: name.as_str(),
            value: value.as_bytes(),
        });
        let mut end = Vec::new();
        trailers::write_end(fields, &self.exchange.route().response_fields, &mut end);
        self.both.write(&end).await
    }

    /// Waits for data, sending meanwhile what is held back for the client. `None` at the end of a body;
    /// a stream that ends in any other way is a cut.
    async fn next(&self, body: &mut RecvStream, lane: &Lane) -> Result<Option<Bytes>, End> {
        loop {
            let data = poll_fn(|context| match body.poll_data(context) {
                Poll::Ready(data) => Poll::Ready(Ok(data)),
                Poll::Pending => match self.both.poll_send(context) {
                    Ok(()) => Poll::Pending,
                    Err(end) => Poll::Ready(Err(end)),
                },
            });
            let Some(data) = data.await? else {
                return Ok(None);
            };
            let data = data.map_err(|_| BROKEN)?;
            lane.note_heard();
            // An empty chunk would be the end of the body.
            if !data.is_empty() {
                return Ok(Some(data));
            }
        }
    }

    /// Writes data and only then lets the service send as much again.
    async fn write_data(&mut self, data: &Bytes, body: &mut RecvStream) -> Result<(), End> {
        self.both.write(data).await?;
        self.both.note_moved();
        self.outcome.body_bytes_out += data.len() as u64;
        body.flow_control()
            .release_capacity(data.len())
            .map_err(|_| BROKEN)
    }

    async fn trailers(&self, body: &mut RecvStream) -> Result<HeaderMap, End> {
        let trailers = poll_fn(|context| body.poll_trailers(context)).await;
        let trailers = trailers.map_err(|_| BROKEN)?.unwrap_or_default();
        match size(&trailers) <= usize::from(TRAILER_BYTES_MAX) {
            true => Ok(trailers),
            false => Err(BROKEN),
        }
    }
}
