//! All of them together, and whose turn it may be.
//!
//! Three moments are enough. A gateway is wrong about a change that was committed at c if it calls
//! itself fresh as of a later moment f. Lease and fence only compare moments, so that all up to c
//! may be called 0, those up to f 1 and the rest 2: changes are committed at 0.

use super::log::{Command, Log};
use super::reader::Reader;
use super::relay::{Call, Relay};

/// In ticks of the one clock there is.
pub(super) const LEASE: u64 = 1;
const LAST_TICK: u64 = 2;

/// Which rule is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Fault {
    None,
    NoLook,
    EarlyLook,
    OwnMoment,
    LateIsContinued,
    SameRun,
    BeatWithoutChange,
    BehindIsBelieved,
    StreamedRead,
    CutIsWhole,
}

/// How much of what may happen is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Budget {
    pub(super) commits: u8,
    pub(super) beats: u8,
    /// Connections of a relay that break.
    pub(super) losses: u8,
    /// Relays that end, each replaced by a new one.
    pub(super) restarts: u8,
    /// Relays that begin beside another.
    pub(super) relays: u8,
    pub(super) failovers: u8,
    pub(super) replications: u8,
    pub(super) stray_looks: u8,
    pub(super) fills: u8,
    pub(super) reader_restarts: u8,
    /// Reads that hold one entry only.
    pub(super) cuts: u8,
    /// Whether a read takes several steps, as it must if it is cut or given up.
    pub(super) has_slow_reads: bool,
    /// Whether a look at the outbox takes several steps, during which others take theirs.
    pub(super) has_slow_looks: bool,
    /// Whether a relay may do something else before it hears an answer that has arrived.
    pub(super) has_slow_answers: bool,
}

impl Budget {
    pub(super) const NONE: Self = Self {
        commits: 0,
        beats: 0,
        losses: 0,
        restarts: 0,
        relays: 0,
        failovers: 0,
        replications: 0,
        stray_looks: 0,
        fills: 0,
        reader_restarts: 0,
        cuts: 0,
        has_slow_reads: false,
        has_slow_looks: false,
        has_slow_answers: false,
    };
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Step {
    Tick,
    /// Somebody is told that a change is made.
    Commit,
    Act(usize),
    StrayLook(usize),
    Look(usize),
    Hear(usize),
    Network(Network),
    Gateway(Gateway),
}

/// What becomes of what a relay sends, and of relays and Redis themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Network {
    Arrive(usize),
    /// What was sent arrives later, if ever.
    Lose(usize),
    /// It arrived, and nobody hears of it.
    LoseReply(usize),
    ArriveLate,
    Restart(usize),
    AddRelay,
    Replicate,
    FailOver,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Gateway {
    BeginRead,
    AnswerRead,
    CutRead,
    EndRead,
    /// All of a read at once.
    Read,
    Reposition,
    BeginFill,
    EndFill,
    RestartReader,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Database {
    /// When each change was committed; its place is its number.
    pub(super) committed: Vec<u64>,
    pub(super) numbered: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct World {
    now: u64,
    database: Database,
    relays: Vec<Relay>,
    runs: u64,
    /// On a connection that was given up, and not there yet.
    late: Option<Command>,
    log: Log,
    /// As it was when it last heard of anything.
    replica: Log,
    reader: Reader,
    left: Budget,
    fault: Fault,
}

impl World {
    pub(super) fn new(left: Budget, fault: Fault) -> Self {
        let log = Log {
            position: Some(0),
            ..Log::default()
        };
        Self {
            now: 0,
            database: Database {
                committed: Vec::new(),
                numbered: 0,
            },
            relays: vec![Relay::settled(100)],
            runs: 1,
            late: None,
            replica: Log::default(),
            reader: Reader::new(&log),
            log,
            left,
            fault,
        }
    }

    /// Fresh, and yet without a change that is older than the lease. Judged at the last moment of
    /// the lease: until then all may pause.
    pub(super) fn is_wrong(&self) -> bool {
        let Some(last) = self.reader.is_fresh_until() else {
            return false;
        };
        let is_old = |committed: &&u64| **committed + LEASE < last;
        let old = self.database.committed.iter().filter(is_old).count() as u64;
        self.reader.known() < old || self.reader.serves_without(old)
    }

    /// Whatever comes, nothing can go wrong any more: no change can be missed, or no beat can come.
    fn is_settled(&self) -> bool {
        let left = &self.left;
        let committed = self.database.committed.len() as u64;
        let is_last = self.now > 0 || left.commits == 0;
        let may_forget = left.reader_restarts > 0 || left.fills > 0 || self.reader.has_looked_up();
        let is_known = self.reader.known() >= committed;
        is_last && (committed == 0 || (!may_forget && (is_known || !self.may_beat())))
    }

    fn may_beat(&self) -> bool {
        let is_beat = |command: Command| matches!(command, Command::Beat(_));
        let is_on_its_way = |relay: &Relay| match relay.call {
            Some(Call::Sent(command)) => is_beat(command),
            Some(Call::Answered(..)) | None => false,
        };
        self.left.beats > 0
            || self.relays.iter().any(is_on_its_way)
            || self.late.is_some_and(is_beat)
            || self.log.has_beats()
            || self.reader.read.is_some()
    }

    pub(super) fn steps(&self) -> Vec<Step> {
        if self.is_settled() {
            return Vec::new();
        }
        let left = &self.left;
        let has_news = left.replications > 0 && self.replica != self.log;
        let of_all = [
            (Step::Tick, self.now < LAST_TICK),
            (Step::Commit, self.now == 0 && left.commits > 0),
            (Step::Network(Network::ArriveLate), self.late.is_some()),
            (Step::Network(Network::AddRelay), left.relays > 0),
            (
                Step::Network(Network::Replicate),
                has_news && left.failovers > 0,
            ),
            (Step::Network(Network::FailOver), left.failovers > 0),
        ];
        let possible = of_all.into_iter().filter(|(_, is_possible)| *is_possible);
        let mut steps: Vec<_> = possible.map(|(step, _)| step).collect();
        for (at, relay) in self.relays.iter().enumerate() {
            steps.extend(self.steps_of(at, relay));
        }
        steps.extend(self.steps_of_gateway().into_iter().map(Step::Gateway));
        steps
    }

    fn steps_of(&self, at: usize, relay: &Relay) -> Vec<Step> {
        use idp_core::relay::Step as Asked;

        let mut steps = Vec::new();
        let has_left = match relay.asked(self.fault) {
            Asked::Rest => false,
            Asked::Look => relay.look.is_none(),
            Asked::Beat(_) => self.left.beats > 0,
            Asked::Compare | Asked::Publish { .. } => true,
        };
        if relay.call.is_none() && has_left {
            steps.push(Step::Act(at));
        }
        if relay.look.is_some() {
            steps.push(Step::Look(at));
        } else if self.left.stray_looks > 0 {
            steps.push(Step::StrayLook(at));
        }
        match relay.call {
            Some(Call::Sent(_)) => steps.push(Step::Network(Network::Arrive(at))),
            Some(Call::Answered(..)) => steps.push(Step::Hear(at)),
            None => {}
        }
        if self.left.losses > 0 && relay.call.is_some() {
            steps.extend([
                Step::Network(Network::Lose(at)),
                Step::Network(Network::LoseReply(at)),
            ]);
        }
        if self.left.restarts > 0 {
            steps.push(Step::Network(Network::Restart(at)));
        }
        steps
    }

    fn steps_of_gateway(&self) -> Vec<Gateway> {
        let mut steps = Vec::new();
        let left = &self.left;
        let is_between_reads = self.reader.read.is_none();
        if left.has_slow_reads {
            steps.extend(self.steps_of_read());
        } else {
            steps.push(Gateway::Read);
        }
        if is_between_reads && self.reader.better_cursor(&self.log).is_some() {
            steps.push(Gateway::Reposition);
        }
        if self.reader.fill.is_some() {
            steps.push(Gateway::EndFill);
        } else if left.fills > 0 && self.reader.is_fresh(self.now) {
            // Redis is believed only by those who are fresh.
            steps.push(Gateway::BeginFill);
        }
        if left.reader_restarts > 0 {
            steps.push(Gateway::RestartReader);
        }
        steps
    }

    fn steps_of_read(&self) -> Vec<Gateway> {
        let Some(read) = &self.reader.read else {
            return vec![Gateway::BeginRead];
        };
        let mut steps = Vec::new();
        if read.answer.is_some() {
            steps.push(Gateway::EndRead);
        } else {
            steps.push(Gateway::AnswerRead);
            if self.left.cuts > 0 {
                steps.push(Gateway::CutRead);
            }
        }
        steps
    }

    pub(super) fn take(&mut self, step: Step) {
        match step {
            Step::Tick => self.now += 1,
            Step::Commit => {
                self.left.commits -= 1;
                self.database.committed.push(self.now);
            }
            Step::Act(at) => self.act(at),
            Step::StrayLook(at) => {
                self.left.stray_looks -= 1;
                self.relays[at].begin_look();
            }
            Step::Look(at) => self.relays[at].look(&mut self.database),
            Step::Hear(at) => self.relays[at].hear(self.fault, &self.database),
            Step::Network(step) => self.take_of_network(step),
            Step::Gateway(step) => self.take_of_gateway(step),
        }
        self.log.forget(self.reader.cursor);
        self.replica.forget(self.reader.cursor);
    }

    /// Does what the relay's pace asks for; a look is over at once unless others may come between.
    fn act(&mut self, at: usize) {
        let relay = &mut self.relays[at];
        relay.act(self.fault, &self.database);
        if let Some(Call::Sent(Command::Beat(_))) = relay.call {
            self.left.beats -= 1;
        }
        while relay.look.is_some() && !self.left.has_slow_looks {
            relay.look(&mut self.database);
        }
    }

    fn arrive(&mut self, at: usize) {
        let relay = &mut self.relays[at];
        if let Some(Call::Sent(command)) = relay.call {
            let reply = self.log.run(command);
            relay.call = Some(Call::Answered(command, reply));
        }
    }

    fn take_of_network(&mut self, step: Network) {
        match step {
            Network::Arrive(at) => {
                self.arrive(at);
                if !self.left.has_slow_answers {
                    self.relays[at].hear(self.fault, &self.database);
                }
            }
            Network::ArriveLate => {
                if let Some(command) = self.late.take() {
                    self.log.run(command);
                }
            }
            Network::Lose(at) => {
                self.left.losses -= 1;
                self.late = self.relays[at].lose(self.fault).or(self.late);
            }
            Network::LoseReply(at) => {
                self.left.losses -= 1;
                self.arrive(at);
                self.relays[at].lose(self.fault);
            }
            Network::Restart(at) => {
                self.left.restarts -= 1;
                self.late = self.relays[at].lose(self.fault).or(self.late);
                self.relays[at] = self.new_relay();
            }
            Network::AddRelay => {
                self.left.relays -= 1;
                let relay = self.new_relay();
                self.relays.push(relay);
            }
            Network::Replicate => {
                self.left.replications -= 1;
                self.replica = self.log.clone();
            }
            Network::FailOver => {
                self.left.failovers -= 1;
                self.log = std::mem::take(&mut self.replica);
            }
        }
    }

    fn new_relay(&mut self) -> Relay {
        self.runs += 1;
        Relay::new(if self.fault == Fault::SameRun {
            101
        } else {
            self.runs * 100
        })
    }

    fn take_of_gateway(&mut self, step: Gateway) {
        let (now, fault, log) = (self.now, self.fault, &self.log);
        let reader = &mut self.reader;
        match step {
            Gateway::BeginRead => reader.begin_read(now, log, fault),
            Gateway::AnswerRead => reader.answer_read(log, usize::MAX),
            Gateway::CutRead => {
                self.left.cuts -= 1;
                reader.answer_read(log, 1);
            }
            Gateway::EndRead => reader.end_read(now, fault),
            Gateway::Read => {
                reader.begin_read(now, log, fault);
                reader.answer_read(log, usize::MAX);
                reader.end_read(now, fault);
            }
            Gateway::Reposition => reader.reposition(log),
            Gateway::BeginFill => {
                self.left.fills -= 1;
                reader.begin_fill();
            }
            Gateway::EndFill => reader.end_fill(log, fault),
            Gateway::RestartReader => {
                self.left.reader_restarts -= 1;
                *reader = Reader::new(log);
            }
        }
    }
}
