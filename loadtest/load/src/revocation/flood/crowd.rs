//! Requests that are sent when they are due, to a few microseconds, over connections that stay.
//!
//! One thread, without a runtime: timers of a runtime go off in whole milliseconds, so that what is due in
//! one of them would be sent at once, and customers would meet all of its strangers or none.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Read as _, Write as _};
use std::iter::Peekable;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::time::Instant;

use crate::closed::Histogram;
use crate::open::answer::{Progress, look};
use crate::open::poll::Poll;

/// How long the last answers are waited for.
const LAST_CALL: Duration = Duration::from_secs(2);
/// Requests that are handed out in a row before answers get their turn.
const AT_A_TIME: usize = 16;
const READ_BYTES: usize = 16 * 1024;

/// A request, and where it is noted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Due {
    /// Since the beginning.
    pub(super) at: Duration,
    pub(super) slice: usize,
    /// Whether it counts how long its answer takes.
    pub(super) is_timed: bool,
}

/// What became of the requests of a slice.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    /// Of those that are timed, from sending to the whole answer; of one that had to wait for a connection,
    /// from when it was due.
    pub(super) took: Histogram,
    pub(super) statuses: BTreeMap<u16, u64>,
    pub(super) unanswered: u64,
}

pub(super) struct Crowd {
    target: SocketAddr,
    poll: Poll,
    lanes: Vec<Lane>,
    /// The one that has been free for longest is first, so that all are used.
    free: VecDeque<usize>,
    waiting: VecDeque<Due>,
    seen: Vec<Seen>,
    wire: Vec<u8>,
    read: Vec<u8>,
}

struct Lane {
    source: Option<IpAddr>,
    stream: TcpStream,
    asked: Option<Asked>,
    /// What was read of an answer that is not whole.
    partial: Vec<u8>,
}

struct Asked {
    due: Due,
    since: Duration,
}

impl Crowd {
    /// Connects, once from each address.
    pub(super) fn gather(
        target: SocketAddr,
        sources: impl IntoIterator<Item = Option<IpAddr>>,
        slices: usize,
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        let mut lanes = Vec::new();
        for source in sources {
            let stream = connect(source, target)?;
            poll.add(&stream, lanes.len() as u64)?;
            lanes.push(Lane {
                source,
                stream,
                asked: None,
                partial: Vec::new(),
            });
        }
        Ok(Self {
            target,
            poll,
            free: (0..lanes.len()).collect(),
            lanes,
            waiting: VecDeque::new(),
            seen: vec![Seen::default(); slices],
            wire: Vec::new(),
            read: vec![0; READ_BYTES],
        })
    }

    /// Sends all that is due; `write` is told of which connection and slice a request is.
    pub(super) fn send(
        mut self,
        dues: impl Iterator<Item = Due>,
        began: Instant,
        mut write: impl FnMut(usize, usize, &mut Vec<u8>),
    ) -> io::Result<Vec<Seen>> {
        let mut dues = dues.peekable();
        let mut last_call = None;
        loop {
            self.hand_out(&mut dues, began, &mut write)?;
            let now = Instant::now().saturating_duration_since(began);
            let until = match dues.peek() {
                Some(next) => next.at,
                None => *last_call.get_or_insert(now + LAST_CALL),
            };
            let is_idle = self.free.len() == self.lanes.len();
            if last_call.is_some_and(|until| is_idle || now >= until) {
                return Ok(self.give_up());
            }
            self.poll.wait(now, until)?;
            while let Some(edge) = self.poll.next() {
                let place = usize::try_from(edge.key).unwrap_or(usize::MAX);
                self.receive(place, began)?;
            }
        }
    }

    /// Whatever is due goes to connections that are free.
    fn hand_out(
        &mut self,
        dues: &mut Peekable<impl Iterator<Item = Due>>,
        began: Instant,
        write: &mut impl FnMut(usize, usize, &mut Vec<u8>),
    ) -> io::Result<()> {
        for _ in 0..AT_A_TIME {
            let now = Instant::now().saturating_duration_since(began);
            let place = self.free.front().copied();
            let waited = place.and_then(|_| self.waiting.pop_front());
            let Some(due) = waited.or_else(|| dues.next_if(|due| due.at <= now)) else {
                return Ok(());
            };
            let Some(place) = place else {
                self.waiting.push_back(due);
                continue;
            };
            self.free.pop_front();
            let since = if waited.is_some() { due.at } else { now };
            self.wire.clear();
            write(place, due.slice, &mut self.wire);
            let Some(lane) = self.lanes.get_mut(place) else {
                return Ok(());
            };
            lane.asked = Some(Asked { due, since });
            // A request is far smaller than what a socket holds back.
            if !matches!(lane.stream.write(&self.wire), Ok(sent) if sent == self.wire.len()) {
                self.lose(place)?;
            }
        }
        Ok(())
    }

    fn receive(&mut self, place: usize, began: Instant) -> io::Result<()> {
        let Some(lane) = self.lanes.get_mut(place) else {
            return Ok(());
        };
        loop {
            match lane.stream.read(&mut self.read) {
                Ok(count) if count > 0 => {
                    let read = self.read.get(..count).unwrap_or_default();
                    lane.partial.extend_from_slice(read);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Ok(_) | Err(_) => return self.lose(place),
            }
            let answer = match look(&lane.partial, false) {
                Progress::More | Progress::Rest(_) => continue,
                Progress::Whole(answer) if answer.ends_at == lane.partial.len() => answer,
                Progress::Whole(_) | Progress::UntilEnd(_) | Progress::Malformed => {
                    return self.lose(place);
                }
            };
            let done = Instant::now().saturating_duration_since(began);
            lane.partial.clear();
            let Some(Asked { due, since }) = lane.asked.take() else {
                return self.lose(place);
            };
            if let Some(seen) = self.seen.get_mut(due.slice) {
                *seen.statuses.entry(answer.status).or_default() += 1;
                if due.is_timed {
                    seen.took.record(done.saturating_sub(since));
                }
            }
            self.free.push_back(place);
            if !answer.keeps_alive {
                return self.reopen(place);
            }
        }
    }

    /// A connection that broke: what was asked on it is unanswered.
    fn lose(&mut self, place: usize) -> io::Result<()> {
        let asked = self.lanes.get_mut(place).and_then(|it| it.asked.take());
        if let Some(Asked { due, .. }) = asked {
            self.miss(due);
            self.free.push_back(place);
        }
        self.reopen(place)
    }

    fn reopen(&mut self, place: usize) -> io::Result<()> {
        if let Some(lane) = self.lanes.get_mut(place) {
            lane.partial.clear();
            lane.stream = connect(lane.source, self.target)?;
            self.poll.add(&lane.stream, place as u64)?;
        }
        Ok(())
    }

    fn miss(&mut self, due: Due) {
        if let Some(seen) = self.seen.get_mut(due.slice) {
            seen.unanswered += 1;
        }
    }

    fn give_up(mut self) -> Vec<Seen> {
        let asked = self.lanes.iter_mut().filter_map(|lane| lane.asked.take());
        let asked: Vec<_> = asked.map(|it| it.due).collect();
        for due in asked.into_iter().chain(std::mem::take(&mut self.waiting)) {
            self.miss(due);
        }
        self.seen
    }
}

fn connect(source: Option<IpAddr>, target: SocketAddr) -> io::Result<TcpStream> {
    let kind = Type::STREAM.cloexec();
    let socket = Socket::new(Domain::for_address(target), kind, Some(Protocol::TCP))?;
    if let Some(source) = source {
        socket.bind(&SocketAddr::new(source, 0).into())?;
    }
    socket.connect(&target.into())?;
    socket.set_tcp_nodelay(true)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// Answers so many requests on each of its connections, one after the other, and then closes it.
    fn server<const CONNECTIONS: usize>(answers: [usize; CONNECTIONS]) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for answers in answers {
                let (mut stream, _) = listener.accept().unwrap();
                thread::spawn(move || {
                    let mut heard = [0; 256];
                    for _ in 0..answers {
                        let count = stream.read(&mut heard).unwrap();
                        if count == 0 {
                            return;
                        }
                        assert!(heard[..count].ends_with(b"\r\n\r\n"));
                        let answer = b"HTTP/1.1 401 No\r\ncontent-length: 2\r\n\r\nno";
                        stream.write_all(answer).unwrap();
                    }
                });
            }
        });
        address
    }

    fn dues(count: usize) -> impl Iterator<Item = Due> {
        (0..count).map(|number| Due {
            at: Duration::from_micros(number as u64 * 500),
            slice: number / 10,
            is_timed: number % 10 >= 5,
        })
    }

    fn write(_: usize, slice: usize, out: &mut Vec<u8>) {
        out.extend_from_slice(format!("GET /{slice} HTTP/1.1\r\n\r\n").as_bytes());
    }

    #[test]
    fn whatever_is_due_is_sent_and_noted_where_it_belongs() {
        let crowd = Crowd::gather(server([usize::MAX; 2]), [None; 2], 2).unwrap();
        let seen = crowd.send(dues(20), Instant::now(), write).unwrap();
        assert_eq!(seen.len(), 2);
        for slice in seen {
            assert_eq!(slice.statuses, BTreeMap::from([(401, 10)]));
            assert_eq!((slice.took.count(), slice.unanswered), (5, 0));
        }
    }

    #[test]
    fn what_a_broken_connection_owed_is_counted_and_the_rest_goes_over_another() {
        let crowd = Crowd::gather(server([10, usize::MAX]), [None], 2).unwrap();
        let seen = crowd.send(dues(20), Instant::now(), write).unwrap();
        let answered: u64 = seen.iter().flat_map(|it| it.statuses.values()).sum();
        let unanswered: u64 = seen.iter().map(|it| it.unanswered).sum();
        assert_eq!(answered + unanswered, 20);
        assert!(answered >= 19, "{seen:?}");
    }
}
