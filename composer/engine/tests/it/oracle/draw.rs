//! Declarations, drawn.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use composer_core::Fault;
use composer_core::declaration::{Endpoint, Lookup, LookupSource, Rows, Step, Target};
use composer_core::keys::ChunkMax;
use composer_core::plan::{Cache, Scope};

use super::world::{Faults, World};
use crate::service::Service;
use crate::site::{
    Draft, LONG, Site, batch, endpoint, kept, policy, rows, step, table, text, value,
};

/// SplitMix64.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x2545_f491_4f6c_dd1d))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, most: usize) -> usize {
        usize::try_from(self.next() % most as u64).unwrap()
    }

    fn flip(&mut self) -> bool {
        self.below(2) == 0
    }
}

/// Of a list in any world.
pub(crate) const ROWS_MAX: usize = 12;
const NOBODY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 1);

/// What was drawn.
#[derive(Debug)]
pub(crate) struct Drawn {
    /// Whether the services of steps and of lookups are told who asks.
    is_told: [bool; 2],
    pub(crate) lookups: Vec<Lookup>,
    pub(crate) endpoint: Endpoint,
}

impl Drawn {
    /// A declaration that is accepted: what would take too long is drawn again.
    pub(crate) fn draw(random: &mut Random) -> Self {
        loop {
            let drawn = Self::draw_once(random);
            let Err(faults) = composer_core::compile(&drawn.draft([NOBODY; 3]).declaration) else {
                return drawn;
            };
            let too_long = |fault: &Fault| fault.message.contains("one after the other");
            assert!(faults.iter().all(too_long), "{faults:#?}");
        }
    }

    fn draw_once(random: &mut Random) -> Self {
        let is_told = [random.flip(), random.flip()];
        let count = 1 + random.below(3);
        let mut lookups: Vec<_> = (0..count)
            .map(|place| lookup(random, place, is_told[1]))
            .collect();
        lookups.push(table("table", "GET tables /table", "id"));
        let names: Vec<_> = lookups
            .iter()
            .map(|lookup| lookup.name.text.clone())
            .collect();
        let endpoint = draw_endpoint(random, &names, is_told[0]);
        Self {
            is_told,
            lookups,
            endpoint,
        }
    }

    pub(crate) fn is_told(&self, service: usize) -> bool {
        self.is_told[service]
    }

    /// Services with the data of a seed, and an engine in front of them.
    pub(crate) async fn start(&self, seed: u64, faults: Faults) -> (Site, World, Vec<Service>) {
        let world = World { seed };
        let mut services = Vec::new();
        for name in ["steps", "lookups", "tables"] {
            let faults = if name == "tables" {
                Faults::none()
            } else {
                faults.clone()
            };
            services.push(world.serve(name, faults).await);
        }
        let addresses = [0, 1, 2].map(|place: usize| services[place].address);
        (self.draft(addresses).ready().await, world, services)
    }

    fn draft(&self, addresses: [SocketAddr; 3]) -> Draft {
        let no_breaker = |name: &str, at: usize| gateway_upstream::Policy {
            has_breaker: false,
            ..policy(name, &[addresses[at]])
        };
        let mut draft = Draft::new()
            .service_of(no_breaker("steps", 0), self.is_told[0], LONG)
            .service_of(no_breaker("lookups", 1), self.is_told[1], LONG)
            .service_of(no_breaker("tables", 2), false, LONG)
            .endpoint(self.endpoint.clone());
        for lookup in &self.lookups {
            draft = draft.lookup(lookup.clone());
        }
        draft
    }
}

fn draw_cache(random: &mut Random) -> Cache {
    let seconds = |random: &mut Random| Duration::from_secs(random.below(3) as u64 * 7);
    Cache {
        ttl: Duration::from_secs(1 + random.below(20) as u64),
        missing: seconds(random),
        stale_while_revalidate: seconds(random),
        stale_if_error: seconds(random),
        bytes_max: 1 << 20,
    }
}

fn lookup(random: &mut Random, place: usize, is_told: bool) -> Lookup {
    let name = format!("l{place}");
    let is_kept = random.below(4) > 0;
    // What is made for one caller is never shared.
    let scope = if is_told || random.flip() {
        Scope::Caller
    } else {
        Scope::Shared
    };
    let is_versioned = random.flip();
    let is_wrapped = random.flip();
    let wrapped = if is_wrapped { "w" } else { "" };
    let versions = if is_versioned {
        "&versions={versions}"
    } else {
        ""
    };
    Lookup {
        source: LookupSource::Batch {
            max: ChunkMax {
                keys: 2 + random.below(30),
                url_bytes: 300 + random.below(1000),
            },
            cache: is_kept.then(|| draw_cache(random)),
        },
        version: is_versioned.then(|| text("version")),
        scope: if is_kept { scope } else { Scope::Caller },
        items: is_wrapped.then(|| text("wrapped.items")),
        ..batch(
            &name,
            &format!("GET lookups /{name}{wrapped}?ids={{keys}}{versions}"),
            "id",
        )
    }
}

fn draw_endpoint(random: &mut Random, lookups: &[String], is_told: bool) -> Endpoint {
    let count = 1 + random.below(3);
    let steps: Vec<_> = (0..count)
        .map(|place| draw_step(random, place, is_told))
        .collect();
    let mut answer = Vec::new();
    let names: Vec<_> = (0..6).map(|place| format!("m{place}")).collect();
    for name in names.iter().take(1 + random.below(names.len())) {
        answer.push((name.as_str(), draw_target(random, count, lookups, 0)));
    }
    Endpoint {
        calls_max: 1000,
        ..endpoint("GET /x/{id}", steps, answer)
    }
}

/// A step may be asked for what an earlier one says.
fn draw_step(random: &mut Random, place: usize, is_told: bool) -> Step {
    let of_other = match place {
        0 => "{id}".to_owned(),
        _ if random.flip() => format!("{{s{}.ref?}}", random.below(place)),
        _ => "{id}".to_owned(),
    };
    let call = format!("GET steps /s{place}?of={of_other}&page={{query.page?}}");
    let scope = if is_told || random.flip() {
        Scope::Caller
    } else {
        Scope::Shared
    };
    Step {
        cache: random.flip().then(|| kept(scope, draw_cache(random))),
        ..step(&format!("s{place}"), &call)
    }
}

fn draw_target(random: &mut Random, steps: usize, lookups: &[String], depth: usize) -> Target {
    let of = format!("s{}", random.below(steps));
    match random.below(8) {
        0 => value(&format!("{of}.value")),
        1 => value(&format!("{of}.deep.value")),
        2 => value(&draw_lookup(random, lookups, &format!("{of}.ref"))),
        3 if depth == 0 => {
            let inner = (0..2).map(|place| {
                let target = draw_target(random, steps, lookups, 1);
                (text(&format!("o{place}")), target)
            });
            Target::Object(inner.collect())
        }
        4 => value("id"),
        _ => {
            let joins: Vec<_> = (0..random.below(4))
                .map(|place| (format!("j{place}"), draw_lookup(random, lookups, "ref")))
                .collect();
            let joins: Vec<_> = joins
                .iter()
                .map(|(name, of)| (name.as_str(), of.as_str()))
                .collect();
            let all = ["value", "ref", "gone", "deep"];
            let keep = &all[..1 + random.below(all.len())];
            short(rows(&format!("{of}.list"), keep, &joins))
        }
    }
}

/// As long as the lists of a world may be: a longer one would be refused for the calls it may cost.
fn short(target: Target) -> Target {
    match target {
        Target::Rows(rows) => Target::Rows(Rows {
            rows_max: ROWS_MAX,
            ..rows
        }),
        Target::Value(_) | Target::Object(_) => target,
    }
}

/// `l0(ref).value`, or one inside the other.
fn draw_lookup(random: &mut Random, lookups: &[String], key: &str) -> String {
    let name = |random: &mut Random| lookups[random.below(lookups.len())].clone();
    let inner = if random.below(3) == 0 {
        format!("{}({key}).ref", name(random))
    } else {
        key.to_owned()
    };
    let path = [".value", ".deep.value", ".ref", ""][random.below(4)];
    format!("{}({inner}){path}", name(random))
}
