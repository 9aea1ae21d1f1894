//! Reading a body whole, and no further than it may go.

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};

use super::lines::Line;

/// Of a part of a body that comes in pieces.
const PART_BYTES: usize = 64 * 1024;

pub(super) enum Unread {
    Broken,
    TooLarge,
}

/// The bytes of a body. One that came in one piece is not copied; one that announces too much is
/// not read at all.
pub(super) async fn read(
    line: &mut Line,
    mut body: Incoming,
    bytes_max: usize,
) -> Result<Bytes, Unread> {
    let announced = body.size_hint().lower();
    if announced > bytes_max as u64 {
        return Err(Unread::TooLarge);
    }
    let mut first = Bytes::new();
    let mut rest = Pieces::default();
    while let Some(frame) = line.wait(body.frame()).await {
        let frame = frame.map_err(|_| Unread::Broken)?;
        let Ok(piece) = frame.into_data() else {
            continue;
        };
        if first.len() + rest.length + piece.len() > bytes_max {
            return Err(Unread::TooLarge);
        }
        if first.is_empty() && rest.length == 0 {
            first = piece;
        } else {
            rest.add(&piece);
        }
    }
    if rest.length == 0 {
        return Ok(first);
    }
    let mut whole = Vec::with_capacity(first.len() + rest.length);
    whole.extend_from_slice(&first);
    rest.parts
        .iter()
        .for_each(|part| whole.extend_from_slice(part));
    Ok(whole.into())
}

/// What came so far, in parts that never grow: where it turns out to be too much, it took no more
/// than it measures.
#[derive(Default)]
struct Pieces {
    parts: Vec<Vec<u8>>,
    length: usize,
}

impl Pieces {
    fn add(&mut self, mut piece: &[u8]) {
        self.length += piece.len();
        while !piece.is_empty() {
            let room = self.parts.last().map_or(0, |it| PART_BYTES - it.len());
            if room == 0 {
                self.parts.push(Vec::with_capacity(PART_BYTES));
            }
            let room = if room == 0 { PART_BYTES } else { room };
            let (now, later) = piece.split_at(room.min(piece.len()));
            if let Some(part) = self.parts.last_mut() {
                part.extend_from_slice(now);
            }
            piece = later;
        }
    }
}
