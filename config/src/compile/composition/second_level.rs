//! Where records are shared with other composers, is anything, and would anybody wait for it?

use std::time::Duration;

use composer_core::Plan;
use composer_core::plan::{self, RENDERING, SECOND_LEVEL_TIMES};

use crate::bounds;
use crate::compile::{Missing, redis};
use crate::composer::SecondLevel;
use crate::document::NodeId;
use crate::reader::{Field, Located, Reading};
use crate::units::Time;
use crate::written::{File, Lookup};

const REDIS: Missing = Missing {
    key: "redis",
    example: "redis: redis://127.0.0.1:6379",
};

/// Where a lookup says that its records are shared.
pub(super) fn asked_for(lookup: &Lookup) -> Option<NodeId> {
    let flag = lookup.cache.value()?.second_level.given()?;
    flag.value.0.then_some(flag.node)
}

pub(in crate::compile) fn compile(
    file: &File,
    plan: &Plan,
    reading: Reading<'_>,
) -> Option<SecondLevel> {
    let lookups = file.lookups.entries().filter_map(|(_, it)| it.value());
    let mut asked_for = lookups.filter_map(asked_for);
    let Field::Given(Located { value: given, node }) = &file.second_level else {
        if file.second_level.is_absent() {
            for node in asked_for {
                let finding = reading.find(node, "there is no second level");
                let note = "add `second_level: { redis: redis://127.0.0.1:6379 }` to the file";
                reading.report.add(finding.note(note));
            }
        }
        return None;
    };
    // What could not be read may have asked for it.
    let is_broken = |lookup: &Field<Lookup>| {
        let lookup = lookup.value();
        lookup.is_none_or(|it| matches!(it.cache, Field::Broken))
    };
    let may_be_lost = matches!(file.lookups, Field::Broken)
        || file.lookups.entries().any(|(_, lookup)| is_broken(lookup));
    if asked_for.next().is_none() && !may_be_lost {
        let finding = reading.find(*node, "`second_level` has no effect: no lookup goes there");
        let note = "say `second_level: true` in the `cache` of a lookup that is `shared`";
        reading.report.add(finding.note(note));
    }
    REDIS.check(&given.redis, *node, reading);
    let timeout = bounds::SECOND_LEVEL.take(&given.timeout, reading);
    if let Some(least) = least(file, plan) {
        let place = given.timeout.given().map_or(*node, |it| it.node);
        least.check(timeout, place, reading);
    }
    Some(SecondLevel {
        timeout: timeout.duration(),
        redis: redis::compile(&given.redis, reading)?,
    })
}

/// Whose time is the least of all who would wait for it.
struct Whole {
    time: Time,
    /// Who, as the beginning of a sentence.
    who: String,
    /// Where it is said how long, or who it is.
    node: NodeId,
}

/// Nothing where nothing can be composed, which was reported.
fn least(file: &File, plan: &Plan) -> Option<Whole> {
    let requests = plan
        .endpoints
        .iter()
        .filter_map(|it| request(file, plan, it));
    let refreshes = plan.lookups.iter().filter_map(|it| refresh(file, plan, it));
    requests.chain(refreshes).min_by_key(|whole| whole.time)
}

/// A request for an endpoint that looks something up there.
fn request(file: &File, plan: &Plan, endpoint: &plan::Endpoint) -> Option<Whole> {
    let mut lookups = endpoint
        .joins
        .iter()
        .filter_map(|it| plan.lookup(it.lookup));
    if !lookups.any(|lookup| lookup.is_in_second_level) {
        return None;
    }
    let mut written = file.endpoints.items().flat_map(|item| item.value.iter());
    let (name, written) = written.find(|(name, _)| *name.value == *endpoint.name)?;
    let budget = written.value()?.budget.given();
    Some(Whole {
        time: Time::of(endpoint.budget.saturating_sub(RENDERING)),
        who: format!("the calls of `{}` have", endpoint.name),
        node: budget.map_or(name.node, |budget| budget.node),
    })
}

/// What is asked for anew behind a request's back, which has the time of one call.
fn refresh(file: &File, plan: &Plan, lookup: &plan::Lookup) -> Option<Whole> {
    let is_refreshed = !lookup.cache()?.stale_while_revalidate.is_zero();
    if !lookup.is_in_second_level || !is_refreshed {
        return None;
    }
    let service = plan.service(lookup.call.service)?;
    let mut services = file.services.entries();
    let (name, written) = services.find(|(name, _)| *name.value == *service.name)?;
    let timeout = written.value()?.timeout.given();
    Some(Whole {
        time: Time::of(lookup.timeout),
        who: format!("a refresh of `{}` has", lookup.name),
        node: timeout.map_or(name.node, |timeout| timeout.node),
    })
}

impl Whole {
    /// Refuses what nobody would ever wait for. Some of the time has gone by when it comes to that, so
    /// that no more than a quarter is too long as well.
    fn check(&self, timeout: Time, place: NodeId, reading: Reading<'_>) {
        let Self { time, who, node } = self;
        if timeout.duration() * SECOND_LEVEL_TIMES < time.duration() {
            return;
        }
        let is_hidden = reading.is_filled_in(place) || reading.is_filled_in(*node);
        let (message, note, other) = if is_hidden {
            let message = "expected less than a quarter of the time that there is".to_owned();
            (message, String::new(), format!("{who} no more"))
        } else {
            let message = format!("expected less than a quarter of {time}, and not {timeout}");
            (message, self.allowed(), format!("{who} {time}"))
        };
        let finding = reading.find(place, message).note(note);
        reading
            .report
            .add(finding.other(reading.span(*node), other));
    }

    fn allowed(&self) -> String {
        let instant = Duration::from_millis(1);
        let most = self.time.duration().saturating_sub(instant) / SECOND_LEVEL_TIMES;
        match Time::of(most) {
            most if most < bounds::SECOND_LEVEL.least => "nothing is short enough".to_owned(),
            most => {
                let why = "who has less than four times as long does not wait";
                format!("`timeout` may be at most {most}: {why}")
            }
        }
    }
}
