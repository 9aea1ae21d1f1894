//! Time and slices, without sockets: the clock is paused and every write is kept.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::*;

/// Every write of its own, with how long after the start it came; the end is an empty one.
struct Written {
    began: Instant,
    writes: Vec<(Duration, Vec<u8>)>,
}

impl AsyncWrite for Written {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let after = self.began.elapsed();
        self.writes.push((after, bytes.to_vec()));
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_write(context, b"").map_ok(|_| ())
    }
}

struct Carried {
    result: Result<(), Broken>,
    writes: Vec<(Duration, Vec<u8>)>,
    mishaps: u64,
}

impl Carried {
    /// All that was written, and whether the end was.
    fn text(&self) -> (String, bool) {
        let bytes: Vec<u8> = self
            .writes
            .iter()
            .flat_map(|(_, bytes)| bytes.clone())
            .collect();
        let has_ended = self
            .writes
            .last()
            .is_some_and(|(_, bytes)| bytes.is_empty());
        (String::from_utf8(bytes).unwrap(), has_ended)
    }

    fn at(&self) -> Vec<u128> {
        self.writes
            .iter()
            .map(|(after, _)| after.as_millis())
            .collect()
    }
}

async fn carry(way: &Way, sent: &[u8], seed: u64) -> Carried {
    let (bytes, mishaps) = (AtomicU64::new(0), AtomicU64::new(0));
    let mut written = Written {
        began: Instant::now(),
        writes: Vec::new(),
    };
    let passage = Passage {
        is_frozen: watch::channel(false).1,
        way,
        bytes: &bytes,
        mishaps: &mishaps,
    };
    let result = passage.carry(sent, &mut written, Dice::new(seed)).await;
    Carried {
        result,
        writes: written.writes,
        mishaps: mishaps.into_inner(),
    }
}

#[tokio::test(start_paused = true)]
async fn bytes_come_as_late_as_said_and_in_order() {
    let way = Way {
        delay: Duration::from_millis(70),
        ..Way::default()
    };
    let late = carry(&way, b"hello", 1).await;
    assert_eq!(
        (late.text(), late.at()),
        (("hello".to_owned(), true), vec![70, 70])
    );

    let jittery = Way {
        jitter: Duration::from_millis(50),
        ..way
    };
    let long = vec![b'x'; PIECES_WAITING_MAX * READ_BYTES];
    let carried = carry(&jittery, &long, 1).await;
    let at = carried.at();
    assert!(
        at.is_sorted() && at.iter().all(|at| (70..=120).contains(at)),
        "{at:?}"
    );
    assert!(at.first() < at.last(), "{at:?}");
    assert_eq!(carried.text().0.len(), long.len());
}

#[tokio::test(start_paused = true)]
async fn a_capped_way_takes_the_time_that_its_bandwidth_says() {
    let way = Way {
        bytes_per_second: Some(1_000),
        ..Way::default()
    };
    let carried = carry(&way, &[b'x'; 501], 1).await;
    assert_eq!(carried.text(), ("x".repeat(501), true));
    // The last byte leaves once the 500 before it had their half second.
    assert_eq!(carried.at().last(), Some(&500));
    assert!(carried.writes.iter().all(|(_, bytes)| bytes.len() <= 10));
}

#[tokio::test]
async fn slices_are_no_larger_than_said_and_fall_by_the_seed() {
    let sent: Vec<u8> = (0..200).map(|n| b'a' + n % 26).collect();
    for max in [1, 2, 7] {
        let way = Way::sliced(max);
        let carried = carry(&way, &sent, 3).await;
        assert_eq!(
            carried.text(),
            (String::from_utf8(sent.clone()).unwrap(), true)
        );
        let sizes = |carried: &Carried| -> Vec<usize> {
            carried
                .writes
                .iter()
                .map(|(_, bytes)| bytes.len())
                .collect()
        };
        assert_eq!(sizes(&carried).into_iter().max(), Some(max));
        assert_eq!(sizes(&carried), sizes(&carry(&way, &sent, 3).await));
        assert!(max == 1 || sizes(&carried) != sizes(&carry(&way, &sent, 4).await));
    }
}

#[tokio::test]
async fn a_mishap_happens_at_its_byte_whatever_the_slices() {
    let garbage = || b"--".to_vec();
    #[rustfmt::skip]
    let cases: [(u64, Mishap, &str, Result<bool, Broken>); 12] = [
        (3, Mishap::Reset, "abc", Err(Broken::Reset)),
        (0, Mishap::Reset, "", Err(Broken::Reset)),
        (3, Mishap::Close, "abc", Err(Broken::Closed)),
        (3, Mishap::HalfClose, "abc", Ok(true)),
        (3, Mishap::Swallow, "abc", Ok(false)),
        (0, Mishap::Swallow, "", Ok(false)),
        (0, Mishap::Inject(garbage()), "--abcdef", Ok(true)),
        (3, Mishap::Inject(garbage()), "abc--def", Ok(true)),
        (0, Mishap::Replace(garbage()), "--cdef", Ok(true)),
        (3, Mishap::Replace(garbage()), "abc--f", Ok(true)),
        (5, Mishap::Replace(garbage()), "abcde--", Ok(true)),
        // There is no byte there before which it could happen.
        (6, Mishap::Reset, "abcdef", Ok(true)),
    ];
    for (offset, mishap, text, ended) in cases {
        for slice_bytes_max in [None, Some(1), Some(4)] {
            let way = Way {
                slice_bytes_max,
                ..Way::mishap(offset, mishap.clone())
            };
            let carried = carry(&way, b"abcdef", 5).await;
            let case = format!("{mishap:?} at {offset} by {slice_bytes_max:?}");
            assert_eq!(carried.text().0, text, "{case}");
            match &ended {
                Ok(has_ended) => assert_eq!(carried.text().1, *has_ended, "{case}"),
                Err(broken) => assert_eq!(carried.result.as_ref(), Err(broken), "{case}"),
            }
            assert_eq!(carried.mishaps, u64::from(offset < 6), "{case}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_stalled_way_reads_no_more_than_its_bound() {
    let (mut sender, receiver) = tokio::io::duplex(1024);
    let way = Way::mishap(0, Mishap::Stall);
    let (bytes, mishaps) = (AtomicU64::new(0), AtomicU64::new(0));
    let passage = Passage {
        is_frozen: watch::channel(false).1,
        way: &way,
        bytes: &bytes,
        mishaps: &mishaps,
    };
    let carrying = passage.carry(receiver, tokio::io::sink(), Dice::new(1));
    let filling = async {
        let mut sent = 0;
        while let Ok(Ok(count)) =
            tokio::time::timeout(Duration::from_secs(1), sender.write(&[0; 1024])).await
        {
            sent += count;
        }
        sent
    };
    tokio::select! {
        _ = carrying => unreachable!("a stalled way does not end"),
        sent = filling => assert!(sent <= (PIECES_WAITING_MAX + 3) * 1024, "{sent}"),
    }
    assert_eq!(bytes.into_inner(), 0);
}
