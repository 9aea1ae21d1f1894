//! What will be done for a request, in words: every call, what it waits for, and what it may cost.
//!
//! All of it is known from the plan alone, so it can be told without asking anybody.

use std::fmt::Write as _;
use std::time::Duration;

use crate::call::{Call, Insert, Piece};
use crate::json::Name;
use crate::plan::{
    Cache, Endpoint, Join, Lookup, LookupSource, Otherwise, Plan, Scope, Step, Value,
};

#[cfg(test)]
mod tests;

/// The plan of one endpoint.
pub fn explain(plan: &Plan, endpoint: &Endpoint) -> String {
    let mut page = Page {
        plan,
        endpoint,
        out: format!("{}\n", endpoint.name),
    };
    let last = page.rounds().max().unwrap_or(0);
    for round in 1..=last {
        let _ = writeln!(page.out, "\n  round {round}");
        for step in endpoint.steps.iter().filter(|step| step.round == round) {
            page.step(step);
        }
        page.joins(|join, lookup| join.round == round && !lookup.is_table());
    }
    if endpoint
        .joins
        .iter()
        .any(|join| page.lookup(join).is_some_and(Lookup::is_table))
    {
        page.out.push_str("\n  no call\n");
        page.joins(|_, lookup| lookup.is_table());
    }
    page.costs();
    page.bounds();
    page.out
}

struct Page<'p> {
    plan: &'p Plan,
    endpoint: &'p Endpoint,
    out: String,
}

impl Page<'_> {
    fn lookup(&self, join: &Join) -> Option<&Lookup> {
        self.plan.lookup(join.lookup)
    }

    fn rounds(&self) -> impl Iterator<Item = usize> {
        let steps = self.endpoint.steps.iter().map(|step| step.round);
        steps.chain(self.endpoint.joins.iter().map(|join| join.round))
    }

    fn step(&mut self, step: &Step) {
        let call = self.call(&step.call);
        let otherwise = match &step.otherwise {
            Otherwise::Fail => "required".to_owned(),
            Otherwise::Value(json) => {
                let text = String::from_utf8_lossy(json.bytes());
                format!("else {}", text.chars().take(40).collect::<String>())
            }
        };
        let timeout = duration(step.timeout);
        let _ = writeln!(self.out, "    step {:<14} {call}", step.name);
        let kept = match &step.cache {
            Some(kept) => cache(&kept.cache, kept.scope),
            None => "fetched for every request".to_owned(),
        };
        let _ = writeln!(
            self.out,
            "         {:<14} within {timeout}, {otherwise}; {kept}",
            ""
        );
    }

    fn joins(&mut self, is_meant: impl Fn(&Join, &Lookup) -> bool) {
        for join in &self.endpoint.joins {
            let Some(lookup) = self.plan.lookup(join.lookup) else {
                continue;
            };
            if is_meant(join, lookup) {
                self.join(join, lookup);
            }
        }
    }

    fn join(&mut self, join: &Join, lookup: &Lookup) {
        let key = self.value(&join.key);
        let rows = join.list.and_then(|list| self.endpoint.list(list));
        let of = match rows {
            Some(list) => format!("{key} of each of {} (at most {})", list.name, list.rows_max),
            None => key,
        };
        let _ = writeln!(self.out, "    lookup {:<12} {of}", lookup.name);
        let call = self.call(&lookup.call);
        let how = match &lookup.source {
            LookupSource::Batch { max, cache: kept } => {
                let calls = rows.map_or(1, |list| list.rows_max.div_ceil(max.keys.max(1)));
                let kept = match kept {
                    Some(kept) if lookup.is_in_second_level => {
                        cache(kept, lookup.scope) + "; asked for in the second level first"
                    }
                    Some(kept) => cache(kept, lookup.scope),
                    None => "fetched for every request".to_owned(),
                };
                let (keys, bytes) = (max.keys, max.url_bytes);
                format!("0 to {calls} calls, each of {keys} keys and {bytes} bytes at most; {kept}")
            }
            LookupSource::Table {
                refresh, reload, ..
            } => {
                let (refresh, reload) = (duration(*refresh), duration(*reload));
                format!("a table, asked for changes every {refresh}, read whole every {reload}")
            }
        };
        let _ = writeln!(self.out, "           {:<12} {call}", "");
        let _ = writeln!(self.out, "           {:<12} {how}", "");
    }

    fn costs(&mut self) {
        let worst = self.endpoint.calls_worst(&self.plan.lookups);
        let steps = &self.endpoint.steps;
        let expected = steps.iter().filter(|step| step.cache.is_none()).count();
        let keys = self.endpoint.joins.iter().map(|join| {
            let list = join.list.and_then(|list| self.endpoint.list(list));
            list.map_or(1, |list| list.rows_max)
        });
        let naive = steps.len() + keys.sum::<usize>();
        let _ = writeln!(
            self.out,
            "\n  calls  at worst {worst} of {} allowed, {expected} once everything is known; {naive} \
             one by one",
            self.endpoint.calls_max
        );
    }

    fn bounds(&mut self) {
        let budget = duration(self.endpoint.budget);
        let _ = writeln!(self.out, "  time   {budget} for all of it");
        for list in &self.endpoint.lists {
            let past = if list.is_cut {
                "then cut, and told"
            } else {
                "past it 422"
            };
            let _ = writeln!(
                self.out,
                "  rows   {} of {}, {past}",
                list.rows_max, list.name
            );
        }
    }

    /// A call as it is declared.
    fn call(&self, call: &Call) -> String {
        let service = self
            .plan
            .service(call.service)
            .map_or("", |service| &service.name);
        let mut text = format!("GET {service} ");
        self.push_pieces(&call.path, &mut text);
        for (place, pair) in call.query.iter().enumerate() {
            text.push(if place == 0 { '?' } else { '&' });
            self.push_pieces(&pair.pieces, &mut text);
        }
        text
    }

    fn push_pieces(&self, pieces: &[Piece], text: &mut String) {
        for piece in pieces {
            match piece {
                Piece::Literal(literal) => text.push_str(literal),
                Piece::Insert(Insert::Keys) => text.push_str("{keys}"),
                Piece::Insert(Insert::Versions) => text.push_str("{versions}"),
                Piece::Insert(Insert::LastModified) => text.push_str("{lastModified}"),
                Piece::Insert(Insert::Value { value, is_optional }) => {
                    let mark = if *is_optional { "?" } else { "" };
                    let _ = write!(text, "{{{}{mark}}}", self.value(value));
                }
            }
        }
    }

    /// A value as it is declared.
    fn value(&self, value: &Value) -> String {
        let endpoint = self.endpoint;
        let name = |name: Option<&str>| name.unwrap_or_default().to_owned();
        match value {
            Value::Param(place) => name(endpoint.params.get(*place).map(AsRef::as_ref)),
            Value::Query(place) => {
                let query = endpoint
                    .queries
                    .get(*place)
                    .map(|query| query.name.as_ref());
                format!("query.{}", query.unwrap_or_default())
            }
            Value::Step { step, path } => {
                name(endpoint.step(*step).map(|it| it.name.as_ref())) + &dotted(path)
            }
            Value::Row { list, member, path } => {
                let list = endpoint.list(*list);
                let member = list.and_then(|list| list.names.get(*member));
                name(member.map(Name::as_str)) + &dotted(path)
            }
            Value::Joined { join, path } => {
                let join = endpoint.join(*join);
                let lookup = join.and_then(|join| self.lookup(join));
                let key = join.map_or(String::new(), |join| self.value(&join.key));
                let lookup = lookup.map_or("", |lookup| &lookup.name);
                format!("{lookup}({key}){}", dotted(path))
            }
        }
    }
}

fn dotted(path: &[Name]) -> String {
    path.iter().map(|name| format!(".{name}")).collect()
}

fn cache(cache: &Cache, scope: Scope) -> String {
    let whose = match scope {
        Scope::Shared => "for all callers",
        Scope::Caller => "for each caller",
    };
    let mut text = format!("kept {whose} for {}", duration(cache.ttl));
    let others = [
        ("absent ones", cache.missing),
        ("while fetched anew", cache.stale_while_revalidate),
        ("if it cannot be fetched", cache.stale_if_error),
    ];
    for (what, time) in others {
        if !time.is_zero() {
            let _ = write!(text, ", {what} {}", duration(time));
        }
    }
    text
}

/// As in the configuration: the largest unit that leaves nothing over.
fn duration(duration: Duration) -> String {
    let milliseconds = duration.as_millis();
    let units = [
        (86_400_000, "d"),
        (3_600_000, "h"),
        (60_000, "m"),
        (1_000, "s"),
    ];
    let fits =
        |(length, _): &&(u128, &str)| milliseconds > 0 && milliseconds.is_multiple_of(*length);
    match units.iter().find(fits) {
        Some((length, unit)) => format!("{}{unit}", milliseconds / length),
        None => format!("{milliseconds}ms"),
    }
}
