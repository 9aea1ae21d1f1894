//! One connection: request, answer, next request.

use std::io;
use std::net::TcpStream;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

use super::super::answer::{Answer, Progress, look};
use super::super::deal::Ticket;
use super::super::poll::{Edge, Poll};
use super::super::record::{Answered, Failure};
use super::super::scenario::{Connections, Planned, Scenario};
use super::super::wire::Wire;

const READ_BYTES: usize = 64 * 1024;

/// What all connections of a worker use, one at a time.
pub(super) struct Tools<'a> {
    pub(super) scenario: &'a Scenario,
    pub(super) poll: Poll,
    pub(super) connects: u64,
    request: Vec<u8>,
    body: Vec<u8>,
    read: Vec<u8>,
}

pub(super) struct Lane {
    place: u32,
    /// The place of the target that it leads to.
    pub(super) target: usize,
    /// Of connections that had this place one after the other, which: what the kernel says of one
    /// that is closed concerns nobody.
    generation: u32,
    wire: Option<Wire>,
    state: State,
    ticket: Ticket,
    sent: Duration,
    unsent: Vec<u8>,
    /// What was read of an answer that is not whole.
    partial: Vec<u8>,
    rest: Option<Rest>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Free,
    Connecting,
    Asking,
}

/// An answer whose head is known, and of whose body nobody looks at more than the length.
struct Rest {
    answer: Answer,
    left: usize,
}

/// How far a request is.
pub(super) enum Step {
    Waits,
    Answered(Answered),
}

impl<'a> Tools<'a> {
    pub(super) fn new(scenario: &'a Scenario) -> io::Result<Self> {
        Ok(Self {
            scenario,
            poll: Poll::new()?,
            connects: 0,
            request: Vec::new(),
            body: Vec::new(),
            read: vec![0; READ_BYTES],
        })
    }
}

impl Lane {
    pub(super) fn new(place: usize, target: usize) -> Self {
        Self {
            place: u32::try_from(place).unwrap_or(u32::MAX),
            target,
            generation: 0,
            wire: None,
            state: State::Free,
            ticket: Ticket::default(),
            sent: Duration::ZERO,
            unsent: Vec::new(),
            partial: Vec::new(),
            rest: None,
        }
    }

    /// Which lane an edge is about.
    pub(super) fn place_of(key: u64) -> usize {
        usize::try_from(key & u64::from(u32::MAX)).unwrap_or(usize::MAX)
    }

    fn key(&self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.place)
    }

    /// What is under way, and when it was sent.
    pub(super) fn asked(&self) -> (Ticket, Duration) {
        (self.ticket, self.sent)
    }

    pub(super) fn is_asking_since(&self, timeout: Duration, now: Duration) -> bool {
        self.state != State::Free && now.saturating_sub(self.sent) >= timeout
    }

    pub(super) fn close(&mut self) {
        self.wire = None;
        self.state = State::Free;
        self.unsent.clear();
    }

    pub(super) fn begin(
        &mut self,
        ticket: Ticket,
        sent: Duration,
        tools: &mut Tools<'_>,
    ) -> Result<Step, Failure> {
        self.ticket = ticket;
        self.sent = sent;
        self.partial.clear();
        self.rest = None;
        if self.wire.is_some() {
            return self.ask(tools);
        }
        self.open(tools).map_err(|_| Failure::Connect)?;
        self.state = State::Connecting;
        Ok(Step::Waits)
    }

    fn open(&mut self, tools: &mut Tools<'_>) -> io::Result<()> {
        let targets = &tools.scenario.targets;
        let target = targets.get(self.target).ok_or(io::ErrorKind::NotFound)?;
        let kind = Type::STREAM.nonblocking().cloexec();
        let domain = Domain::for_address(target.address);
        let socket = Socket::new(domain, kind, Some(Protocol::TCP))?;
        socket.set_tcp_nodelay(true)?;
        self.generation = self.generation.wrapping_add(1);
        match socket.connect(&target.address.into()) {
            Err(error) if error.raw_os_error() != Some(IN_PROGRESS) => return Err(error),
            Ok(()) | Err(_) => {}
        }
        tools.poll.add(&socket, self.key())?;
        self.wire = Some(Wire::new(TcpStream::from(socket), target)?);
        Ok(())
    }

    fn ask(&mut self, tools: &mut Tools<'_>) -> Result<Step, Failure> {
        self.state = State::Asking;
        let scenario = tools.scenario;
        let planned = self.planned(tools)?;
        let out = (&mut tools.request, &mut tools.body);
        planned
            .template
            .fill(&scenario.values, self.ticket.turn, out);
        let wire = self.wire.as_mut().ok_or(Failure::Broken)?;
        let written = wire.send(&tools.request).map_err(|_| Failure::Broken)?;
        let unsent = tools.request.get(written..).unwrap_or_default();
        self.unsent.clear();
        self.unsent.extend_from_slice(unsent);
        Ok(Step::Waits)
    }

    fn planned<'s>(&self, tools: &Tools<'s>) -> Result<&'s Planned, Failure> {
        let planned = tools.scenario.requests.get(self.ticket.turn.kind);
        planned.ok_or(Failure::Dropped)
    }

    /// Goes on after something has happened to the connection.
    pub(super) fn see(&mut self, edge: Edge, tools: &mut Tools<'_>) -> Result<Step, Failure> {
        if edge.key != self.key() {
            return Ok(Step::Waits);
        }
        match self.state {
            State::Free => self.look_whether_open(tools),
            State::Connecting if edge.is_broken => return Err(Failure::Connect),
            State::Connecting if edge.may_write => {
                tools.connects += 1;
                return self.ask(tools);
            }
            State::Connecting => {}
            State::Asking => {
                if edge.may_write {
                    self.send_rest()?;
                }
                return self.receive(edge, tools);
            }
        }
        Ok(Step::Waits)
    }

    /// A connection that was closed while nobody used it is no failure, and is not used again.
    fn look_whether_open(&mut self, tools: &mut Tools<'_>) {
        let Some(wire) = &mut self.wire else { return };
        let read = wire.receive(&mut tools.read);
        if !read.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock) {
            self.close();
        }
    }

    fn send_rest(&mut self) -> Result<(), Failure> {
        let wire = self.wire.as_mut().ok_or(Failure::Broken)?;
        if self.unsent.is_empty() && !wire.has_unsent() {
            return Ok(());
        }
        let written = wire.send(&self.unsent).map_err(|_| Failure::Broken)?;
        self.unsent.drain(..written);
        Ok(())
    }

    fn receive(&mut self, edge: Edge, tools: &mut Tools<'_>) -> Result<Step, Failure> {
        let planned = self.planned(tools)?;
        loop {
            let wire = self.wire.as_mut().ok_or(Failure::Broken)?;
            let (answered, keeps_alive) = match wire.receive(&mut tools.read) {
                Ok(0) => (self.end(planned)?, false),
                Ok(read) => match self.take(tools.read.get(..read).unwrap_or_default(), planned)? {
                    Some(answer) => answer,
                    None => continue,
                },
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Step::Waits),
                Err(_) => return Err(Failure::Broken),
            };
            let is_kept = matches!(tools.scenario.connections, Connections::Kept(_));
            if !keeps_alive || edge.is_ending || !is_kept || !self.unsent.is_empty() {
                self.close();
            }
            self.state = State::Free;
            return Ok(Step::Answered(answered));
        }
    }

    /// Takes more of an answer; `None` while it is not whole.
    fn take(
        &mut self,
        bytes: &[u8],
        planned: &Planned,
    ) -> Result<Option<(Answered, bool)>, Failure> {
        if let Some(rest) = &mut self.rest {
            rest.left = rest
                .left
                .checked_sub(bytes.len())
                .ok_or(Failure::Malformed)?;
            let is_whole = rest.left == 0;
            let answered = || (planned.judge(rest.answer, None), rest.answer.keeps_alive);
            return Ok(is_whole.then(answered));
        }
        let mut partial = std::mem::take(&mut self.partial);
        let read = match partial.is_empty() {
            true => bytes,
            false => {
                partial.extend_from_slice(bytes);
                &partial
            }
        };
        match look(read, planned.is_head) {
            Progress::Whole(answer) if answer.ends_at < read.len() => {
                return Err(Failure::Malformed);
            }
            Progress::Whole(answer) => {
                let answered = (planned.judge(answer, Some(read)), answer.keeps_alive);
                partial.clear();
                self.partial = partial;
                return Ok(Some(answered));
            }
            Progress::Rest(answer) if planned.body_holds.is_none() => {
                let left = answer.ends_at.saturating_sub(read.len());
                self.rest = Some(Rest { answer, left });
                return Ok(None);
            }
            Progress::Rest(_) | Progress::More | Progress::UntilEnd(_) => {}
            Progress::Malformed => return Err(Failure::Malformed),
        }
        if partial.is_empty() {
            partial.extend_from_slice(bytes);
        }
        self.partial = partial;
        Ok(None)
    }

    /// The connection has ended, which may be how the answer ends.
    fn end(&mut self, planned: &Planned) -> Result<Answered, Failure> {
        match look(&self.partial, planned.is_head) {
            Progress::UntilEnd(answer) => Ok(planned.judge(answer, Some(&self.partial))),
            Progress::More | Progress::Rest(_) | Progress::Whole(_) | Progress::Malformed => {
                Err(Failure::Broken)
            }
        }
    }
}

/// A connection that is being made.
const IN_PROGRESS: i32 = rustix::io::Errno::INPROGRESS.raw_os_error();

impl Planned {
    /// `read` is not there where nobody looks at the body.
    fn judge(&self, answer: Answer, read: Option<&[u8]>) -> Answered {
        let body = read.and_then(|read| read.get(answer.body_at..answer.ends_at));
        Answered {
            status: answer.status,
            bytes: (answer.ends_at - answer.body_at) as u64,
            is_expected: self.expect.contains(&answer.status),
            holds: self.is_held_by(body.unwrap_or_default()),
        }
    }

    pub(in crate::open) fn is_held_by(&self, body: &[u8]) -> bool {
        let wanted = self.body_holds.as_ref();
        wanted.is_none_or(|text| memchr::memmem::find(body, text.as_bytes()).is_some())
    }
}
