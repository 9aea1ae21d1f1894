//! Does a client send more frames than anything comes of?
//!
//! The protocol has frames that cost their sender nothing and carry nothing: pings, settings,
//! priorities, window updates, resets. What the h2 crate keeps for them is bounded; the work they make
//! is bounded here. Each is paid for with credit that the bytes of real traffic, and time, bring back.

use std::time::Instant;

/// A client may send so many idle frames without a pause.
const IDLE_FRAMES_MAX: u64 = 1_000;
/// With nothing else going on.
const IDLE_FRAMES_PER_SECOND: u64 = 100;
/// What one costs: that many bytes of traffic bring it back, so that a window update for every frame of
/// data is never held against a client.
const COST: u64 = 64;
const CREDIT_MAX: u64 = IDLE_FRAMES_MAX * COST;
/// What a request brings, however small it is.
const OF_REQUEST: u64 = 4 * COST;

const PREFACE_BYTES: usize = 24;
const HEAD_BYTES: usize = 9;
const DATA: u8 = 0;
const HEADERS: u8 = 1;

/// The frames of one client, as far as they were heard.
#[derive(Debug)]
pub(super) struct Frames {
    head: [u8; HEAD_BYTES],
    head_bytes: usize,
    /// Of the current frame, still to come; at first the preface.
    payload_left: usize,
    credit: u64,
    refilled: Instant,
    /// Streams that the client opened, as far as their heads began.
    opened: u64,
    /// The last of them; their numbers only grow.
    last_stream: u32,
}

impl Frames {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            head: [0; HEAD_BYTES],
            head_bytes: 0,
            payload_left: PREFACE_BYTES,
            credit: CREDIT_MAX,
            refilled: now,
            opened: 0,
            last_stream: 0,
        }
    }

    /// Looks at the next bytes of a client; whether it may go on.
    pub(super) fn hear(&mut self, mut bytes: &[u8], now: Instant) -> bool {
        self.refill(now);
        let mut may_go_on = true;
        while !bytes.is_empty() {
            let here = self.payload_left.min(bytes.len());
            self.payload_left -= here;
            bytes = bytes.get(here..).unwrap_or_default();
            let Some((&byte, rest)) = bytes.split_first() else {
                break;
            };
            bytes = rest;
            if let Some(place) = self.head.get_mut(self.head_bytes) {
                *place = byte;
            }
            self.head_bytes += 1;
            if self.head_bytes == HEAD_BYTES {
                may_go_on &= self.begin_frame();
            }
        }
        may_go_on
    }

    /// Counts bytes that were sent to the client.
    pub(super) fn sent(&mut self, bytes: usize) {
        self.earn(bytes as u64);
    }

    /// How many streams were opened since this was last asked.
    pub(super) fn take_opened(&mut self) -> u64 {
        std::mem::take(&mut self.opened)
    }

    fn begin_frame(&mut self) -> bool {
        let [high, middle, low, kind, _, stream @ ..] = self.head;
        self.head_bytes = 0;
        self.payload_left = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
        match kind {
            DATA => self.earn(self.payload_left as u64),
            HEADERS => {
                self.earn(OF_REQUEST);
                self.note_head(u32::from_be_bytes(stream));
            }
            _ => match self.credit.checked_sub(COST) {
                Some(left) => self.credit = left,
                None => return false,
            },
        }
        true
    }

    /// Trailers come on a stream that is open.
    fn note_head(&mut self, stream: u32) {
        if stream > self.last_stream {
            self.last_stream = stream;
            self.opened += 1;
        }
    }

    fn refill(&mut self, now: Instant) {
        let millis = now.saturating_duration_since(self.refilled).as_millis();
        if let Ok(millis @ 1..) = u64::try_from(millis) {
            self.refilled = now;
            self.earn(millis.saturating_mul(IDLE_FRAMES_PER_SECOND * COST) / 1000);
        }
    }

    fn earn(&mut self, credit: u64) {
        self.credit = self.credit.saturating_add(credit).min(CREDIT_MAX);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const PING: u8 = 6;

    fn frame(kind: u8, payload_bytes: u8) -> Vec<u8> {
        let mut frame = vec![0, 0, payload_bytes, kind, 0, 0, 0, 0, 1];
        frame.resize(HEAD_BYTES + usize::from(payload_bytes), 0xff);
        frame
    }

    fn begun(now: Instant) -> Frames {
        let mut frames = Frames::new(now);
        assert!(frames.hear(&[0xff; PREFACE_BYTES], now));
        frames
    }

    /// How many pings go through before the client is stopped.
    fn pings(frames: &mut Frames, now: Instant) -> usize {
        let ping = frame(PING, 8);
        (0..10_000).take_while(|_| frames.hear(&ping, now)).count()
    }

    #[test]
    fn idle_frames_have_a_burst_and_a_rate() {
        let now = crate::clock::now();
        let mut frames = begun(now);
        assert_eq!(pings(&mut frames, now), 1_000);
        assert_eq!(pings(&mut frames, now + Duration::from_secs(1)), 100);
        assert_eq!(pings(&mut frames, now + Duration::from_secs(3600)), 1_000);
    }

    #[test]
    fn traffic_brings_credit_back() {
        let now = crate::clock::now();
        #[rustfmt::skip]
        let cases: [(&[u8], usize, usize); 4] = [
            (&frame(DATA, 64),     0,     1),
            (&frame(DATA, 0),      0,     0),
            (&frame(HEADERS, 1),   0,     4),
            (&[],                  6_400, 100),
        ];
        for (heard, sent, expected) in cases {
            let mut frames = begun(now);
            pings(&mut frames, now);
            frames.sent(sent);
            assert!(frames.hear(heard, now));
            assert_eq!(pings(&mut frames, now), expected);
        }
    }

    #[test]
    fn frames_are_told_apart_however_they_are_sliced() {
        let now = crate::clock::now();
        let mut bytes = vec![0xff; PREFACE_BYTES];
        for _ in 0..300 {
            bytes.extend([frame(PING, 8), frame(DATA, 3), frame(4, 0)].concat());
        }
        let mut whole = Frames::new(now);
        assert!(whole.hear(&bytes, now));
        for size in [1, 2, 7, 9, 10, 1000] {
            let mut sliced = Frames::new(now);
            assert!(bytes.chunks(size).all(|slice| sliced.hear(slice, now)));
            assert_eq!(sliced.credit, whole.credit, "{size}");
        }
    }
}
