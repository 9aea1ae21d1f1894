//! `tollgate client`: which applications may ask for tokens.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{say, table};
use crate::operator::OperatorArgs;

#[derive(Debug, Args)]
pub(crate) struct Client {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Register a client; its secret is drawn and printed, once
    Add(Add),
    /// List all clients
    List(List),
    /// Let a client ask for tokens no more, and end its sessions
    Disable(Named),
    /// Let a client ask for tokens again
    Enable(Named),
    /// Draw a new secret and print it, once; the newest of the old ones is still taken
    Secret(Named),
}

#[derive(Debug, Args)]
struct Add {
    id: String,
    /// authorization_code, refresh_token or client_credentials; may be given several times
    #[arg(long = "grant", value_name = "GRANT", required = true)]
    grants: Vec<String>,
    /// A scope that it may ask for; may be given several times
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<String>,
    /// Where codes may be sent, byte for byte; may be given several times
    #[arg(long = "redirect-uri", value_name = "URI")]
    redirect_uris: Vec<String>,
    /// A service that its tokens are meant for; may be given several times
    #[arg(long = "audience", value_name = "NAME")]
    audience: Vec<String>,
    /// It cannot keep a secret, as an app or a page cannot
    #[arg(long)]
    public: bool,
    #[arg(long, default_value = "default")]
    tenant: String,
    #[command(flatten)]
    operator: OperatorArgs,
}

#[derive(Debug, Args)]
struct List {
    #[command(flatten)]
    operator: OperatorArgs,
}

#[derive(Debug, Args)]
struct Named {
    id: String,
    #[command(flatten)]
    operator: OperatorArgs,
}

impl Client {
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        match &self.verb {
            Verb::Add(add) => add.run()?,
            Verb::List(list) => list.run()?,
            Verb::Disable(named) => {
                named.order("disable")?;
                let done = format!("{} is disabled, and its sessions are over\n", named.id);
                say(&mut std::io::stderr(), &done);
            }
            Verb::Enable(named) => {
                named.order("enable")?;
                say(
                    &mut std::io::stderr(),
                    &format!("{} is enabled\n", named.id),
                );
            }
            Verb::Secret(named) => print_secret(&named.order("secret")?),
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Add {
    fn run(&self) -> anyhow::Result<()> {
        let wanted = json!({
            "tenant": self.tenant,
            "public": self.public,
            "redirect_uris": self.redirect_uris,
            "grants": self.grants,
            "scopes": self.scopes,
            "audience": self.audience,
        });
        let operator = self.operator.operator()?;
        let registered = operator.put(&format!("/admin/clients/{}", self.id), wanted)?;
        say(
            &mut std::io::stderr(),
            &format!("{} is registered\n", self.id),
        );
        print_secret(&registered);
        Ok(())
    }
}

impl List {
    fn run(&self) -> anyhow::Result<()> {
        let clients = self.operator.operator()?.list("/admin/clients")?;
        let columns = ["id", "tenant", "enabled", "public", "grants", "scopes"];
        say(&mut std::io::stdout(), &table(&columns, &clients));
        Ok(())
    }
}

impl Named {
    fn order(&self, order: &str) -> anyhow::Result<Value> {
        let operator = self.operator.operator()?;
        operator.post(&format!("/admin/clients/{}/{order}", self.id), None)
    }
}

fn print_secret(answer: &Value) {
    if let Some(secret) = answer.get("secret").and_then(Value::as_str) {
        say(&mut std::io::stdout(), &format!("{secret}\n"));
    }
}
