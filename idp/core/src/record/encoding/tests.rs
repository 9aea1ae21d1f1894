use proptest::prelude::*;

use super::*;

fn client() -> Client {
    Client {
        id: ClientId::parse("web").unwrap(),
        tenant: TenantId::parse("t").unwrap(),
        secrets: Secrets::Confidential(vec![SecretDigest::from_bytes([7; 32])]),
        redirect_uris: vec!["https://a.example/cb".to_owned()],
        logout_uris: Vec::new(),
        backchannel_logout_uri: Some("https://a.example/out".to_owned()),
        grants: BTreeSet::from([Grant::AuthorizationCode, Grant::RefreshToken]),
        scopes: Scopes::parse("a b").unwrap(),
        roles: vec!["r".to_owned()],
        audience: vec!["s".to_owned()],
        consents: Consents::Asked,
        introspects: Introspects::Tenant,
        lifetimes: Lifetimes::PAYMENT,
        is_enabled: true,
        generation: Generation(9),
    }
}

fn session() -> Session {
    Session {
        id: SessionId([1; 16]),
        user: Some(UserId([2; 16])),
        login: Some(LoginId([3; 16])),
        client: ClientId::parse("web").unwrap(),
        tenant: TenantId::parse("t").unwrap(),
        scopes: Scopes::parse("a b").unwrap(),
        amr: vec!["pwd".to_owned()],
        auth_time: Some(UnixSeconds(5)),
        began_at: UnixSeconds(6),
        ends_at: UnixSeconds(7),
        idle: Some(Duration::from_secs(8)),
        generations: Generations {
            user: Generation(1),
            client: Generation(2),
            tenant: Generation(3),
            realm: Generation(4),
        },
        standing: Standing::Over {
            at: UnixSeconds(9),
            cause: Cause::Revoked,
        },
    }
}

/// In the order of their kinds.
fn every_kind() -> Vec<Record> {
    [of_people(), of_sessions(), of_the_relay(), vec![keyring()]].concat()
}

fn of_people() -> Vec<Record> {
    let tenant = TenantId::parse("t").unwrap();
    let name = Username::parse("n").unwrap();
    let owners = (UserId([2; 16]), ClientId::parse("web").unwrap());
    let scopes = Scopes::parse("a").unwrap();
    let at = UnixSeconds(3);
    vec![
        Record::Realm(Realm {
            generation: Generation(1),
        }),
        Record::Tenant(Tenant {
            id: tenant.clone(),
            is_enabled: false,
            generation: Generation(2),
        }),
        Record::Client(client()),
        Record::User(User {
            id: owners.0,
            tenant: tenant.clone(),
            name: name.clone(),
            password: PasswordHash("$argon2id$".to_owned()),
            roles: vec!["r".to_owned()],
            is_enabled: true,
            generation: Generation(1),
        }),
        Record::Username(NameOf {
            tenant: tenant.clone(),
            name,
            user: owners.0,
        }),
        Record::Lockout(Lockout {
            id: LockoutId::Stranger(7),
            failures: 3,
            last_failed_at: at,
            locked_until: Some(at),
        }),
        Record::Consent(Consent {
            user: owners.0,
            client: owners.1.clone(),
            scopes: scopes.clone(),
            given_at: at,
        }),
        Record::Login(Login {
            id: LoginId([3; 16]),
            user: owners.0,
            tenant,
            signed_in_at: at,
            used_at: at,
            ends_at: at,
            amr: vec!["pwd".to_owned()],
            generations: Generations::default(),
            standing: Standing::Live,
            sessions: vec![SessionId([1; 16]), SessionId([2; 16])],
        }),
    ]
}

fn of_sessions() -> Vec<Record> {
    let client = ClientId::parse("web").unwrap();
    let scopes = Scopes::parse("a").unwrap();
    let (digest, at) = (TokenDigest::from_bytes([4; 16]), UnixSeconds(3));
    vec![
        Record::Code(Code {
            digest,
            client: client.clone(),
            redirect_uri: "https://a.example/cb".to_owned(),
            challenge: [8; 32],
            nonce: Some("n".to_owned()),
            scopes: scopes.clone(),
            login: LoginId([3; 16]),
            generations: Generations::default(),
            expires_at: at,
            state: CodeState::Redeemed(SessionId([1; 16])),
            forgotten_at: at,
        }),
        Record::Session(session()),
        Record::SessionOf(SessionOf {
            owner: Owner::Client(client.clone()),
            session: SessionId([1; 16]),
            ends_at: at,
        }),
        Record::LastUse(LastUse {
            session: SessionId([1; 16]),
            at,
            ends_at: at,
        }),
        Record::Access(Access {
            digest,
            session: SessionId([1; 16]),
            scopes,
            issued_at: at,
            expires_at: at,
        }),
        Record::Refresh(Refresh {
            id: FamilyId([5; 16]),
            salt: FamilySalt::new([6; 16]),
            client,
            session: SessionId([1; 16]),
            family: Family {
                current: 7,
                advanced_at: at,
                standing: FamilyStanding::Live,
            },
            ends_at: at,
        }),
    ]
}

fn of_the_relay() -> Vec<Record> {
    let change = Change {
        target: Target::Subject("s".to_owned()),
        kind: Kind::Ended,
        at: UnixSeconds(1),
        until: None,
    };
    let at = UnixSeconds(3);
    vec![
        Record::Relay(Relay { seq: Seq(1) }),
        Record::Epoch(Epoch {
            target: Target::Realm,
            seq: Seq(2),
            ends_at: None,
        }),
        Record::Published(Published {
            seq: Seq(3),
            change,
            forgotten_at: at,
        }),
    ]
}

fn keyring() -> Record {
    let key = |byte| PrivateKey::stored(Algorithm::EdDsa, Zeroizing::new(vec![byte; 3]));
    let held = |byte| Held {
        key: key(byte),
        since: UnixSeconds(byte.into()),
    };
    let secret = |byte| KeySecret::new([byte; 32]);
    let filter = |id, byte| FilterSecret {
        id: FilterKeyId::new(id).unwrap(),
        secret: secret(byte),
    };
    Record::Keyring(Box::new(Keyring {
        signing: SigningKeys {
            active: held(1),
            next: held(2),
            retired: vec![Retired {
                key: key(3),
                until: UnixSeconds(3),
            }],
        },
        filter: FilterRing {
            tagging: filter(15, 4),
            other: Some(OtherFilter {
                key: filter(0, 5),
                stage: FilterStage::Retired {
                    until: UnixSeconds(4),
                },
            }),
        },
        refresh: secret(6),
        client_secrets: secret(7),
        dummy_password: PasswordHash("$argon2id$".to_owned()),
        partition: 8,
    }))
}

/// What was written by an earlier build must be read by this one.
#[test]
fn a_record_never_changes_its_spelling() {
    let spelled = |record: Record| {
        let digits = |byte: u8| format!("{byte:02x}");
        record.encode().into_iter().map(digits).collect::<String>()
    };
    assert_eq!(
        spelled(Record::Session(session())),
        "010a\
         01010101010101010101010101010101\
         0102020202020202020202020202020202\
         0103030303030303030303030303030303\
         00000003776562\
         0000000174\
         00000003612062\
         0000000100000003707764\
         010000000000000005\
         0000000000000006\
         0000000000000007\
         010000000000000008\
         0000000000000001000000000000000200000000000000030000000000000004\
         02000000000000000902"
    );
    assert_eq!(
        spelled(Record::Client(client())),
        "0103\
         00000003776562\
         0000000174\
         0200000001\
         0707070707070707070707070707070707070707070707070707070707070707\
         000000010000001468747470733a2f2f612e6578616d706c652f6362\
         00000000\
         010000001568747470733a2f2f612e6578616d706c652f6f7574\
         000000020102\
         00000003612062\
         000000010000000172\
         000000010000000173\
         0102\
         0000000000000258010000000000000384000000000000a8c0\
         010000000000000009"
    );
}

#[test]
fn every_kind_of_record_is_read_back_as_it_was_written() {
    for (record, kind) in every_kind().into_iter().zip(1..) {
        let bytes = record.encode();
        assert_eq!(bytes.first_chunk(), Some(&[VERSION, kind]));
        let read = Record::decode(&bytes).unwrap();
        assert_eq!(format!("{read:?}"), format!("{record:?}"));
        assert_eq!(read.encode(), bytes);
        assert_eq!(read.key(), record.key());
    }
    assert_eq!(every_kind().len(), 18);
}

#[test]
fn a_record_that_is_cut_longer_or_of_another_version_is_refused() {
    for record in every_kind() {
        let bytes = record.encode();
        for end in 0..bytes.len() {
            assert!(
                Record::decode(&bytes[..end]).is_err(),
                "{record:?} cut at {end}"
            );
        }
        let longer = [bytes.as_slice(), &[0]].concat();
        assert_eq!(Record::decode(&longer).err(), Some(DecodeError::Long));
        let other = [&[VERSION + 1], &bytes[1..]].concat();
        assert_eq!(
            Record::decode(&other).err(),
            Some(DecodeError::Version(VERSION + 1))
        );
    }
}

#[test]
fn a_second_spelling_of_the_same_record_is_refused() {
    let refused = |record: Record, (from, to): (&[u8], &[u8])| {
        let mut bytes = record.encode();
        let at = bytes
            .windows(from.len())
            .rposition(|it| it == from)
            .unwrap();
        bytes[at..at + from.len()].copy_from_slice(to);
        assert_eq!(
            Record::decode(&bytes).err(),
            Some(DecodeError::Value),
            "{record:?}"
        );
    };
    refused(every_kind().remove(4), (b"\0\0\0\x01n", b"\0\0\0\x01N"));
    refused(Record::Session(session()), (b"a b", b"b a"));
    refused(Record::Session(session()), (b"a b", b"a a"));
    refused(
        Record::Client(client()),
        (&[0, 0, 0, 2, 1, 2], &[0, 0, 0, 2, 2, 1]),
    );
    refused(
        Record::Client(client()),
        (&[0, 0, 0, 2, 1, 2], &[0, 0, 0, 2, 1, 1]),
    );
}

#[test]
fn a_count_that_lies_allocates_nothing() {
    // A login's list of sessions, said to be of four thousand millions.
    let mut bytes = every_kind().remove(7).encode();
    let at = bytes.len() - 36;
    bytes[at..at + 4].copy_from_slice(&[0xff; 4]);
    assert_eq!(Record::decode(&bytes).err(), Some(DecodeError::Short));
}

proptest! {
    #[test]
    fn any_bytes_are_a_record_with_one_spelling_or_an_error(
        kind in 0..20_u8, rest in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let bytes = [&[VERSION, kind], rest.as_slice()].concat();
        if let Ok(record) = Record::decode(&bytes) {
            prop_assert_eq!(record.encode(), bytes);
        }
    }

    #[test]
    fn a_changed_byte_is_an_error_or_another_record(at in 0..400_usize, flip in 1..=255_u8) {
        for record in every_kind() {
            let mut bytes = record.encode();
            let at = at % bytes.len();
            bytes[at] ^= flip;
            if let Ok(read) = Record::decode(&bytes) {
                prop_assert_eq!(read.encode(), bytes);
            }
        }
    }
}
