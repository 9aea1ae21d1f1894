//! Reading a body whole, and no further than it may go.

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};

use super::lines::Line;

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
    let mut whole: Vec<u8> = Vec::new();
    while let Some(frame) = line.wait(body.frame()).await {
        let frame = frame.map_err(|_| Unread::Broken)?;
        let Ok(piece) = frame.into_data() else {
            continue;
        };
        if first.len() + whole.len() + piece.len() > bytes_max {
            return Err(Unread::TooLarge);
        }
        if first.is_empty() && whole.is_empty() {
            first = piece;
            continue;
        }
        if whole.is_empty() {
            let announced = usize::try_from(announced).unwrap_or(0);
            whole.reserve_exact(announced.max(first.len() + piece.len()));
            whole.extend_from_slice(&std::mem::take(&mut first));
        }
        if whole.capacity() - whole.len() < piece.len() {
            // Twice as much, as vectors grow, but never past what may be read.
            let wanted = whole.len() + piece.len();
            let grown = (whole.capacity() * 2).min(bytes_max).max(wanted);
            whole.reserve_exact(grown - whole.len());
        }
        whole.extend_from_slice(&piece);
    }
    if whole.is_empty() {
        Ok(first)
    } else {
        Ok(whole.into())
    }
}
