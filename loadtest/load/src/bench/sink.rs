//! Where HAProxy's log goes. It writes no files: it sends each line as a datagram to a syslog
//! server, so there has to be one. This one counts and forgets.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use super::BenchError;

const DATAGRAM_BYTES_MAX: usize = 8 * 1024;
const LOOK_UP_EVERY: Duration = Duration::from_millis(100);

#[derive(Debug)]
pub(super) struct Sink {
    pub(super) address: SocketAddr,
    counts: Arc<Counts>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Counts {
    bytes: AtomicU64,
    ended: AtomicBool,
}

impl Sink {
    pub(super) fn start() -> Result<Self, BenchError> {
        let bound = UdpSocket::bind("127.0.0.1:0").and_then(|socket| {
            socket.set_read_timeout(Some(LOOK_UP_EVERY))?;
            Ok((socket.local_addr()?, socket))
        });
        let (address, socket) = bound.map_err(BenchError::io("cannot open the log sink"))?;
        let counts = Arc::new(Counts::default());
        let shared = Arc::clone(&counts);
        let thread = Builder::new()
            .name("log-sink".into())
            .spawn(move || shared.receive(&socket))
            .map_err(BenchError::io("cannot start the log sink"))?;
        Ok(Self {
            address,
            counts,
            thread: Some(thread),
        })
    }

    /// Bytes received so far.
    pub(super) fn bytes(&self) -> u64 {
        self.counts.bytes.load(Ordering::Relaxed)
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.counts.ended.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It cannot panic, and there is nothing to do about it here if it did.
            let _ = thread.join();
        }
    }
}

impl Counts {
    fn receive(&self, socket: &UdpSocket) {
        let mut datagram = vec![0; DATAGRAM_BYTES_MAX];
        while !self.ended.load(Ordering::Relaxed) {
            // An error is the timeout, after which it looks whether it shall end.
            if let Ok(length) = socket.recv(&mut datagram) {
                self.bytes.fetch_add(length as u64, Ordering::Relaxed);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_is_counted() {
        let sink = Sink::start().unwrap();
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        sender.send_to(b"one line", sink.address).unwrap();
        sender.send_to(b"another", sink.address).unwrap();
        while sink.bytes() < 15 {
            std::thread::yield_now();
        }
        assert_eq!(sink.bytes(), 15);
    }
}
