//! `tollgate user`: who may sign in.

use std::io::Read as _;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{say, table, text_of};
use crate::operator::{Operator, OperatorArgs};

#[derive(Debug, Args)]
pub(crate) struct User {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Create a user; a password is drawn and printed unless one is given
    Add(Add),
    /// List all users
    List(List),
    /// Let a user sign in no more, and end their sessions
    Disable(Named),
    /// Let a user sign in again
    Enable(Named),
    /// End every session of a user
    SignOut(Named),
    /// Give a user another name; they stay signed in
    Rename(Rename),
    /// Remove a user with all that they allowed, and end their sessions; there is no way back
    Delete(Named),
    /// List what a user allowed clients
    Consents(Named),
    /// Take back what a user allowed, and end the sessions that came of it
    Withdraw(Withdraw),
}

#[derive(Debug, Args)]
struct Add {
    name: String,
    /// A role; may be given several times
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<String>,
    #[arg(long, default_value = "default")]
    tenant: String,
    /// Read the password from standard input
    #[arg(long)]
    password_stdin: bool,
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
    /// The user's name, or their id
    name: String,
    #[command(flatten)]
    operator: OperatorArgs,
}

#[derive(Debug, Args)]
struct Rename {
    /// The user's name, or their id
    name: String,
    /// What they are called from now on
    to: String,
    #[command(flatten)]
    operator: OperatorArgs,
}

#[derive(Debug, Args)]
struct Withdraw {
    /// The user's name, or their id
    name: String,
    #[command(flatten)]
    of: OfClients,
    #[command(flatten)]
    operator: OperatorArgs,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct OfClients {
    /// Of this client alone
    #[arg(long, value_name = "ID")]
    client: Option<String>,
    /// Of every client
    #[arg(long)]
    all: bool,
}

impl User {
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        match &self.verb {
            Verb::Add(add) => add.run()?,
            Verb::List(list) => list.run()?,
            Verb::Disable(named) => {
                named.order("disable", "is disabled, and signed out everywhere")?
            }
            Verb::Enable(named) => named.order("enable", "may sign in")?,
            Verb::SignOut(named) => named.order("end-sessions", "is signed out everywhere")?,
            Verb::Rename(rename) => rename.run()?,
            Verb::Delete(named) => named.delete()?,
            Verb::Consents(named) => named.list_consents()?,
            Verb::Withdraw(withdraw) => withdraw.run()?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Add {
    fn run(&self) -> anyhow::Result<()> {
        let operator = self.operator.operator()?;
        let mut wanted = json!({"name": self.name, "tenant": self.tenant, "roles": self.roles});
        if self.password_stdin {
            let mut read = String::new();
            let mut input = std::io::stdin().take(64 * 1024);
            input
                .read_to_string(&mut read)
                .context("no password could be read from standard input")?;
            wanted["password"] = read.trim_end_matches('\n').into();
        }
        let created = operator.post("/admin/users", Some(wanted))?;
        let id = text_of(&created, "id");
        say(&mut std::io::stderr(), &format!("{} is {id}\n", self.name));
        if let Some(password) = created.get("password").and_then(Value::as_str) {
            say(&mut std::io::stdout(), &format!("{password}\n"));
        }
        Ok(())
    }
}

impl List {
    fn run(&self) -> anyhow::Result<()> {
        let users = self.operator.operator()?.list("/admin/users")?;
        let columns = ["name", "tenant", "enabled", "roles", "id"];
        say(&mut std::io::stdout(), &table(&columns, &users));
        Ok(())
    }
}

impl Named {
    fn order(&self, order: &str, done: &str) -> anyhow::Result<()> {
        let operator = self.operator.operator()?;
        let id = find_user(&operator, &self.name)?;
        operator.post(&format!("/admin/users/{id}/{order}"), None)?;
        say(&mut std::io::stderr(), &format!("{} {done}\n", self.name));
        Ok(())
    }
}

impl Named {
    fn delete(&self) -> anyhow::Result<()> {
        let operator = self.operator.operator()?;
        let id = find_user(&operator, &self.name)?;
        operator.delete(&format!("/admin/users/{id}"))?;
        let done = format!("{} is deleted, and signed out everywhere\n", self.name);
        say(&mut std::io::stderr(), &done);
        Ok(())
    }

    fn list_consents(&self) -> anyhow::Result<()> {
        let operator = self.operator.operator()?;
        let id = find_user(&operator, &self.name)?;
        let consents = operator.list(&format!("/admin/users/{id}/consents"))?;
        let columns = ["client", "scope", "given_at"];
        say(&mut std::io::stdout(), &table(&columns, &consents));
        Ok(())
    }
}

impl Rename {
    fn run(&self) -> anyhow::Result<()> {
        let operator = self.operator.operator()?;
        let id = find_user(&operator, &self.name)?;
        let wanted = json!({ "name": self.to });
        operator.put(&format!("/admin/users/{id}/name"), wanted)?;
        let done = format!("{} is called {} from now on\n", self.name, self.to);
        say(&mut std::io::stderr(), &done);
        Ok(())
    }
}

impl Withdraw {
    fn run(&self) -> anyhow::Result<()> {
        let operator = self.operator.operator()?;
        let id = find_user(&operator, &self.name)?;
        let (path, whose) = match &self.of.client {
            Some(client) => (
                format!("/admin/users/{id}/consents/{}", escape(client)),
                client.as_str(),
            ),
            None => (format!("/admin/users/{id}/consents"), "every client"),
        };
        operator.delete(&path)?;
        let name = &self.name;
        let done = format!("what {name} allowed {whose} is taken back\n");
        say(&mut std::io::stderr(), &done);
        Ok(())
    }
}

fn escape(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

/// The id of whoever is called so; what is spelled like an id is one.
pub(super) fn find_user(operator: &Operator, name: &str) -> anyhow::Result<String> {
    if name.len() == 32 && name.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(name.to_owned());
    }
    let found = operator.get(&format!("/admin/users?name={}", escape(name)))?;
    match found["items"].get(0) {
        Some(user) => Ok(text_of(user, "id").to_owned()),
        None => bail!("there is no user named {name}"),
    }
}
