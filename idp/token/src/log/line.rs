//! The members of each kind of line.

use serde::Serialize;

use crate::epoch::Seq;
use crate::json::{MemberError, Members};
use crate::session::SessionId;
use crate::time::UnixSeconds;

use super::{Beat, Change, Hello, Kind, LINE_BYTES_MAX, LineError, NAME_BYTES_MAX, Target};

const VERSION: u64 = 1;

pub(super) fn members(text: &[u8]) -> Result<Members, LineError> {
    if text.len() >= LINE_BYTES_MAX {
        return Err(LineError::TooLong);
    }
    let members = Members::parse(text).ok_or(LineError::Syntax)?;
    let version = members.whole("v")?;
    if version != VERSION {
        return Err(LineError::UnknownVersion(version));
    }
    Ok(members)
}

pub(super) fn read_change(members: &Members) -> Result<Change, MemberError> {
    members.check_names(&["v", "seq", "on", "id", "kind", "at", "until"])?;
    let kind = match members.text("kind")? {
        "ended" => Kind::Ended,
        "changed" => Kind::Changed,
        _ => return Err(MemberError::Value("kind")),
    };
    let seq = Seq(members.whole("seq")?);
    if seq == Seq::NONE {
        return Err(MemberError::Value("seq"));
    }
    Ok(Change {
        seq,
        target: read_target(members)?,
        kind,
        at: UnixSeconds(members.whole("at")?),
        until: members.optional_whole("until")?.map(UnixSeconds),
    })
}

fn read_target(members: &Members) -> Result<Target, MemberError> {
    let id = || {
        let id = members.text("id")?;
        let is_fit = (1..=NAME_BYTES_MAX).contains(&id.len());
        is_fit.then_some(id).ok_or(MemberError::Value("id"))
    };
    match members.text("on")? {
        "session" => {
            let session = SessionId::parse(id()?).ok_or(MemberError::Value("id"))?;
            Ok(Target::Session(session))
        }
        "subject" => Ok(Target::Subject(id()?.to_owned())),
        "client" => Ok(Target::Client(id()?.to_owned())),
        "tenant" => Ok(Target::Tenant(id()?.to_owned())),
        "realm" if members.has("id") => Err(MemberError::Value("id")),
        "realm" => Ok(Target::Realm),
        _ => Err(MemberError::Value("on")),
    }
}

pub(super) fn read_beat(members: &Members) -> Result<Beat, MemberError> {
    members.check_names(&["v", "beat", "seq"])?;
    Ok(Beat {
        number: members.whole("beat")?,
        seq: Seq(members.whole("seq")?),
    })
}

pub(super) fn read_hello(members: &Members) -> Result<Hello, MemberError> {
    members.check_names(&["v", "run", "first", "next", "more"])?;
    let hello = Hello {
        run: members.whole("run")?,
        first: Seq(members.whole("first")?),
        next: Seq(members.whole("next")?),
        has_more: members.truth("more")?,
    };
    if hello.first > hello.next {
        return Err(MemberError::Value("first"));
    }
    Ok(hello)
}

#[derive(Serialize)]
struct WrittenChange<'a> {
    v: u64,
    seq: u64,
    on: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    kind: &'static str,
    at: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<u64>,
}

#[derive(Serialize)]
struct WrittenBeat {
    v: u64,
    beat: u64,
    seq: u64,
}

#[derive(Serialize)]
struct WrittenHello {
    v: u64,
    run: u64,
    first: u64,
    next: u64,
    more: bool,
}

pub(super) fn write_change(change: &Change) -> String {
    let session;
    let (on, id) = match &change.target {
        Target::Session(id) => {
            session = id.to_string();
            ("session", Some(session.as_str()))
        }
        Target::Subject(id) => ("subject", Some(id.as_str())),
        Target::Client(id) => ("client", Some(id.as_str())),
        Target::Tenant(id) => ("tenant", Some(id.as_str())),
        Target::Realm => ("realm", None),
    };
    let kind = match change.kind {
        Kind::Ended => "ended",
        Kind::Changed => "changed",
    };
    text(&WrittenChange {
        v: VERSION,
        seq: change.seq.0,
        on,
        id,
        kind,
        at: change.at.0,
        until: change.until.map(|until| until.0),
    })
}

pub(super) fn write_beat(beat: Beat) -> String {
    text(&WrittenBeat {
        v: VERSION,
        beat: beat.number,
        seq: beat.seq.0,
    })
}

pub(super) fn write_hello(hello: Hello) -> String {
    text(&WrittenHello {
        v: VERSION,
        run: hello.run,
        first: hello.first.0,
        next: hello.next.0,
        more: hello.has_more,
    })
}

fn text(line: &impl Serialize) -> String {
    serde_json::to_string(line).expect("invariant: texts and numbers are JSON")
}
