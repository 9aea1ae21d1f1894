//! `tollgate token`: single tokens, by hand.

use std::io::Read as _;
use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::{Args, Subcommand};
use idp_token::digest::TokenDigest;
use serde_json::{Value, json};

use super::user::find_user;
use super::{rows, say, text_of};
use crate::operator::{self, Operator, OperatorArgs};

#[derive(Debug, Args)]
pub(crate) struct Token {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Issue a token for a client; it is all that is printed on standard output
    Issue(Issue),
    /// Say what is known of a token, at the identity provider and at gateways
    Inspect(Inspect),
    /// End the session that a token stands for
    Revoke(Presented),
}

#[derive(Debug, Args)]
struct Issue {
    /// The client that it is issued to
    #[arg(long)]
    client: String,
    /// In whose name; the client acts for itself if it is nobody's
    #[arg(long)]
    user: Option<String>,
    /// Scopes, separated by spaces; all that the client may have, if none are named
    #[arg(long)]
    scope: Option<String>,
    #[command(flatten)]
    operator: OperatorArgs,
}

#[derive(Debug, Args)]
struct Inspect {
    #[command(flatten)]
    presented: Presented,
    /// The admin address of a gateway, once for each; without any, the one of the file
    #[arg(long, value_name = "ADDRESS")]
    gateway: Vec<SocketAddr>,
}

#[derive(Debug, Args)]
struct Presented {
    /// The token; without it, it is read from standard input, where no other user sees it
    token: Option<String>,
    #[command(flatten)]
    operator: OperatorArgs,
}

impl Token {
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        match &self.verb {
            Verb::Issue(issue) => issue.run(),
            Verb::Inspect(inspect) => inspect.run(),
            Verb::Revoke(presented) => presented.revoke(),
        }
    }
}

impl Issue {
    fn run(&self) -> anyhow::Result<ExitCode> {
        let operator = self.operator.operator()?;
        let mut wanted = json!({ "client": self.client });
        if let Some(user) = &self.user {
            wanted["user"] = find_user(&operator, user)?.into();
        }
        if let Some(scope) = &self.scope {
            wanted["scope"] = scope.as_str().into();
        }
        let issued = operator.post("/admin/tokens", Some(wanted))?;
        let (seconds, scope) = (&issued["expires_in"], text_of(&issued, "scope"));
        let note = format!("good for {seconds} s, for: {scope}\n");
        say(&mut std::io::stderr(), &note);
        let token = format!("{}\n", text_of(&issued, "access_token"));
        say(&mut std::io::stdout(), &token);
        Ok(ExitCode::SUCCESS)
    }
}

impl Inspect {
    /// Gateways are asked by digest; the token itself goes to the identity provider alone.
    fn run(&self) -> anyhow::Result<ExitCode> {
        let Self { presented, gateway } = self;
        let token = presented.token()?;
        let inspected = presented.post("/admin/tokens/inspect", &token)?;
        let is_good = inspected["good"] == true;
        say(&mut std::io::stdout(), &rows(&inspected));
        let gateways = match gateway.as_slice() {
            [] => presented.operator.gateway().into_iter().collect(),
            named => named.to_vec(),
        };
        let digest = TokenDigest::of(token.as_bytes());
        let digest = URL_SAFE_NO_PAD.encode(digest.as_bytes());
        for at in gateways {
            let told = match operator::ask_gateway(at, &digest) {
                Ok(told) => rows(&told),
                Err(error) => format!("{error:#}\n"),
            };
            say(&mut std::io::stdout(), &format!("\ngateway {at}\n{told}"));
        }
        Ok(if is_good {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }
}

impl Presented {
    fn revoke(&self) -> anyhow::Result<ExitCode> {
        self.post("/admin/tokens/revoke", &self.token()?)?;
        say(&mut std::io::stderr(), "its session is over\n");
        Ok(ExitCode::SUCCESS)
    }

    fn token(&self) -> anyhow::Result<String> {
        let token = match &self.token {
            Some(token) => token.clone(),
            None => {
                let mut read = String::new();
                let mut input = std::io::stdin().take(64 * 1024);
                input
                    .read_to_string(&mut read)
                    .context("no token could be read from standard input")?;
                read
            }
        };
        Ok(token.trim().to_owned())
    }

    fn post(&self, path: &str, token: &str) -> anyhow::Result<Value> {
        let operator: Operator = self.operator.operator()?;
        operator.post(path, Some(json!({ "token": token })))
    }
}
