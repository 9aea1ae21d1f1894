//! A relay: what `Pace` asks for, sent and answered step by step.

use idp_core::relay::{Pace, Step as Asked};
use idp_token::epoch::Seq;

use super::log::{Command, Reply};
use super::world::{Database, Fault};

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Relay {
    pub(super) pace: Pace,
    pub(super) look: Option<Look>,
    pub(super) call: Option<Call>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Look {
    Began,
    /// So many changes were committed, and so many of them had a number.
    Read {
        committed: u64,
        numbered: u64,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Call {
    Sent(Command),
    Answered(Command, Reply),
}

impl Relay {
    pub(super) fn new(run: u64) -> Self {
        Self {
            pace: Pace::new(run),
            look: None,
            call: None,
        }
    }

    /// One that knows that nothing is in the log yet.
    pub(super) fn settled(run: u64) -> Self {
        let mut relay = Self::new(run);
        relay.pace.complete(Seq::NONE);
        relay
    }

    pub(super) fn asked(&self, fault: Fault) -> Asked {
        if fault != Fault::NoLook || self.look.is_some() {
            return self.pace.next();
        }
        // As if a look had just been taken that found nothing.
        let mut pace = self.pace.clone();
        pace.look_began();
        pace.looked(Seq::NONE, true);
        match (pace.next(), self.pace.next()) {
            (beat @ Asked::Beat(_), _) => beat,
            (_, asked) => asked,
        }
    }

    pub(super) fn act(&mut self, fault: Fault, database: &Database) {
        let command = match self.asked(fault) {
            Asked::Rest => return,
            Asked::Look => return self.begin_look(),
            Asked::Compare => Command::Position,
            Asked::Publish { after } => Command::Publish {
                after: after.0,
                up_to: database.numbered,
            },
            Asked::Beat(beat) => {
                self.pace.beat_sent();
                Command::Beat(beat)
            }
        };
        self.call = Some(Call::Sent(command));
    }

    pub(super) fn begin_look(&mut self) {
        self.pace.look_began();
        self.look = Some(Look::Began);
    }

    /// The outbox is read, or what was read is numbered.
    pub(super) fn look(&mut self, database: &mut Database) {
        match self.look.take() {
            None => {}
            Some(Look::Began) => {
                self.look = Some(Look::Read {
                    committed: database.committed.len() as u64,
                    numbered: database.numbered,
                });
            }
            Some(Look::Read { committed, .. }) if committed <= database.numbered => {
                self.pace.looked(Seq(committed), true);
            }
            Some(Look::Read { numbered, .. }) if numbered != database.numbered => {
                self.pace.look_failed();
            }
            Some(Look::Read { committed, .. }) => {
                database.numbered = committed;
                self.pace.looked(Seq(committed), true);
            }
        }
    }

    pub(super) fn hear(&mut self, fault: Fault, database: &Database) {
        let Some(Call::Answered(command, reply)) = self.call.take() else {
            return;
        };
        match (command, reply) {
            (_, Reply::Refused) => self.pace.refused(),
            (_, Reply::Position(Some(position))) => self.pace.complete(Seq(position)),
            (_, Reply::Position(None)) => {
                let position = database.numbered;
                self.call = Some(Call::Sent(Command::Fill { position }));
            }
            (Command::Publish { up_to, .. }, Reply::Done) => self.pace.complete(Seq(up_to)),
            (Command::Fill { position }, Reply::Done) => self.pace.complete(Seq(position)),
            (Command::Beat(_), Reply::Done) => {
                self.pace.beat_acknowledged();
                self.pace.make_due();
                if fault == Fault::EarlyLook && self.look.is_some() {
                    self.pace.look_began();
                }
            }
            (Command::Position, Reply::Done) => {}
        }
    }

    /// The connection is gone. What was under way may still arrive.
    pub(super) fn lose(&mut self, fault: Fault) -> Option<Command> {
        if fault == Fault::LateIsContinued {
            self.pace.refused();
        } else {
            self.pace.lost();
        }
        match self.call.take() {
            Some(Call::Sent(command)) => Some(command),
            Some(Call::Answered(..)) | None => None,
        }
    }
}
