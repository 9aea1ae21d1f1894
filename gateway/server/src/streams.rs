//! HTTP/2 with clients: every stream is a connection of one request.
//!
//! The h2 crate reads frames and keeps the windows. Each request is written as HTTP/1.1 into a pipe
//! inside the process, where `connection` judges and carries it like any other: one judge, one carrier,
//! one access line, one table of answers. What this module decides is how long a connection may live
//! and how much trouble its client may make. RFC 9113; server push is not offered, priorities are not
//! followed.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use gateway_core::limits::Limits;
use h2::server::{Builder, Connection, SendResponse};
use h2::{Reason, RecvStream};
use http::Request;
use tokio::sync::watch;
use tokio::time::{sleep_until, timeout};
use tollgate_config::Deadlines;

use crate::clock;
use crate::connection;
use crate::exchange::Peer;
use crate::gateway::Gateway;
use crate::lifecycle::{Phase, closing, draining};
use crate::spawn::spawn;
use crate::wire::{Pipe, Stream, Wire};

use bridge::Ended;
use line::Line;
use tally::Tally;

pub(crate) use preface::is_begun;

mod bridge;
mod frames;
mod line;
mod preface;
mod tally;

/// What a client may send before it is told to go on: on a stream, and on all of them.
const STREAM_WINDOW: u32 = 128 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// Of an answer, between the pipe and the socket.
const SEND_BYTES_MAX: usize = 64 * 1024;
/// In the pipe, each way.
const PIPE_BYTES: usize = 32 * 1024;
/// Streams that are reset by either side and not forgotten yet.
const RESETS_MAX: usize = 20;
/// Faults of a client that cost it a stream each, over the life of a connection.
const FAULTS_MAX: usize = 100;
/// How HTTP/2 measures a field beyond its name and value (RFC 9113 §6.5.2), and HTTP/1.1 does not.
const FIELD_OVERHEAD: usize = 32;
/// The pseudo-fields, and one field past the limit.
const FIELDS_BESIDE: usize = 8;
/// How long a connection without streams may last after it was told to end.
const FAREWELL: Duration = Duration::from_secs(1);

/// What ended a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The client ended it, or its connection broke.
    Client,
    /// No request for too long.
    Idle,
    /// The process stops.
    Stop,
    /// The client broke the protocol, or did not begin to speak it in time.
    Protocol,
    /// The client made too much trouble.
    Abuse,
    /// The client did not take what was written.
    Stall,
}

impl End {
    fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Idle => "idle",
            Self::Stop => "stop",
            Self::Protocol => "protocol",
            Self::Abuse => "abuse",
            Self::Stall => "stall",
        }
    }
}

/// Serves a connection whose client speaks HTTP/2. Boxed, since few connections need the room.
pub(crate) fn serve<'a>(
    gateway: &'a Arc<Gateway>,
    wire: Wire,
    peer: &Peer,
) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
    let peer = peer.with_http2();
    Box::pin(async move {
        let tally = Tally::new(gateway.metrics.streams.open.clone());
        let end = match open(gateway, wire, &tally).await {
            Ok(connection) => {
                let mut serving = Serving::new(gateway, peer, connection, Arc::clone(&tally));
                serving.run().await
            }
            Err(end) => end,
        };
        // Whatever the client does, what is under way ends in its own time and is accounted for.
        while tally.open() > 0 {
            tally.changed().await;
        }
        let streams = &gateway.metrics.streams;
        streams.unheard.inc_by(tally.unheard());
        streams.count_connection(end.as_str());
    })
}

async fn open(
    gateway: &Gateway,
    mut wire: Wire,
    tally: &Arc<Tally>,
) -> Result<Connection<Line, Bytes>, End> {
    let (deadlines, builder) = {
        let snapshot = gateway.snapshot.load();
        (snapshot.deadlines, builder(&snapshot.limits))
    };
    let begun = timeout(deadlines.head, preface::hear(&mut wire)).await;
    if !begun.unwrap_or(false) {
        // A client that does not speak the protocol may not understand this either.
        let _ = timeout(deadlines.stall, wire.send(&preface::REFUSAL)).await;
        return Err(End::Protocol);
    }
    let line = Line::new(wire, Arc::clone(tally), deadlines.stall);
    builder
        .handshake(line)
        .await
        .map_err(|error| ended_by(&error))
}

fn builder(limits: &Limits) -> Builder {
    let fields_bytes = (limits.fields_max + FIELDS_BESIDE) * FIELD_OVERHEAD;
    let whole = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let mut builder = Builder::new();
    builder
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        // Every head that is small enough for HTTP/1.1 is judged there, and told in our own words.
        .max_header_list_size(whole(limits.head_bytes_max + fields_bytes))
        .max_concurrent_streams(whole(limits.streams_max))
        .max_concurrent_reset_streams(RESETS_MAX)
        .max_pending_accept_reset_streams(RESETS_MAX)
        .max_local_error_reset_streams(Some(FAULTS_MAX))
        .max_send_buffer_size(SEND_BYTES_MAX);
    builder
}

/// A connection while it is served.
struct Serving<'a> {
    gateway: &'a Arc<Gateway>,
    peer: Arc<Peer>,
    connection: Connection<Line, Bytes>,
    tally: Arc<Tally>,
    phase: watch::Receiver<Phase>,
    deadlines: Deadlines,
    streams_max: usize,
    /// Since when nothing is under way, or the client was told to go.
    idle_since: Instant,
    /// Why the client was told to go, once it was.
    leaving: Option<End>,
    /// Whether it came while the process stops, and no request was served yet: it may have one.
    is_late: bool,
}

/// What to do next.
enum Event {
    Begun(Box<(Request<RecvStream>, SendResponse<Bytes>)>),
    Over(End),
    /// The process stops.
    Stop,
    /// A stream ended, or the connection is abused.
    Changed,
    /// Nothing happened for too long.
    Silence,
}

impl<'a> Serving<'a> {
    fn new(
        gateway: &'a Arc<Gateway>,
        peer: Arc<Peer>,
        connection: Connection<Line, Bytes>,
        tally: Arc<Tally>,
    ) -> Self {
        let snapshot = gateway.snapshot.load();
        Self {
            gateway,
            peer,
            connection,
            tally,
            phase: gateway.lifecycle.watch_phase(),
            deadlines: snapshot.deadlines,
            streams_max: snapshot.limits.streams_max,
            idle_since: clock::now(),
            leaving: None,
            is_late: gateway.lifecycle.is_closing(),
        }
    }

    async fn run(&mut self) -> End {
        loop {
            let event = self.next().await;
            if self.tally.is_abused() {
                return self.part(Reason::ENHANCE_YOUR_CALM, End::Abuse).await;
            }
            match event {
                Event::Begun(stream) => self.begin(*stream),
                Event::Over(end) => {
                    return self.leaving.filter(|_| end == End::Client).unwrap_or(end);
                }
                Event::Stop => self.leave(End::Stop),
                Event::Changed => self.idle_since = clock::now(),
                Event::Silence => match self.leaving {
                    None => self.leave(End::Idle),
                    Some(end) => return self.part(Reason::NO_ERROR, end).await,
                },
            }
        }
    }

    async fn next(&mut self) -> Event {
        let patience = match self.leaving {
            None => self.deadlines.idle,
            Some(_) => FAREWELL,
        };
        let silence = sleep_until((self.idle_since + patience).into());
        let is_idle = self.tally.open() == 0;
        tokio::select! {
            accepted = self.connection.accept() => match accepted {
                Some(Ok(stream)) => Event::Begun(Box::new(stream)),
                Some(Err(error)) => Event::Over(ended_by(&error)),
                None => Event::Over(End::Client),
            },
            () = self.tally.changed() => Event::Changed,
            () = stopping(&mut self.phase, self.is_late), if self.leaving.is_none() => Event::Stop,
            () = silence, if is_idle => Event::Silence,
        }
    }

    /// Tells the client to send no more requests here; those that are under way, or on their way, are
    /// served.
    fn leave(&mut self, end: End) {
        self.leaving = Some(end);
        self.idle_since = clock::now();
        self.connection.graceful_shutdown();
    }

    /// Ends the connection, whatever is under way.
    async fn part(&mut self, reason: Reason, end: End) -> End {
        self.connection.abrupt_shutdown(reason);
        let closed = std::future::poll_fn(|context| self.connection.poll_closed(context));
        // The client is told if it listens; the connection is closed in any case.
        let _ = timeout(2 * FAREWELL, closed).await;
        end
    }

    fn begin(&mut self, (request, mut respond): (Request<RecvStream>, SendResponse<Bytes>)) {
        // Those that were called off may still be ending, so there can be more than are open there.
        if self.tally.open() >= 2 * self.streams_max {
            respond.send_reset(Reason::REFUSED_STREAM);
            self.tally.refuse();
            return;
        }
        self.is_late = false;
        let open = self.tally.begin();
        let gateway = Arc::clone(self.gateway);
        let peer = Arc::clone(&self.peer);
        let stall = self.deadlines.stall;
        spawn("stream", async move {
            let (near, far) = Pipe::new(PIPE_BYTES);
            let served = connection::serve(&gateway, Stream::Pipe(near), peer);
            let bridged = bridge::run(request, respond, far, stall);
            let (ended, ()) = tokio::join!(bridged, served);
            match ended {
                Ended::Answered => open.answered(),
                Ended::CalledOff => open.called_off(),
                Ended::Cut => {}
            }
        });
    }
}

async fn stopping(phase: &mut watch::Receiver<Phase>, is_late: bool) {
    if is_late {
        draining(phase).await;
    } else {
        closing(phase).await;
    }
}

fn ended_by(error: &h2::Error) -> End {
    let kind = error.get_io().map(std::io::Error::kind);
    if kind == Some(std::io::ErrorKind::TimedOut) {
        return End::Stall;
    }
    if error.is_io() || error.is_remote() {
        return End::Client;
    }
    match error.reason() {
        Some(Reason::ENHANCE_YOUR_CALM) => End::Abuse,
        Some(_) | None => End::Protocol,
    }
}
