//! Services start together or not at all, and end without dropping a request.

use std::sync::Arc;
use std::time::Duration;

use pay::{BootError, Listen, Pay, Settings, Sizes};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::world::{PATIENCE, SMALL, World};

fn small(listen: Listen) -> Settings {
    Settings {
        sizes: SMALL,
        ..Settings::new(listen)
    }
}

#[tokio::test]
async fn a_port_that_is_taken_is_named_with_its_service() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap();
    let listen = Listen {
        money: vec![address],
        ..Listen::on_free_ports()
    };
    let error = Pay::boot(small(listen)).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("money cannot listen on {address}")
    );
    let listen = Listen {
        admin: address,
        ..Listen::on_free_ports()
    };
    let error = Pay::boot(small(listen)).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("admin cannot listen on {address}")
    );
}

#[tokio::test]
async fn settings_that_make_no_sense_are_refused() {
    let listen = Listen {
        banking: Vec::new(),
        ..Listen::on_free_ports()
    };
    let error = Pay::boot(small(listen)).await.unwrap_err();
    assert!(matches!(error, BootError::NoAddress { service: "banking" }));
    let mut settings = small(Listen::on_free_ports());
    settings.sizes = Sizes {
        members: 0,
        ..SMALL
    };
    assert!(matches!(
        Pay::boot(settings).await,
        Err(BootError::Sizes(_))
    ));
    let mut settings = small(Listen::on_free_ports());
    settings.memory.answers_max = 0;
    let error = Pay::boot(settings).await.unwrap_err();
    assert_eq!(error.to_string(), "`answers_max` must be at least 1");
}

#[tokio::test]
async fn several_addresses_of_a_service_serve_the_same_data() {
    let free = Listen::on_free_ports().money[0];
    let listen = Listen {
        money: vec![free; 3],
        ..Listen::on_free_ports()
    };
    let world = World::of(Pay::boot(small(listen)).await.unwrap());
    let endpoints = world.pay.addresses().money.clone();
    assert_eq!(endpoints.len(), 3);
    let body = json!({ "from": "1", "to": "2", "amount": "1", "currency": "USD" });
    let mut bodies = Vec::new();
    for endpoint in endpoints {
        bodies.push(
            world
                .post((endpoint, "/transfers"), "same", &body)
                .await
                .body,
        );
    }
    assert!(bodies.iter().all(|body| *body == bodies[0]));
    assert_eq!(world.audit().await["entries"], 1);
}

#[tokio::test]
async fn two_sets_in_one_process_know_nothing_of_each_other() {
    let (first, second) = (World::small().await, World::small().await);
    let body = json!({ "from": "1", "to": "2", "amount": "1", "currency": "USD" });
    first
        .post((first.money(), "/transfers"), "k", &body)
        .await
        .expect(201, "");
    first
        .set_faults("money", &json!({ "error": { "share": 1, "status": 500 } }))
        .await;
    assert_eq!(second.audit().await["entries"], 0);
    second
        .get(second.money(), "/members/1/balance")
        .await
        .expect(200, "");
}

#[tokio::test]
async fn shutdown_answers_what_is_open_and_closes_the_ports() {
    let mut world = World::small().await;
    let addresses = world.pay.addresses().clone();
    world
        .set_faults(
            "membership",
            &json!({ "latency": { "fixed": { "ms": 300 } } }),
        )
        .await;
    let wish = json!({
        "senderId": "1", "receiverId": "2", "bankCode": bank_code(&world).await,
        "amount": "1", "currency": "USD",
    });
    let client = Arc::new(World::small().await);
    let mut open = JoinSet::new();
    for n in 0..10 {
        let (client, wish, at) = (Arc::clone(&client), wish.clone(), addresses.remittance[0]);
        open.spawn(async move {
            client
                .post((at, "/remittances"), &format!("k{n}"), &wish)
                .await
        });
    }
    let arrived = async { while world.count("membership", "GET", "/members").await < 10 {} };
    tokio::time::timeout(PATIENCE, arrived)
        .await
        .expect("the requests arrive");
    let pay = std::mem::replace(&mut world.pay, World::small().await.pay);
    pay.shutdown().await;
    for answer in open.join_all().await {
        answer.expect(201, "");
    }
    for address in [
        addresses.membership[0],
        addresses.remittance[0],
        addresses.admin,
    ] {
        assert!(
            TcpStream::connect(address).await.is_err(),
            "{address} is closed"
        );
    }
}

async fn bank_code(world: &World) -> serde_json::Value {
    let accounts = world.get(world.banking(), "/members/2/accounts").await.ok();
    accounts[0]["bankCode"].clone()
}

#[tokio::test]
async fn shutdown_does_not_wait_for_what_hangs() {
    let world = World::with(|settings| settings.drain_timeout = Duration::from_millis(100)).await;
    world.set_faults("membership", &json!({ "hang": 1 })).await;
    let request = b"GET /members/7 HTTP/1.1\r\nhost: a\r\n\r\n";
    let mut stream = crate::world::raw(world.membership(), request).await;
    let arrived = async { while world.count("membership", "GET", "/members/{id}").await < 1 {} };
    tokio::time::timeout(PATIENCE, arrived)
        .await
        .expect("the request arrives");
    tokio::time::timeout(PATIENCE, world.pay.shutdown())
        .await
        .expect("an end in time");
    crate::world::read_to_end(&mut stream).await;
}

#[tokio::test]
async fn services_that_are_dropped_cut_their_connections_and_close_their_ports() {
    let world = World::small().await;
    let addresses = world.pay.addresses().clone();
    let request = b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n";
    let mut stream = crate::world::raw(addresses.membership[0], request).await;
    let arrived = async { while world.count("membership", "GET", "/healthz").await < 1 {} };
    tokio::time::timeout(PATIENCE, arrived)
        .await
        .expect("the request arrives");
    drop(world);
    crate::world::read_to_end(&mut stream).await;
    let closed = async { while TcpStream::connect(addresses.money[0]).await.is_ok() {} };
    tokio::time::timeout(PATIENCE, closed)
        .await
        .expect("the port is closed");
}

#[tokio::test]
async fn the_usual_services_start_at_once() {
    let mut settings = Settings::new(Listen::on_free_ports());
    settings.sizes = Sizes::default();
    let world = World::of(Pay::boot(settings).await.unwrap());
    world
        .get(world.membership(), "/members/10000")
        .await
        .expect(200, "");
    world
        .get(world.banking(), "/banks/1000")
        .await
        .expect(200, "");
    world
        .get(world.remittance(), "/remittances/200000")
        .await
        .expect(200, "");
}
