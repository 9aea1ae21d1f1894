//! Passing on the body of an answer.

use gateway_core::answer::AnswerBody;
use gateway_core::chunked::Chunked;
use gateway_core::rejection::Rejection;
use tokio::time::timeout;

use super::ask::Answered;
use super::{End, Run};
use crate::carrier::link::Link;
use crate::clock;

const BROKEN: End = End::Rejected(Rejection::UpstreamBroken);

impl Run<'_> {
    pub(super) async fn relay(&mut self, answered: Answered) -> Result<(), End> {
        let Answered {
            mut link,
            place,
            body,
            keeps_alive,
        } = answered;
        match body {
            AnswerBody::Nothing => {}
            AnswerBody::Length(length) => self.relay_length(&mut link, length).await?,
            AnswerBody::Chunked => self.relay_chunks(&mut link).await?,
            AnswerBody::UntilClose => self.relay_until_close(&mut link).await?,
        }
        self.flush().await?;
        // Bytes behind the answer belong to no request; such a connection is not used again.
        let is_sound = link.buffer.is_empty() && body != AnswerBody::UntilClose;
        let spares = self.exchange.upstream.spares.get(place);
        if let Some(spares) = spares.filter(|_| keeps_alive && is_sound) {
            spares.keep(link, clock::now());
        }
        Ok(())
    }

    async fn relay_length(&mut self, link: &mut Link, mut left: u64) -> Result<(), End> {
        while left > 0 {
            if link.buffer.is_empty() {
                self.read_more(link).await?;
            }
            let count = usize::try_from(left)
                .unwrap_or(usize::MAX)
                .min(link.buffer.len());
            let part = link.buffer.split_to(count);
            self.write(&part).await?;
            self.outcome.body_bytes_out += count as u64;
            left -= count as u64;
        }
        Ok(())
    }

    /// The chunks go on as they are: their framing was judged byte by byte.
    async fn relay_chunks(&mut self, link: &mut Link) -> Result<(), End> {
        let mut chunks = Chunked::default();
        while !chunks.is_done() {
            if link.buffer.is_empty() {
                self.read_more(link).await?;
            }
            let count = chunks.advance(&link.buffer).map_err(|_| BROKEN)?;
            let part = link.buffer.split_to(count);
            self.write(&part).await?;
            self.outcome.body_bytes_out = chunks.data_bytes();
        }
        Ok(())
    }

    /// A body that ends with its connection is given chunks, so that the client's can go on.
    async fn relay_until_close(&mut self, link: &mut Link) -> Result<(), End> {
        loop {
            if link.buffer.is_empty() && self.read(link).await? == 0 {
                return self.write(b"0\r\n\r\n").await;
            }
            let size = link.buffer.len();
            self.write(format!("{size:x}\r\n").as_bytes()).await?;
            let part = link.buffer.split_to(size);
            self.write(&part).await?;
            self.write(b"\r\n").await?;
            self.outcome.body_bytes_out += size as u64;
        }
    }

    /// Reads more of an answer that is not complete; its end now is a cut.
    async fn read_more(&mut self, link: &mut Link) -> Result<(), End> {
        if self.read(link).await? == 0 {
            Err(BROKEN)
        } else {
            Ok(())
        }
    }

    /// Writes to the client. Small pieces are held back until there is nothing more to write.
    pub(super) async fn write(&mut self, bytes: &[u8]) -> Result<(), End> {
        if self.wire.hold(bytes) {
            return Ok(());
        }
        let stall = self.exchange.snapshot.deadlines.stall;
        match timeout(stall, self.wire.write(bytes)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(End::ClientLeft),
        }
    }

    async fn flush(&mut self) -> Result<(), End> {
        let stall = self.exchange.snapshot.deadlines.stall;
        match timeout(stall, self.wire.send(&[])).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(End::ClientLeft),
        }
    }
}
