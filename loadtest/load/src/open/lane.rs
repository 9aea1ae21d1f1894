//! One connection: request, answer, next request.

use std::io;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::answer::{Progress, look};
use super::record::{Answered, Failure, Times};
use super::scenario::{Connections, Planned};
use super::worker::{Desk, Place, Ticket};

const READ_BYTES: usize = 16 * 1024;

pub(super) struct Lane {
    desk: Rc<Desk>,
    place: Rc<Place>,
    stream: Option<TcpStream>,
    request: Vec<u8>,
    answer: Vec<u8>,
}

impl Lane {
    pub(super) fn new(desk: Rc<Desk>) -> Self {
        Self {
            desk,
            place: Rc::default(),
            stream: None,
            request: Vec::new(),
            answer: Vec::with_capacity(READ_BYTES),
        }
    }

    pub(super) async fn run(mut self) {
        let desk = Rc::clone(&self.desk);
        while let Some(ticket) = desk.next(&self.place).await {
            let sent = desk.began.elapsed();
            desk.shared.sent.fetch_add(1, Ordering::Relaxed);
            if ticket.waited {
                desk.record.borrow_mut().waited += 1;
            } else {
                let late = sent.saturating_sub(ticket.due);
                desk.record.borrow_mut().lateness.record(late);
            }
            let deadline = Instant::now() + desk.shared.scenario.timeout;
            let exchanged = timeout_at(deadline, self.exchange(ticket)).await;
            match exchanged.unwrap_or(Err(Failure::Timeout)) {
                Ok(answered) => self.note(ticket, sent, &answered),
                Err(failure) => {
                    self.stream = None;
                    desk.fail(ticket, failure);
                }
            }
        }
    }

    fn note(&self, ticket: Ticket, sent: Duration, answered: &Answered) {
        let desk = &self.desk;
        if !(answered.is_expected && answered.holds) {
            desk.shared.failed.fetch_add(1, Ordering::Relaxed);
        }
        let times = Times {
            due: ticket.due,
            sent,
            done: desk.began.elapsed(),
        };
        desk.record
            .borrow_mut()
            .answer(ticket.kind, times, answered);
    }

    async fn exchange(&mut self, ticket: Ticket) -> Result<Answered, Failure> {
        let desk = Rc::clone(&self.desk);
        let scenario = &desk.shared.scenario;
        let planned = scenario.requests.get(ticket.kind).ok_or(Failure::Dropped)?;
        planned
            .template
            .fill(&scenario.values, ticket.turn, &mut self.request);
        let mut stream = match self.stream.take() {
            Some(stream) if is_open(&stream) => stream,
            Some(_) | None => self.connect().await.map_err(|_| Failure::Connect)?,
        };
        let written = stream.write_all(&self.request).await;
        written.map_err(|_| Failure::Broken)?;
        let (answered, keeps_alive) = self.receive(&mut stream, planned).await?;
        if keeps_alive && matches!(scenario.connections, Connections::Kept(_)) {
            self.stream = Some(stream);
        }
        Ok(answered)
    }

    async fn connect(&self) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(self.desk.shared.scenario.target.address).await?;
        stream.set_nodelay(true)?;
        self.desk.record.borrow_mut().connects += 1;
        Ok(stream)
    }

    async fn receive(
        &mut self,
        stream: &mut TcpStream,
        planned: &Planned,
    ) -> Result<(Answered, bool), Failure> {
        self.answer.clear();
        loop {
            self.answer.reserve(READ_BYTES);
            let read = stream.read_buf(&mut self.answer).await;
            let is_over = read.map_err(|_| Failure::Broken)? == 0;
            match (look(&self.answer, planned.is_head), is_over) {
                (Progress::More | Progress::UntilEnd { .. }, false) => {}
                (Progress::More, true) => return Err(Failure::Broken),
                (Progress::UntilEnd { status, body_at }, true) => {
                    let body = self.answer.get(body_at..).unwrap_or_default();
                    return Ok((planned.judge(status, body), false));
                }
                (Progress::Malformed, _) => return Err(Failure::Malformed),
                (Progress::Whole(answer), _) if answer.ends_at < self.answer.len() => {
                    return Err(Failure::Malformed);
                }
                (Progress::Whole(answer), _) => {
                    let body = self.answer.get(answer.body_at..answer.ends_at);
                    let answered = planned.judge(answer.status, body.unwrap_or_default());
                    return Ok((answered, answer.keeps_alive));
                }
            }
        }
    }
}

impl Planned {
    fn judge(&self, status: u16, body: &[u8]) -> Answered {
        let holds = self
            .body_holds
            .as_ref()
            .is_none_or(|text| memchr::memmem::find(body, text.as_bytes()).is_some());
        Answered {
            status,
            bytes: body.len() as u64,
            is_expected: self.expect.contains(&status),
            holds,
        }
    }
}

/// Whether an idle connection was not closed meanwhile.
fn is_open(stream: &TcpStream) -> bool {
    let mut byte = [0];
    let read = stream.try_read(&mut byte);
    read.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
}
