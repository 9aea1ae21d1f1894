//! One call for many records, and what it says of each.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use composer_core::cause::Cause;
use composer_core::freshness::{Control, Freshness};
use composer_core::json::Json;
use composer_core::keys::{Key, Wanted};
use composer_core::records::{Fetched, of_batch};
use gateway_upstream::Kind;
use http::{HeaderMap, HeaderValue, StatusCode};

use super::{Brought, Records};
use crate::cache::{Entry, Origin, jittered, judge, never_kept};
use crate::client::{Reply, Wish};
use crate::queue::Landed;
use crate::scope::Slot;

/// What one answer may measure.
pub(crate) const ANSWER_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Calls that one refused batch may lead to, so that one bad key does not fail all the others.
const BISECT_CALLS_MAX: usize = 16;

/// The keys of one batch and what became of them so far.
struct Asked {
    wanted: Vec<Wanted>,
    /// What is held of them, however old.
    held: Vec<Option<Arc<Entry>>>,
    brought: Vec<Landed<Brought>>,
}

/// How an answer may be kept.
struct Terms {
    control: Control,
    /// Nothing where it may not be kept.
    present: Option<Freshness>,
    absent: Option<Freshness>,
    known: Instant,
}

impl Records {
    /// Asks for the records of these keys; what came of each, in their order.
    pub(super) async fn fetch(
        &self,
        slots: &[&Slot],
        credential: Option<&HeaderValue>,
        deadline: Instant,
    ) -> Vec<Landed<Brought>> {
        let mut asked = self.prepare(slots);
        let mut ranges = Vec::from([Range {
            start: 0,
            end: slots.len(),
        }]);
        let mut calls_left = BISECT_CALLS_MAX;
        while let Some(range) = ranges.pop() {
            let wanted = asked.wanted.get(range.clone()).unwrap_or_default();
            let target = self.lookup.call.batch_target(wanted);
            let wish = Wish {
                kind: Kind::Batch,
                target: &target,
                credential,
                validators: &[],
                timeout: self.lookup.timeout,
                deadline,
                answer_bytes_max: ANSWER_BYTES_MAX,
            };
            self.metrics.source.calls.inc();
            self.metrics.batch_keys.observe(range.len() as f64);
            let cause = match self.upstream.call(&wish).await {
                Ok(reply) if reply.status == StatusCode::OK => {
                    self.read(reply, range, &mut asked);
                    continue;
                }
                Ok(reply) => Cause::Status(reply.status),
                Err(miss) => miss.into(),
            };
            if may_be_one_key(cause) && range.len() > 1 && calls_left >= 2 {
                calls_left -= 2;
                let middle = range.start + range.len() / 2;
                ranges.extend([middle..range.end, range.start..middle]);
            } else {
                asked.fail(range, cause);
            }
        }
        asked.brought
    }

    fn prepare(&self, slots: &[&Slot]) -> Asked {
        let held: Vec<_> = slots.iter().map(|slot| self.held(slot)).collect();
        let is_versioned = self.lookup.call.asks_for_versions();
        let wanted = slots.iter().zip(&held).filter_map(|(slot, held)| {
            let held = held.as_ref().filter(|_| is_versioned);
            Some(Wanted {
                key: Key::parse(&slot.key).ok()?,
                version: held.and_then(|entry| entry.version.clone()),
            })
        });
        Asked {
            wanted: wanted.collect(),
            brought: vec![failed(Cause::Internal); slots.len()],
            held,
        }
    }

    /// Takes from an answer what it says of each key that was asked for.
    fn read(&self, reply: Reply, range: Range<usize>, asked: &mut Asked) {
        self.metrics.source.bytes.inc_by(reply.body.len() as u64);
        let wanted = asked.wanted.get(range.clone()).unwrap_or_default();
        let read = Json::parse(&reply.body)
            .map_err(|_| Cause::Unsound)
            .and_then(|body| of_batch(&body, &self.lookup, wanted).map_err(|_| Cause::Shape));
        let brought = match read {
            Ok(brought) => brought,
            Err(cause) => {
                asked.fail(range, cause);
                reply.blame(&self.clock);
                return;
            }
        };
        self.metrics.note(brought.odd);
        let terms = self.terms(&reply);
        for (place, (_, fetched)) in range.zip(brought.records) {
            let landed = match fetched {
                // A copy, which does not keep the rest of the answer alive.
                Fetched::Record(record) => {
                    let json = record.json.value().to_record();
                    terms.land(Some(json), record.version, terms.present)
                }
                Fetched::Absent => terms.land(None, None, terms.absent),
                Fetched::Unchanged => self.renew(asked.held.get(place), &terms),
            };
            if let Some(slot) = asked.brought.get_mut(place) {
                *slot = landed;
            }
        }
    }

    /// What is held is still so: its freshness is that of the answer, its record stays.
    fn renew(&self, held: Option<&Option<Arc<Entry>>>, terms: &Terms) -> Landed<Brought> {
        let Some(held) = held.and_then(Option::as_ref) else {
            return failed(Cause::Shape);
        };
        self.metrics.source.unchanged.inc();
        let saved = held.record.as_ref().map_or(0, |json| json.bytes().len());
        self.metrics.source.bytes_saved.inc_by(saved as u64);
        let entry = Entry {
            freshness: terms.present,
            control: terms.control,
            known: terms.known,
            origin: Origin::Renewed,
            ..Entry::clone(held)
        };
        Landed {
            value: Ok(Arc::new(entry)),
            is_shareable: terms.present.is_some(),
        }
    }

    fn terms(&self, reply: &Reply) -> Terms {
        let configured = match &self.kept {
            Some((terms, _)) => jittered(terms),
            None => never_kept(),
        };
        let policy = (self.lookup.scope, &configured);
        let present = judge(&self.clock, &reply.headers, reply.asked, policy);
        Terms {
            control: Control::of(&reply.headers),
            present,
            absent: present.map(|freshness| Freshness {
                fresh: freshness.fresh.min(configured.missing),
                stale_while_revalidate: Duration::ZERO,
                stale_if_error: Duration::ZERO,
                ..freshness
            }),
            known: self.clock.now(),
        }
    }
}

impl Asked {
    fn fail(&mut self, range: Range<usize>, cause: Cause) {
        for landed in self.brought.get_mut(range).unwrap_or_default() {
            *landed = failed(cause);
        }
    }
}

impl Terms {
    fn land(
        &self,
        record: Option<Json>,
        version: Option<Arc<str>>,
        freshness: Option<Freshness>,
    ) -> Landed<Brought> {
        let entry = Entry {
            record,
            version,
            validators: Vec::new(),
            headers: HeaderMap::new(),
            control: self.control,
            freshness,
            origin: Origin::Fetched,
            known: self.known,
        };
        Landed {
            value: Ok(Arc::new(entry)),
            is_shareable: freshness.is_some(),
        }
    }
}

pub(crate) fn failed(cause: Cause) -> Landed<Brought> {
    Landed {
        value: Err(cause),
        is_shareable: true,
    }
}

/// Whether a batch may have been refused because of a single key in it, rather than as a whole.
fn may_be_one_key(cause: Cause) -> bool {
    let Cause::Status(status) = cause else {
        return false;
    };
    let is_of_the_whole = matches!(status.as_u16(), 401 | 403 | 407 | 408 | 425 | 429);
    status.is_client_error() && !is_of_the_whole
}
