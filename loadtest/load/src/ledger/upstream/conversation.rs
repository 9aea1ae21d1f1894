//! One connection of the upstream: every request on it is written down before it is answered.

use std::io::Read as _;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::http1::Malformed;
use crate::http1::request::{Arrived, Decoder, Remains, RequestHead};
use crate::ledger::entry::{Deed, Framing, Parcel};
use crate::ledger::filling::{Digest, answer_body, write_body};
use crate::ledger::log::{Heard, State};
use crate::ledger::{ANSWER, DEED, ID};

use super::Endpoint;

/// Of requests and answers alike.
const BODY_BYTES_MAX: usize = 1 << 20;
const READ_BYTES: usize = 16 * 1024;

pub(super) struct Conversation {
    endpoint: Endpoint,
    connection: u64,
    decoder: Decoder,
    current: Option<Current>,
    /// The bytes are no requests any more, and nothing further is made of them.
    is_malformed: bool,
}

/// The request whose head came last.
struct Current {
    place: usize,
    request: Request,
}

/// What matters of a request for its answer.
#[derive(Clone, Debug)]
struct Request {
    id: String,
    deed: Deed,
    answer: Parcel,
    keeps_alive: bool,
}

/// What is to be done about the bytes that came.
enum Wanted {
    /// A head came.
    Head(Deed),
    /// A request came whole.
    Answer(Request),
    /// Bytes came that are no request.
    Refusal,
    Nothing,
}

/// Whether a connection goes on after a deed.
#[derive(PartialEq, Eq)]
enum Goes {
    On,
    Ends,
}

impl Conversation {
    pub(super) fn new(endpoint: Endpoint, connection: u64) -> Self {
        Self {
            endpoint,
            connection,
            decoder: Decoder::new(BODY_BYTES_MAX),
            current: None,
            is_malformed: false,
        }
    }

    pub(super) async fn hold(mut self, mut stream: TcpStream) {
        let mut stopped = self.endpoint.stopped.clone();
        while self.converse(&mut stream).await == Goes::On {
            if !self.read_more(&mut stream, &mut stopped).await {
                break;
            }
        }
        self.read_rest(stream);
        self.close();
    }

    /// Does all that the bytes so far want.
    async fn converse(&mut self, stream: &mut TcpStream) -> Goes {
        loop {
            let goes = match self.note() {
                Wanted::Nothing => return Goes::On,
                Wanted::Head(Deed::ResetEarly) => reset(stream),
                Wanted::Head(_) => Goes::On,
                Wanted::Answer(request) => perform(&request, stream).await,
                Wanted::Refusal => {
                    say(
                        stream,
                        b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n",
                    )
                    .await;
                    Goes::Ends
                }
            };
            if goes == Goes::Ends {
                return goes;
            }
        }
    }

    /// Writes down what has arrived.
    fn note(&mut self) -> Wanted {
        if self.is_malformed {
            return Wanted::Nothing;
        }
        match self.decoder.advance() {
            Ok(Arrived::Nothing) => Wanted::Nothing,
            Ok(Arrived::Head(head)) => self.note_head(&head),
            Ok(Arrived::Body(body)) => self.note_body(&body, State::Whole),
            Err(malformed) => self.note_malformed(&malformed),
        }
    }

    fn note_head(&mut self, head: &RequestHead) -> Wanted {
        let id = head.header(ID);
        let request = self.understand(head);
        let place = self.endpoint.log.add(Heard {
            method: head.method.clone(),
            target: head.target.clone(),
            deed: request.as_ref().map(|request| request.deed),
            ..self.heard(id.map(str::to_owned), State::Cut)
        });
        let Some(request) = request else {
            let why = "no deed, or no length of answer, that is known here";
            self.endpoint.log.amend(place, |heard| {
                heard.state = State::Malformed(why.to_owned());
            });
            self.is_malformed = true;
            return Wanted::Refusal;
        };
        let deed = request.deed;
        self.current = Some(Current { place, request });
        Wanted::Head(deed)
    }

    fn understand(&self, head: &RequestHead) -> Option<Request> {
        let id = head.header(ID).unwrap_or_default();
        let deed = match head.header(DEED) {
            Some(text) => Deed::parse(text)?,
            None => self.endpoint.habit.deed(id),
        };
        let answer = match head.header(ANSWER) {
            Some(text) => Parcel::parse(text).filter(|answer| answer.bytes <= BODY_BYTES_MAX)?,
            None => Parcel {
                framing: Framing::Length,
                bytes: 0,
            },
        };
        Some(Request {
            id: id.to_owned(),
            deed,
            answer,
            keeps_alive: head.keeps_alive,
        })
    }

    fn note_body(&mut self, body: &[u8], state: State) -> Wanted {
        let Some(Current { place, request }) = self.current.take() else {
            return Wanted::Nothing;
        };
        self.endpoint.log.amend(place, |heard| {
            heard.body = Digest::of(body);
            heard.state = state;
        });
        Wanted::Answer(request)
    }

    fn note_malformed(&mut self, malformed: &Malformed) -> Wanted {
        self.is_malformed = true;
        let state = State::Malformed(malformed.to_string());
        match self.current.take() {
            Some(Current { place, .. }) => {
                self.endpoint.log.amend(place, |heard| heard.state = state);
            }
            None => {
                self.endpoint.log.add(self.heard(None, state));
            }
        }
        Wanted::Refusal
    }

    fn heard(&self, id: Option<String>, state: State) -> Heard {
        Heard {
            id,
            method: String::new(),
            target: String::new(),
            endpoint: self.endpoint.number,
            connection: self.connection,
            body: Digest::EMPTY,
            state,
            deed: None,
        }
    }

    /// Whether there is more to come.
    async fn read_more(
        &mut self,
        stream: &mut TcpStream,
        stopped: &mut watch::Receiver<bool>,
    ) -> bool {
        let mut buffer = vec![0; READ_BYTES];
        let count = tokio::select! {
            read = stream.read(&mut buffer) => read.unwrap_or(0),
            _ = stopped.wait_for(|stopped| *stopped) => 0,
        };
        self.decoder.feed(buffer.get(..count).unwrap_or_default());
        count > 0
    }

    /// Asks the kernel itself: the runtime may not have heard yet of what arrived last. A socket
    /// that was set to reset is reset at the end of this.
    fn read_rest(&mut self, stream: TcpStream) {
        let Ok(mut stream) = stream.into_std() else {
            return;
        };
        let mut buffer = vec![0; READ_BYTES];
        while let Ok(count @ 1..) = stream.read(&mut buffer) {
            self.decoder.feed(buffer.get(..count).unwrap_or_default());
            while !matches!(self.note(), Wanted::Nothing) {}
        }
    }

    /// Writes down what was cut.
    fn close(mut self) {
        if self.is_malformed {
            return;
        }
        let decoder = std::mem::replace(&mut self.decoder, Decoder::new(0));
        match decoder.end() {
            Remains::Nothing => {}
            Remains::Head(bytes) => {
                self.endpoint.log.add(self.heard(id_in(&bytes), State::Cut));
            }
            Remains::Body(body) => {
                self.note_body(&body, State::Cut);
            }
        }
    }
}

/// The id in a head that is not whole, if at least its line is.
fn id_in(bytes: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(bytes).to_ascii_lowercase();
    let (_, rest) = text.split_once(&format!("\r\n{ID}: "))?;
    let (id, _) = rest.split_once("\r\n")?;
    Some(id.to_owned())
}

async fn perform(request: &Request, stream: &mut TcpStream) -> Goes {
    match request.deed {
        Deed::Answer => answer(200, request, stream).await,
        Deed::Delay(time) => {
            sleep(time).await;
            answer(200, request, stream).await
        }
        Deed::Fail(status) => answer(status, request, stream).await,
        Deed::Close => Goes::Ends,
        Deed::Reset | Deed::ResetEarly => reset(stream),
        Deed::Half => {
            let wire = wire(200, request);
            let (half, _) = wire.split_at(wire.len() / 2);
            say(stream, half).await;
            Goes::Ends
        }
        Deed::CloseIdle => {
            answer(200, request, stream).await;
            Goes::Ends
        }
        Deed::Twice => {
            // In one piece, so that who reads the first answer to its end finds the second.
            let twice = wire(200, request).repeat(2);
            goes_on(say(stream, &twice).await, request)
        }
        // What comes on this connection from now on is written down and gets nothing either.
        Deed::Hang => Goes::On,
    }
}

async fn answer(status: u16, request: &Request, stream: &mut TcpStream) -> Goes {
    goes_on(say(stream, &wire(status, request)).await, request)
}

fn goes_on(was_sent: bool, request: &Request) -> Goes {
    if was_sent && request.keeps_alive {
        Goes::On
    } else {
        Goes::Ends
    }
}

/// Whether it was sent; who left before is the client's affair.
async fn say(stream: &mut TcpStream, bytes: &[u8]) -> bool {
    stream.write_all(bytes).await.is_ok()
}

/// Makes the coming close a reset.
fn reset(stream: &TcpStream) -> Goes {
    // A socket that refuses has no peer any more to whom it would matter.
    let _ = stream.set_zero_linger();
    Goes::Ends
}

fn wire(status: u16, request: &Request) -> Vec<u8> {
    let Request {
        id,
        answer,
        keeps_alive,
        ..
    } = request;
    let connection = if *keeps_alive {
        ""
    } else {
        "connection: close\r\n"
    };
    let head = format!("HTTP/1.1 {status} Told So\r\n{ID}: {id}\r\n{connection}");
    let mut wire = head.into_bytes();
    write_body(id, answer.framing, &answer_body(id, *answer), &mut wire);
    wire
}
