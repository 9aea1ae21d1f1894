//! The rounds of a run, summed up and written down.

use serde::Serialize;

use super::guard::Guard;
use super::hot::Hot;
use crate::bench::conditions::Conditions;
use crate::bench::report::{Table, show, show_conditions, show_missing};
use crate::bench::round::Sample;
use crate::bench::stats::{Spread, paired_difference, paired_ratio};

const HOW_TO_READ: &str = "\
## How to read it
1. CPU µs/request is the CPU time of all of a guard's processes over the requests answered.
2. `beyond open` is what it costs more than our own proxying without a caller *in the same round*,
   `beyond carried` what it costs more than that with as many bytes for the service: the one is all that
   a service pays for being told who asks, the other what it takes to know.
3. The ratios divide by nginx with Lua and by Envoy with Lua in the same round; trust them first. Below
   1.00 is cheaper.
4. The peers' tables are filled once and never change: they cannot take a token back. Ours are looked
   at with a fence and a lease, on each request.
";

#[derive(Debug, Serialize)]
pub(super) struct AuthReport {
    pub(super) bench: &'static str,
    pub(super) conditions: Conditions,
    pub(super) missing: Vec<&'static str>,
    /// How long a value token is.
    pub(super) value_token_bytes: usize,
    /// What many sessions at once take of memory, if that was measured.
    pub(super) hot: Option<Hot>,
    pub(super) guards: Vec<Summary>,
    pub(super) rounds: Vec<Sample>,
}

#[derive(Debug, Serialize)]
pub(super) struct Summary {
    guard: &'static str,
    setup: &'static str,
    cpu_us_per_request: Option<Spread>,
    beyond_open_us: Option<Spread>,
    /// Beyond proxying of the same bytes.
    beyond_carried_us: Option<Spread>,
    ratio_to_nginx_lua: Option<Spread>,
    ratio_to_envoy_lua: Option<Spread>,
    requests_per_second: Option<Spread>,
    p50_us: Option<Spread>,
    p99_us: Option<Spread>,
    core_share: Option<Spread>,
    errors: u64,
}

impl Summary {
    pub(super) fn new(guard: Guard, samples: &[Sample]) -> Self {
        let own: Vec<_> = samples
            .iter()
            .filter(|sample| sample.peer == guard.name())
            .collect();
        let spread = |value: fn(&Sample) -> f64| Spread::of(own.iter().map(|it| value(it)));
        let costs = costs_of(guard, samples);
        let beyond = |base| paired_difference(&costs, &costs_of(base, samples));
        Self {
            guard: guard.name(),
            setup: guard.setup(),
            cpu_us_per_request: spread(|it| it.cpu_us_per_request),
            beyond_open_us: beyond(Guard::TollgateOpen),
            beyond_carried_us: beyond(Guard::TollgateCarried),
            ratio_to_nginx_lua: paired_ratio(&costs, &costs_of(Guard::NginxLua, samples)),
            ratio_to_envoy_lua: paired_ratio(&costs, &costs_of(Guard::EnvoyLua, samples)),
            requests_per_second: spread(|it| it.requests_per_second),
            p50_us: spread(|it| it.p50_us),
            p99_us: spread(|it| it.p99_us),
            core_share: spread(|it| it.core_share),
            errors: own.iter().map(|it| it.errors.total()).sum(),
        }
    }

    fn cells(&self) -> Vec<String> {
        let median = |spread: Option<Spread>| spread.map_or(0.0, |it| it.median);
        vec![
            self.guard.to_owned(),
            show(self.cpu_us_per_request, 1),
            show(self.beyond_open_us, 2),
            show(self.beyond_carried_us, 2),
            show(self.ratio_to_nginx_lua, 2),
            show(self.ratio_to_envoy_lua, 2),
            format!("{:.0}", median(self.requests_per_second)),
            format!("{:.0} / {:.0}", median(self.p50_us), median(self.p99_us)),
            format!("{:.2}", median(self.core_share)),
            self.errors.to_string(),
        ]
    }
}

fn costs_of(guard: Guard, samples: &[Sample]) -> Vec<(u32, f64)> {
    let own = samples.iter().filter(|sample| sample.peer == guard.name());
    own.map(|sample| (sample.round, sample.cpu_us_per_request))
        .collect()
}

impl AuthReport {
    pub(super) fn table(&self) -> String {
        let mut table = Table::new(&[
            "guard",
            "CPU µs/request",
            "beyond open",
            "beyond carried",
            "to nginx-lua",
            "to envoy-lua",
            "req/s",
            "p50 / p99 µs",
            "core",
            "errors",
        ]);
        for guard in &self.guards {
            table.push(guard.cells());
        }
        table.to_markdown()
    }

    pub(super) fn markdown(&self, table: &str) -> String {
        let setups = self
            .guards
            .iter()
            .map(|it| format!("- {}: {}\n", it.guard, it.setup));
        format!(
            "# Auth: what it costs to know who asks\n\n\
             10,000 reference tokens or 200 value tokens in turn, value tokens of {bytes} bytes, one \
             route, GET, an answer of 336 bytes of JSON. Keep-alive on both sides.\n\n\
             {missing}{table}\n{hot}{HOW_TO_READ}\n## Set-ups\n{setups}\n## Conditions\n{conditions}",
            hot = self.hot.as_ref().map(Hot::markdown).unwrap_or_default(),
            bytes = self.value_token_bytes,
            missing = show_missing(&self.missing),
            setups = setups.collect::<String>(),
            conditions = show_conditions(&self.conditions),
        )
    }
}
