//! Promise: a write reaches a service at most once, no answer is mixed up and no request is lost,
//! whatever services, networks, clients and a stop do meanwhile.
//!
//! Client and services keep books, which are compared when all is over. The requests, what is done
//! with each and which connections break are known from a seed; every failure tells it.

use std::net::SocketAddr;
use std::time::Duration;

use gateway_server::{Carriers, Running};
use load::closed::Limits;
use load::faults::{Conduct, FaultProxy, Mishap, Plan, Way};
use load::ledger::{
    Client, Deed, Fate, Fault, Habit, Heard, Mix, Sent, Upstream, Verdict, compare, interleave,
};

use crate::stack::{QUIET, compile};

const SEED: u64 = 0x70_11_9a_7e;
const CONNECTIONS: usize = 16;
/// Long enough that every connection has an answer meanwhile, and is told to go.
const LAME_DUCK: Duration = Duration::from_millis(1500);
/// Nothing here is about time: whoever is well may take as long as a busy machine needs.
const PATIENCE: Duration = Duration::from_secs(60);

/// What hangs must end, but nothing else may be cut by it on a busy machine.
const ROUGH_TIMEOUT: &str = "2s";

/// Where the requests of a mix go: a service of that name, and a route to it.
struct Service<'a> {
    name: &'a str,
    endpoints: Vec<SocketAddr>,
    timeout: &'a str,
}

fn configuration(services: &[Service<'_>]) -> tollgate_config::Gateway {
    let mut text = format!("{QUIET}deadlines: {{ drain: 60s }}\nservices:\n");
    for service in services {
        let endpoints = service.endpoints.iter().map(|at| format!("\"{at}\""));
        let endpoints: Vec<_> = endpoints.collect();
        text.push_str(&format!(
            "  {}: {{ endpoints: [{}], timeout: {} }}\n",
            service.name,
            endpoints.join(", "),
            service.timeout
        ));
    }
    text.push_str("routes:\n");
    for Service { name, .. } in services {
        text.push_str(&format!(
            "  - {{ match: \"/{name}/{{rest*}}\", to: {name} }}\n"
        ));
    }
    compile(&text)
}

async fn gateway(carriers: Carriers, services: &[Service<'_>]) -> Running {
    let config = configuration(services);
    Running::start_with(carriers, config).await.unwrap()
}

fn address(gateway: &Running) -> SocketAddr {
    gateway.addresses().listen[0]
}

fn client(target: SocketAddr) -> Client {
    Client {
        target,
        connections: CONNECTIONS,
        pipeline: 1,
        limits: Limits {
            answer: PATIENCE,
            ..Limits::default()
        },
    }
}

async fn upstream(endpoints: usize) -> Upstream {
    Upstream::start(endpoints, Habit::default()).await.unwrap()
}

async fn proxy(target: SocketAddr, plan: Plan) -> FaultProxy {
    FaultProxy::start(target, plan).await.unwrap()
}

/// The books as far as they are about one mix.
fn verdict_on(mix: &str, sent: &[Sent], heard: &[Heard]) -> Verdict {
    let prefix = format!("{mix}-");
    let is_of_mix = |id: &str| id.starts_with(&prefix);
    let sent = sent.iter().filter(|line| is_of_mix(&line.entry.id));
    let heard = heard
        .iter()
        .filter(|line| line.id.as_deref().is_some_and(is_of_mix));
    let (sent, heard): (Vec<_>, Vec<_>) = (sent.cloned().collect(), heard.cloned().collect());
    compare(&sent, &heard)
}

/// Every request was heard once and answered as it should be.
#[track_caller]
fn assert_all_well(verdict: &Verdict, requests: usize) {
    let is_well = verdict.is_empty() && verdict.is_all_success();
    assert!(is_well, "seed {SEED:#x}: {verdict}");
    let counts = (verdict.sent(), verdict.heard);
    assert_eq!(counts, (requests, requests), "seed {SEED:#x}: {verdict}");
}

/// Nothing came to the services but what the ledger sent.
#[track_caller]
fn assert_known(heard: &[Heard]) {
    let unknown = heard.iter().find(|line| line.id.is_none());
    assert!(unknown.is_none(), "seed {SEED:#x}: {unknown:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_faults_every_request_is_heard_once_and_answered_with_its_own() {
    for (carriers, pipeline) in [
        (Carriers::Both, 1),
        (Carriers::Both, 4),
        (Carriers::Pingora, 4),
    ] {
        let upstream = upstream(3).await;
        let calm = Service {
            name: "calm",
            endpoints: upstream.addresses().to_vec(),
            timeout: "60s",
        };
        let gateway = gateway(carriers, &[calm]).await;
        let client = Client {
            pipeline,
            ..client(address(&gateway))
        };
        let entries = Mix::new(SEED, "calm", 500).entries();
        let sent = client.start(entries).finish().await;
        assert!(gateway.stop(Some(Duration::ZERO)).await, "seed {SEED:#x}");

        let heard = upstream.finish().await;
        assert_all_well(&compare(&sent, &heard), 500);
        assert_known(&heard);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_configuration_that_changes_all_the_time_costs_no_request() {
    let upstream = upstream(3).await;
    let calm = |places: [usize; 2]| Service {
        name: "calm",
        endpoints: places.map(|place| upstream.addresses()[place]).to_vec(),
        timeout: "60s",
    };
    let gateway = gateway(Carriers::Both, &[calm([0, 1])]).await;
    let turns = [[1, 2], [2, 0], [0, 1]].map(|places| configuration(&[calm(places)]));
    let mix = Mix {
        body_bytes_max: 16 * 1024,
        answer_bytes_max: 16 * 1024,
        ..Mix::new(SEED, "calm", 900)
    };
    let sending = client(address(&gateway)).start(mix.entries());
    for (ended, config) in (10..900).step_by(10).zip(turns.iter().cycle()) {
        sending.ended(ended, PATIENCE).await.unwrap();
        gateway.apply(config);
    }
    let sent = sending.finish().await;
    assert!(gateway.stop(Some(Duration::ZERO)).await, "seed {SEED:#x}");

    let heard = upstream.finish().await;
    assert_all_well(&compare(&sent, &heard), 900);
    for place in 0..3 {
        assert!(heard.iter().any(|line| line.endpoint == place), "{place}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_that_come_one_by_one_both_ways_change_nothing() {
    let upstream = upstream(2).await;
    let dribble = || Plan::Always(Conduct::both(&Way::sliced(1)));
    let behind = proxy(upstream.addresses()[0], dribble()).await;
    let gateway = gateway(
        Carriers::Both,
        &[Service {
            name: "slow",
            endpoints: vec![behind.address(), upstream.addresses()[1]],
            timeout: "60s",
        }],
    )
    .await;
    let before = proxy(address(&gateway), dribble()).await;
    let mix = Mix {
        body_bytes_max: 600,
        answer_bytes_max: 600,
        ..Mix::new(SEED, "slow", 160)
    };
    let sent = client(before.address()).start(mix.entries()).finish().await;
    assert!(gateway.stop(Some(Duration::ZERO)).await, "seed {SEED:#x}");

    let passed = (before.stop().await, behind.stop().await);
    assert!(passed.0.bytes_up > 0 && passed.1.bytes_up > 0, "{passed:?}");
    let heard = upstream.finish().await;
    assert_all_well(&compare(&sent, &heard), 160);
    assert_known(&heard);
}

/// What services do when they fail; most requests are still answered.
fn rough_deeds() -> Vec<(u32, Deed)> {
    vec![
        (240, Deed::Answer),
        (32, Deed::Delay(Duration::from_millis(5))),
        (16, Deed::Fail(500)),
        (24, Deed::Close),
        (24, Deed::Reset),
        (16, Deed::ResetEarly),
        (16, Deed::Half),
        (24, Deed::CloseIdle),
        (24, Deed::Twice),
        // Each costs the whole timeout.
        (1, Deed::Hang),
    ]
}

/// What happens to connections between the gateway and a service. Nothing in it forges requests,
/// and answers only so that nobody can take them for one.
fn rough_network() -> Plan {
    let up = |up| Conduct {
        up,
        ..Conduct::default()
    };
    let down = |down| Conduct {
        down,
        ..Conduct::default()
    };
    let late = Way {
        delay: Duration::from_millis(2),
        jitter: Duration::from_millis(4),
        slice_bytes_max: Some(700),
        ..Way::default()
    };
    let conducts = vec![
        (3, Conduct::default()),
        (3, Conduct::both(&late)),
        (1, up(Way::mishap(0, Mishap::Reset))),
        (2, up(Way::mishap(3_000, Mishap::Reset))),
        (2, up(Way::mishap(20_000, Mishap::Close))),
        (1, up(Way::mishap(9_000, Mishap::HalfClose))),
        (1, up(Way::mishap(6_000, Mishap::Swallow))),
        (2, down(Way::mishap(4_000, Mishap::Reset))),
        (2, down(Way::mishap(30_000, Mishap::Close))),
        (1, down(Way::mishap(9_000, Mishap::HalfClose))),
        (1, down(Way::mishap(7_000, Mishap::Stall))),
        (
            1,
            down(Way::mishap(0, Mishap::Inject(b"who?\r\n\r\n".to_vec()))),
        ),
    ];
    Plan::Seeded {
        seed: SEED,
        conducts,
    }
}

/// Every kind of failure was met, or the verdict says little.
#[track_caller]
fn assert_rough(verdict: &Verdict) {
    let told = |status| verdict.status(status) > 0;
    let is_rough = told(200) && told(500) && told(502) && told(504);
    let is_cut = verdict.broken(Fault::Truncated) > 0;
    let is_rough = is_rough && is_cut;
    assert!(is_rough, "seed {SEED:#x}: not rough enough: {verdict}");
    let is_over = verdict.not_sent == 0 && verdict.broken(Fault::Timeout) == 0;
    assert!(is_over, "seed {SEED:#x}: {verdict}");
}

/// A client is cut short only where the answer of its service was: by the service itself, or by the
/// network before that endpoint.
#[track_caller]
fn assert_broken_by_services(sent: &[Sent], heard: &[Heard], networked: usize) {
    for line in sent
        .iter()
        .filter(|line| matches!(line.fate, Fate::Broken(..)))
    {
        let mut seen = heard
            .iter()
            .filter(|heard| heard.id.as_deref() == Some(&line.entry.id));
        let is_explained =
            seen.any(|heard| heard.deed == Some(Deed::Half) || heard.endpoint == networked);
        assert!(is_explained, "seed {SEED:#x}: {line:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failing_services_and_a_stop_repeat_no_write_and_lose_and_mix_up_nothing() {
    let upstream = upstream(5).await;
    let [calm_a, calm_b, rough_a, rough_b, gone] = upstream.addresses() else {
        unreachable!("five were asked for");
    };
    let networked_place = 3;
    let networked = proxy(*rough_b, rough_network()).await;
    let refusing = proxy(*gone, Plan::Refuse).await;
    let services = [
        Service {
            name: "calm",
            endpoints: vec![*calm_a, *calm_b],
            timeout: "60s",
        },
        Service {
            name: "rough",
            endpoints: vec![*rough_a, networked.address(), refusing.address()],
            timeout: ROUGH_TIMEOUT,
        },
    ];
    let first = gateway(Carriers::Both, &services).await;
    let second = gateway(Carriers::Pingora, &services).await;
    let small = |name, requests| Mix {
        body_bytes_max: 64 * 1024,
        answer_bytes_max: 64 * 1024,
        ..Mix::new(SEED, name, requests)
    };
    let rough = Mix {
        deeds: rough_deeds(),
        ..small("rough", 2_000)
    };
    let entries = interleave(SEED, &[small("calm", 1_000), rough]);
    let sending = client(address(&first)).start(entries);
    sending.ended(1_000, PATIENCE).await.unwrap();
    sending.redirect(address(&second));
    assert!(first.stop(Some(LAME_DUCK)).await, "seed {SEED:#x}");
    let sent = sending.finish().await;
    assert!(second.stop(Some(Duration::ZERO)).await, "seed {SEED:#x}");

    let network = networked.stop().await;
    assert!(network.mishaps > 10, "seed {SEED:#x}: {network:?}");
    let heard = upstream.finish().await;
    let verdict = compare(&sent, &heard);
    assert!(verdict.is_empty(), "seed {SEED:#x}: {verdict}");
    assert_rough(&verdict);
    assert_broken_by_services(&sent, &heard, networked_place);
    // Beside all this, who asked for a service that is well noticed nothing.
    assert_all_well(&verdict_on("calm", &sent, &heard), 1_000);
}

/// What clients do that lose their network, or their patience.
fn broken_clients() -> Plan {
    let up = |offset, mishap| Conduct {
        up: Way::mishap(offset, mishap),
        ..Conduct::default()
    };
    let down = |offset, mishap| Conduct {
        down: Way::mishap(offset, mishap),
        ..Conduct::default()
    };
    Plan::Seeded {
        seed: SEED,
        conducts: vec![
            (1, Conduct::both(&Way::sliced(900))),
            (1, up(40, Mishap::Reset)),
            (2, up(5_000, Mishap::Reset)),
            (2, up(9_000, Mishap::Close)),
            (1, up(7_000, Mishap::HalfClose)),
            (1, down(100, Mishap::Reset)),
            (2, down(20_000, Mishap::Close)),
        ],
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_break_off_repeat_nothing_and_harm_nobody_else() {
    let upstream = upstream(2).await;
    let endpoints = || upstream.addresses().to_vec();
    let services = ["whole", "broken"].map(|name| Service {
        name,
        endpoints: endpoints(),
        timeout: "60s",
    });
    let gateway = gateway(Carriers::Both, &services).await;
    let network = proxy(address(&gateway), broken_clients()).await;
    let mix = |name| Mix {
        body_bytes_max: 16 * 1024,
        answer_bytes_max: 16 * 1024,
        ..Mix::new(SEED, name, 800)
    };
    let whole = client(address(&gateway)).start(mix("whole").entries());
    let broken = client(network.address()).start(mix("broken").entries());
    let (whole, broken) = tokio::join!(whole.finish(), broken.finish());
    network.stop().await;
    assert!(gateway.stop(Some(Duration::ZERO)).await, "seed {SEED:#x}");

    let heard = upstream.finish().await;
    assert_known(&heard);
    let verdict = verdict_on("broken", &broken, &heard);
    assert!(verdict.is_empty(), "seed {SEED:#x}: {verdict}");
    let lost = verdict.broken.values().sum::<usize>();
    assert!(
        lost > 20 && verdict.status(200) > 200,
        "seed {SEED:#x}: {verdict}"
    );
    assert_all_well(&verdict_on("whole", &whole, &heard), 800);
}
