//! The rounds of a run, summed up, held against the promises and written down.

use serde::Serialize;

use super::call::Call;
use super::provider::Which;
use super::{Beside, Sample};
use crate::bench::conditions::Conditions;
use crate::bench::report::{Table, show, show_conditions, show_missing};
use crate::bench::stats::{Spread, paired_ratio};

/// So many times less CPU than the peer, for each kind of call.
const RATIO_MIN: f64 = 10.0;
const P99_RATIO_MAX: f64 = 2.0;

const HOW_TO_READ: &str = "\
## How to read it
1. CPU µs/call is the CPU time of all of a provider's processes and threads over the calls answered:
   what is waited for, a disk for instance, is not in it.
2. The ratio is the peer's CPU per call over ours *in the same round*: how many times less ours takes.
   The bar is 10 for each kind of call. Brackets hold the smallest and the largest round.
3. `core` is the share of its CPU that a provider used: near 1.00 that was its limit; well below, it
   waited for its disk or for the load.
4. Both authenticate the same client by a secret in the form. What is introspected is a hundred tokens in
   turn, issued a moment before.
5. People: each signs in with a browser that has never been here, allows, and begins anew; each login is
   an argon2id of full cost. They come 10 ms apart, and it is measured once all are there. Machines are
   eight connections that rest 2 ms after each token. The ratio is their p99 beside the people over
   that without them; the median is held against 2.00.
";

#[derive(Debug, Serialize)]
pub(super) struct IdpReport {
    pub(super) bench: &'static str,
    pub(super) conditions: Conditions,
    pub(super) missing: Vec<&'static str>,
    pub(super) memory: Vec<Memory>,
    pub(super) rounds: Vec<Sample>,
    pub(super) people: usize,
    pub(super) besides: Vec<Beside>,
}

/// Resident set size.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Memory {
    pub(super) provider: &'static str,
    pub(super) at_rest_kib: u64,
    pub(super) after_kib: u64,
}

impl IdpReport {
    pub(super) fn tables(&self) -> String {
        let tables = [self.calls(), self.machines(), self.sizes()];
        tables.map(|table| table.to_markdown()).join("\n")
    }

    fn calls(&self) -> Table {
        let mut table = Table::new(&[
            "call",
            "provider",
            "CPU µs/call",
            "times ours",
            "calls/s",
            "p50 / p99 µs",
            "core",
            "errors",
        ]);
        for call in Call::ALL {
            for which in [Which::Tollgate, Which::OidcProvider] {
                let own: Vec<_> = self.samples(which, call).collect();
                if !own.is_empty() {
                    table.push(self.row((which, call), &own));
                }
            }
        }
        table
    }

    fn row(&self, (which, call): (Which, Call), own: &[&Sample]) -> Vec<String> {
        let spread = |value: fn(&Sample) -> f64| Spread::of(own.iter().map(|it| value(it)));
        let median = |value| spread(value).map_or(0.0, |it| it.median);
        let errors: u64 = own.iter().map(|it| it.errors.total()).sum();
        vec![
            call.name().to_owned(),
            which.name().to_owned(),
            show(spread(|it| it.cpu_us_per_call), 1),
            show(self.ratio(which, call), 2),
            format!("{:.0}", median(|it| it.requests_per_second)),
            format!(
                "{:.0} / {:.0}",
                median(|it| it.p50_us),
                median(|it| it.p99_us)
            ),
            format!("{:.2}", median(|it| it.core_share)),
            errors.to_string(),
        ]
    }

    fn machines(&self) -> Table {
        let mut table = Table::new(&[
            "round",
            "people at a time",
            "logins",
            "put off",
            "calls",
            "p99 µs alone",
            "p99 µs beside them",
            "ratio",
        ]);
        for it in &self.besides {
            table.push(vec![
                it.round.to_string(),
                self.people.to_string(),
                it.logins.to_string(),
                it.put_off.to_string(),
                it.calls.to_string(),
                it.alone_p99_us.to_string(),
                it.beside_p99_us.to_string(),
                format!("{:.2}", it.p99_ratio),
            ]);
        }
        table
    }

    fn sizes(&self) -> Table {
        let mut table = Table::new(&["provider", "resident MiB at rest", "after the load"]);
        let mib = |kib: u64| format!("{:.1}", kib as f64 / 1024.0);
        for it in &self.memory {
            table.push(vec![
                it.provider.to_owned(),
                mib(it.at_rest_kib),
                mib(it.after_kib),
            ]);
        }
        table
    }

    fn samples(&self, which: Which, call: Call) -> impl Iterator<Item = &Sample> {
        let is_meant = move |it: &&Sample| it.provider == which.name() && it.call == call.name();
        self.rounds.iter().filter(is_meant)
    }

    fn ratio(&self, which: Which, call: Call) -> Option<Spread> {
        let costs = |which| -> Vec<_> {
            let own = self.samples(which, call);
            own.map(|it| (it.round, it.cpu_us_per_call)).collect()
        };
        paired_ratio(&costs(which), &costs(Which::Tollgate))
    }

    /// The promises that were broken.
    pub(super) fn verdict(&self) -> Option<String> {
        let dear = Call::ALL.into_iter().filter_map(|call| {
            let ratio = self.ratio(Which::OidcProvider, call)?.median;
            let call = call.name();
            (ratio < RATIO_MIN).then(|| format!("{call} costs the peer only {ratio:.2} times ours"))
        });
        let felt = Spread::of(self.besides.iter().map(|it| it.p99_ratio));
        let felt = felt.filter(|it| it.median > P99_RATIO_MAX).map(|it| {
            let ratio = it.median;
            format!("the p99 of token calls grew {ratio:.2} times beside logins")
        });
        let broken: Vec<_> = dear.chain(felt).collect();
        (!broken.is_empty()).then(|| broken.join("; "))
    }

    pub(super) fn markdown(&self, tables: &str) -> String {
        let setups = [Which::Tollgate, Which::OidcProvider]
            .map(|it| format!("- {}: {}\n", it.name(), it.setup()));
        format!(
            "# Idp: CPU per call, beside npm oidc-provider\n\n{missing}{tables}\n{HOW_TO_READ}\n\
             ## Set-ups\n{setups}\n## Conditions\n{conditions}",
            missing = show_missing(&self.missing),
            setups = setups.concat(),
            conditions = show_conditions(&self.conditions),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::wrk::LoadErrors;

    fn sample(round: u32, which: Which, call: Call, cpu_us_per_call: f64) -> Sample {
        Sample {
            round,
            provider: which.name(),
            call: call.name(),
            requests: 100,
            requests_per_second: 1000.0,
            cpu_us_per_call,
            core_share: 1.0,
            p50_us: 800.0,
            p99_us: 1400.0,
            errors: LoadErrors::default(),
            threads_ended: 0,
        }
    }

    fn beside(p99_ratio: f64) -> Beside {
        Beside {
            round: 1,
            alone_p99_us: 100,
            beside_p99_us: 100,
            p99_ratio,
            calls: 10,
            logins: 10,
            put_off: 0,
        }
    }

    fn report(peer: [f64; 2], p99_ratios: &[f64]) -> IdpReport {
        let mut rounds = Vec::new();
        for (round, slowness) in [(1, 1.0), (2, 3.0)] {
            for (call, peer) in Call::ALL.into_iter().zip(peer) {
                rounds.push(sample(round, Which::Tollgate, call, 10.0 * slowness));
                rounds.push(sample(round, Which::OidcProvider, call, peer * slowness));
            }
        }
        IdpReport {
            bench: "idp",
            conditions: Conditions::made_up("2 rounds"),
            missing: Vec::new(),
            memory: vec![Memory {
                provider: "tollgate",
                at_rest_kib: 10 * 1024,
                after_kib: 20 * 1024,
            }],
            rounds,
            people: 100,
            besides: p99_ratios.iter().map(|ratio| beside(*ratio)).collect(),
        }
    }

    #[test]
    fn the_promises_are_ten_times_for_each_call_and_a_p99_within_twice() {
        #[rustfmt::skip]
        let cases = [
            ([100.0, 100.0], vec![1.0, 2.0, 9.0], None),
            ([99.0, 200.0],  vec![1.0],           Some("issue costs the peer only 9.90")),
            ([200.0, 99.0],  vec![1.0],           Some("introspect costs the peer only 9.90")),
            ([100.0, 100.0], vec![1.0, 2.1, 9.0], Some("grew 2.10 times")),
            ([100.0, 100.0], vec![],              None),
        ];
        for (peer, p99_ratios, expected) in cases {
            let said = report(peer, &p99_ratios).verdict().unwrap_or_default();
            assert!(said.contains(expected.unwrap_or("")), "{said}");
            assert_eq!(said.is_empty(), expected.is_none(), "{said}");
        }
    }

    #[test]
    fn a_slow_round_moves_the_costs_but_not_the_ratio() {
        let tables = report([120.0, 150.0], &[1.5]).tables();
        assert!(tables.contains("| 12.00 (12.00-12.00) |"), "{tables}");
        assert!(tables.contains("| 240.0 (120.0-360.0) |"), "{tables}");
        assert!(tables.contains("| tollgate | 10.0"), "{tables}");
    }
}
