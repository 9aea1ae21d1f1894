//! Gateways that read two logs, reports that are late or lost, clocks that run at other speeds,
//! processes that begin anew: and whoever was told that a change is everywhere was told the truth.

use idp_token::lease::{Lease, Tolerance, Trust};
use idp_token::membership::Membership;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use super::*;

const SOURCES: usize = 2;
const GATEWAYS: usize = 3;
const LEASES: [Duration; GATEWAYS] = [LEASE, LEASE, Duration::from_secs(3)];

#[derive(Debug, Clone, Copy)]
enum Step {
    Pass(u64),
    Commit,
    /// The relay goes one step further on its way to this log.
    Relay(usize),
    Read(usize),
    Switch(usize),
    Report(usize),
    LoseReport(usize),
    Serve(usize),
    Ask,
    RestartProvider,
    RestartGateway(usize),
}

#[derive(Debug, Clone, Copy)]
enum Entry {
    Change(u64),
    Beat { number: u64, seq: u64 },
}

/// What the relay is doing about one log.
#[derive(Debug, Default)]
enum Relaying {
    #[default]
    Idle,
    /// It has begun to look when so many changes were committed.
    Looking(u64),
    Sending(Vec<Entry>),
    /// It is there, and not yet acknowledged.
    Sent(Vec<Entry>),
}

#[derive(Debug, Default)]
struct Source {
    log: Vec<Entry>,
    relaying: Relaying,
    published: u64,
    beats: u64,
}

#[derive(Debug, Default)]
enum Asked {
    #[default]
    Nothing,
    /// Sent then, by the gateway's own clock.
    Sent(BootTime),
    /// Answered with what was there up to here.
    Answered(BootTime, usize),
}

#[derive(Debug, Default)]
enum Reporting {
    #[default]
    Idle,
    Sent(BootTime, u64),
    Noted(BootTime),
}

#[derive(Debug)]
struct Gateway {
    id: GatewayId,
    lease: Lease,
    membership: Membership,
    applied: u64,
    source: usize,
    cursor: usize,
    asked: Asked,
    reporting: Reporting,
}

#[derive(Debug)]
struct Waiting {
    awaited: Awaited,
    is_told: bool,
}

/// How often what matters came about, so that a run proves something.
#[derive(Debug, Default, Clone, Copy)]
struct Tally {
    served: u32,
    served_behind: u32,
    told_early: u32,
    told_late: u32,
}

#[derive(Debug)]
struct Simulation {
    /// The time of the identity provider, in milliseconds.
    now: u64,
    committed: u64,
    runs: u16,
    receipts: Receipts,
    sources: [Source; SOURCES],
    gateways: [Gateway; GATEWAYS],
    waiting: Vec<Waiting>,
    tally: Tally,
}

impl Gateway {
    fn begin(number: usize, run: u16) -> Self {
        Self {
            id: gateway(run),
            lease: Lease::new(LEASES[number]),
            membership: Membership::default(),
            applied: 0,
            source: number % SOURCES,
            cursor: 0,
            asked: Asked::Nothing,
            reporting: Reporting::Idle,
        }
    }

    fn hear(&mut self, entries: &[Entry], began: BootTime) {
        let mut has_beat = false;
        for entry in entries {
            match *entry {
                Entry::Change(seq) => self.applied = self.applied.max(seq),
                Entry::Beat { number, seq } if seq >= self.applied => {
                    // What was missed is void: as good as applied.
                    self.applied = seq;
                    has_beat = true;
                    self.lease.beat(number, began);
                }
                // From somebody who knows less.
                Entry::Beat { .. } => {}
            }
        }
        if !has_beat {
            self.lease.read_without_beat(began);
        }
    }

    fn serves(&self, now: BootTime) -> bool {
        let is_fresh = self.lease.trust(Tolerance::Strict, now) == Trust::Fresh;
        let fresh_at = self.lease.fresh_at();
        is_fresh && fresh_at.is_some_and(|at| self.membership.covers(at, now))
    }
}

impl Simulation {
    /// All goes well for a while first, so that there is something to lose. The last gateway has
    /// just begun: it reads, and nobody has heard of it.
    fn begin() -> Self {
        let start = 1_000_000;
        let mut simulation = Self {
            now: start,
            committed: 0,
            runs: 3,
            receipts: Receipts::first(),
            sources: Default::default(),
            gateways: [(0, 0), (1, 1), (2, 2)].map(|(number, run)| Gateway::begin(number, run)),
            waiting: Vec::new(),
            tally: Tally::default(),
        };
        for _ in 0..24 {
            simulation.now += 10;
            (0..SOURCES).for_each(|source| simulation.relay(source));
            (0..GATEWAYS).for_each(|number| simulation.read(number));
            (1..GATEWAYS).for_each(|number| simulation.report(number - 1));
        }
        simulation
    }

    /// Every gateway's clock began at another time and runs at another speed.
    fn clock(&self, number: usize) -> BootTime {
        let (speed, ahead) = [(995, 5_000), (1000, 0), (1005, 900_000)][number];
        BootTime(Duration::from_micros(self.now * speed + ahead))
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Pass(millis) => self.now += millis,
            Step::Commit => self.commit(),
            Step::Relay(source) => self.relay(source),
            Step::Read(number) => self.read(number),
            Step::Switch(number) => self.switch(number),
            Step::Report(number) => self.report(number),
            Step::LoseReport(number) => self.gateways[number].reporting = Reporting::Idle,
            Step::Serve(number) => self.serve(number),
            Step::Ask => self.ask(),
            Step::RestartProvider => self.restart_provider(),
            Step::RestartGateway(number) => {
                self.runs += 1;
                self.gateways[number] = Gateway::begin(number, self.runs);
            }
        }
    }

    fn commit(&mut self) {
        self.committed += 1;
        self.waiting.push(Waiting {
            awaited: awaited(self.committed, self.now),
            is_told: false,
        });
    }

    fn relay(&mut self, number: usize) {
        let source = &mut self.sources[number];
        source.relaying = match std::mem::take(&mut source.relaying) {
            Relaying::Idle => Relaying::Looking(self.committed),
            Relaying::Looking(found) if found > source.published => {
                let changes = source.published + 1..=found;
                Relaying::Sending(changes.map(Entry::Change).collect())
            }
            Relaying::Looking(found) => {
                source.beats += 1;
                let (number, seq) = (source.beats, found);
                Relaying::Sending(vec![Entry::Beat { number, seq }])
            }
            Relaying::Sending(entries) => {
                source.log.extend(&entries);
                Relaying::Sent(entries)
            }
            Relaying::Sent(entries) => {
                if let Some(Entry::Change(seq)) = entries.last() {
                    source.published = *seq;
                }
                Relaying::Idle
            }
        };
    }

    fn read(&mut self, number: usize) {
        let now = self.clock(number);
        let gateway = &mut self.gateways[number];
        let log = &self.sources[gateway.source].log;
        gateway.asked = match std::mem::take(&mut gateway.asked) {
            Asked::Nothing => Asked::Sent(now),
            Asked::Sent(began) => Asked::Answered(began, log.len()),
            Asked::Answered(began, end) => {
                let entries = log.get(gateway.cursor..end).unwrap_or_default();
                gateway.hear(entries, began);
                gateway.cursor = end;
                Asked::Nothing
            }
        };
    }

    fn switch(&mut self, number: usize) {
        let gateway = &mut self.gateways[number];
        gateway.source = 1 - gateway.source;
        gateway.asked = Asked::Nothing;
        gateway.lease.change_source();
        let applied = gateway.applied;
        let log = &self.sources[gateway.source].log;
        let is_known = |entry: &&Entry| !matches!(entry, Entry::Change(seq) if *seq > applied);
        gateway.cursor = log.iter().take_while(is_known).count();
    }

    fn report(&mut self, number: usize) {
        let (now, theirs) = (at(self.now), self.clock(number));
        let gateway = &mut self.gateways[number];
        gateway.reporting = match std::mem::take(&mut gateway.reporting) {
            Reporting::Idle => Reporting::Sent(theirs, gateway.applied),
            Reporting::Sent(sent, applied) => {
                let report = Report {
                    gateway: gateway.id,
                    lease: LEASES[number],
                    ..report(0, applied)
                };
                match self.receipts.note(&report, now) {
                    Ok(()) => Reporting::Noted(sent),
                    Err(Crowded) => Reporting::Idle,
                }
            }
            Reporting::Noted(sent) => {
                gateway.membership.acknowledge(sent, theirs);
                Reporting::Idle
            }
        };
    }

    fn ask(&mut self) {
        let now = at(self.now);
        for waiting in self.waiting.iter_mut().filter(|it| !it.is_told) {
            let standing = self.receipts.standing(waiting.awaited, now);
            assert!(standing.until.is_none_or(|until| until > now));
            assert!(standing.missing.is_empty() || standing.until.is_some());
            if standing.until.is_none() {
                waiting.is_told = true;
                let is_early = now < lapsed(waiting.awaited.committed_by, LEASE);
                self.tally.told_early += u32::from(is_early);
                self.tally.told_late += u32::from(!is_early);
            }
        }
    }

    fn restart_provider(&mut self) {
        self.receipts = Receipts::take_over(at(self.now));
        for source in &mut self.sources {
            // The beats of another relay do not continue these.
            source.beats += 1000;
            source.relaying = Relaying::Idle;
            let seen = source.log.iter().filter_map(|entry| match entry {
                Entry::Change(seq) => Some(*seq),
                Entry::Beat { .. } => None,
            });
            source.published = seen.max().unwrap_or(0);
        }
    }

    /// The promise.
    fn serve(&mut self, number: usize) {
        let gateway = &self.gateways[number];
        if !gateway.serves(self.clock(number)) {
            return;
        }
        self.tally.served += 1;
        self.tally.served_behind += u32::from(gateway.applied < self.committed);
        for waiting in self.waiting.iter().filter(|it| it.is_told) {
            let seq = waiting.awaited.seq.0;
            let is_gone = gateway.applied >= seq;
            assert!(is_gone, "change {seq} is not everywhere: {gateway:?}");
        }
    }
}

/// What a throw of the dice means: mostly reading and writing, rarely a disaster.
fn step((die, detail): (u16, u16)) -> Step {
    let (number, detail) = (usize::from(detail) % GATEWAYS, u64::from(detail));
    match die {
        0..300 => Step::Read(number),
        300..540 => Step::Relay(number % SOURCES),
        540..700 => Step::Report(number),
        700..760 => Step::Serve(number),
        760..850 => Step::Ask,
        850..950 => Step::Pass(1 + detail % 60),
        950..960 => Step::Pass(detail % 2_500),
        960..962 => Step::Pass(2 * detail),
        962..985 => Step::Commit,
        985..990 => Step::Switch(number),
        990..994 => Step::LoseReport(number),
        994..996 => Step::RestartProvider,
        _ => Step::RestartGateway(number),
    }
}

fn runs() -> impl Strategy<Value = Vec<(u16, u16)>> {
    proptest::collection::vec((0..1000_u16, any::<u16>()), 1..800)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn what_is_everywhere_is_served_nowhere(steps in runs()) {
        let mut simulation = Simulation::begin();
        for throw in steps {
            simulation.take(step(throw));
            // Whoever may be wrong is asked at once.
            simulation.take(Step::Ask);
            (0..GATEWAYS).for_each(|number| simulation.serve(number));
        }
    }
}

/// The property above would hold of gateways that serve nothing, and if nobody were ever told.
#[test]
fn gateways_serve_in_between_and_whoever_waits_is_told() {
    let mut runner = TestRunner::deterministic();
    let mut all = Tally::default();
    for _ in 0..100 {
        let mut simulation = Simulation::begin();
        for throw in runs().new_tree(&mut runner).unwrap().current() {
            simulation.take(step(throw));
        }
        let of = simulation.tally;
        all.served += of.served;
        all.served_behind += of.served_behind;
        all.told_early += of.told_early;
        all.told_late += of.told_late;
    }
    assert!(all.served > 100 && all.served_behind > 50, "{all:?}");
    assert!(all.told_early > 20 && all.told_late > 50, "{all:?}");
}
