//! A client that wants a list: one request where it is composed, else one for each thing in it.

use std::collections::HashMap;
use std::net::SocketAddr;

use serde_json::{Map, Value, json};

use super::super::BenchError;
use super::Way;
use super::stage::{NAME, ROWS, Stage};
use crate::closed::{Answer, Connection, Limits};

pub(super) const MEMBER: u32 = 7;
/// What a row is made of besides names.
const KEPT: [&str; 5] = ["remittanceId", "amount", "currency", "state", "sentAt"];

/// Keeps its connections, as a good client does.
pub(super) struct Walk {
    connections: HashMap<SocketAddr, Connection>,
    limits: Limits,
}

pub(super) struct Told {
    pub(super) body: Vec<u8>,
    pub(super) calls: usize,
    /// What a composer says of itself; nothing where none was asked.
    pub(super) composition: Option<String>,
}

/// Where each thing is asked for.
struct Places {
    membership: SocketAddr,
    banking: SocketAddr,
    money: SocketAddr,
    remittance: SocketAddr,
}

impl Walk {
    pub(super) fn new() -> Self {
        Self {
            connections: HashMap::new(),
            limits: Limits::default(),
        }
    }

    /// Makes one list.
    pub(super) async fn go(&mut self, stage: &Stage, way: Way) -> Result<Told, BenchError> {
        let at = stage.gateway;
        match way {
            Way::Composed => {
                let path = format!("/members/{MEMBER}/transfer-history");
                let answer = self.get(stage.composing.address, &path).await?;
                let composition = answer.header("composition-status").map(str::to_owned);
                Ok(Told {
                    body: answer.body,
                    calls: 1,
                    composition,
                })
            }
            Way::Naive => {
                let services = stage.services;
                let places = Places {
                    membership: services.membership,
                    banking: services.banking,
                    money: services.money,
                    remittance: services.remittance,
                };
                self.join(&places).await
            }
            Way::ThroughGateway => {
                let places = Places {
                    membership: at,
                    banking: at,
                    money: at,
                    remittance: at,
                };
                self.join(&places).await
            }
        }
    }

    /// One thing after the other, each as often as it is mentioned.
    async fn join(&mut self, places: &Places) -> Result<Told, BenchError> {
        let path = format!("/remittances?member={MEMBER}&limit={ROWS}");
        let history = read(&self.get(places.remittance, &path).await?.body)?;
        let path = format!("/members/{MEMBER}/balance");
        let balance = read(&self.get(places.money, &path).await?.body)?;
        let mut calls = 2;
        let mut rows = Vec::new();
        for item in history["items"].as_array().into_iter().flatten() {
            let mut row = Map::new();
            for name in KEPT {
                row.insert(name.to_owned(), item[name].clone());
            }
            let text = |name: &str| item[name].as_str().unwrap_or_default().to_owned();
            let member = format!("/members/{}", text("receiverId"));
            let bank = format!("/banks/{}", text("bankCode"));
            let member = read(&self.get(places.membership, &member).await?.body)?;
            let bank = read(&self.get(places.banking, &bank).await?.body)?;
            calls += 2;
            row.insert("receiverName".to_owned(), member["name"].clone());
            row.insert("bankName".to_owned(), bank["name"].clone());
            rows.push(Value::Object(row));
        }
        let whole = json!({
            "cursor": history["next"],
            "balance": balance["amount"],
            "transfers": rows,
        });
        Ok(Told {
            body: whole.to_string().into_bytes(),
            calls,
            composition: None,
        })
    }

    /// An answer of 200.
    pub(super) async fn get(&mut self, at: SocketAddr, path: &str) -> Result<Answer, BenchError> {
        let answer = self.send(at, path, &format!("GET {path}"), "").await?;
        if answer.status != 200 {
            let body = String::from_utf8_lossy(&answer.body).into_owned();
            return Err(wrong(path, &format!("{} {body}", answer.status)));
        }
        Ok(answer)
    }

    /// Whatever is answered to a request that begins like this.
    pub(super) async fn send(
        &mut self,
        at: SocketAddr,
        path: &str,
        begins: &str,
        body: &str,
    ) -> Result<Answer, BenchError> {
        let length = body.len();
        let wire = format!(
            "{begins} HTTP/1.1\r\nHost: {at}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        if !self.connections.contains_key(&at) {
            let opened = Connection::open(at, &self.limits).await;
            let opened = opened.map_err(|failure| wrong(path, &failure.to_string()))?;
            self.connections.insert(at, opened);
        }
        let Some(connection) = self.connections.get_mut(&at) else {
            return Err(wrong(path, "no connection"));
        };
        let exchanged = connection.exchange(wire.as_bytes(), false, &self.limits);
        exchanged
            .await
            .map_err(|failure| wrong(path, &failure.to_string()))
    }
}

fn wrong(path: &str, said: &str) -> BenchError {
    BenchError::WrongAnswer {
        name: NAME,
        tally: format!("{path}: {said}"),
    }
}

pub(super) fn read(body: &[u8]) -> Result<Value, BenchError> {
    serde_json::from_slice(body).map_err(|_| BenchError::Unreadable {
        what: "an answer",
        text: String::from_utf8_lossy(body).into_owned(),
    })
}
