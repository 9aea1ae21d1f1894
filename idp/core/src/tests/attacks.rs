//! The attacks that RFC 6819, RFC 9700 and RFC 8725 warn of, as far as rules can answer them: one
//! test each, named for what holds. What signatures and headers of JWTs can be made to say is
//! tested where they are read, in `idp-token`.

use crate::admin::Order;
use crate::authorize::{ConsentAnswer, Outcome, Person};
use crate::client::ClientProblem;
use crate::decision::Decision;
use crate::introspect::Answer;
use crate::login::{self, Claimant, FAILURES_MAX, Verdict};
use crate::notice::Notice;
use crate::refusal::Refusal;
use crate::resolve::Resolved;
use crate::revoke::Revoked;
use crate::sign_out::{self, Hint, SignOut};
use crate::store::{Key, Kind};

use super::world::*;

fn page(outcome: &Outcome) -> Option<Refusal> {
    match outcome {
        Outcome::Page(refusal) => Some(*refusal),
        Outcome::SignIn(_) | Outcome::Consent(..) | Outcome::Redirect(_) => None,
    }
}

fn location(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Redirect(to) => to.as_str().to_owned(),
        Outcome::Page(_) | Outcome::SignIn(_) | Outcome::Consent(..) => panic!("{outcome:?}"),
    }
}

fn error(outcome: &Outcome) -> Option<String> {
    parameter(&location(outcome), "error")
}

// Codes.

#[test]
fn a_replayed_code_ends_what_it_began() {
    let world = World::new();
    let code = world.code(world.login());
    let issued = world.redeem(&code).unwrap();
    world.pass(3600);
    assert_eq!(world.redeem(&code).err(), Some(Refusal::InvalidGrant));
    assert!(world.is_over(issued.session));
    assert!(!world.is_active(issued.access_token.as_str()));
    assert!(world.refresh(&refresh_of(&issued)).is_err());
}

#[test]
fn a_code_is_refused_once_its_minute_is_over() {
    let world = World::new();
    let login = world.login();
    let (in_time, late) = (world.code(login), world.code(login));
    world.pass(59);
    assert!(world.redeem(&in_time).is_ok());
    world.pass(1);
    assert_eq!(world.redeem(&late).err(), Some(Refusal::InvalidGrant));
}

/// A stolen code is worth nothing without the verifier, and one wrong guess takes it from the
/// thief as well as from its owner.
#[test]
fn a_code_without_its_own_verifier_is_burnt() {
    let other = "a".repeat(43);
    let cases = [
        ("code_verifier", ""),
        ("code_verifier", other.as_str()),
        ("code_verifier", CHALLENGE),
        ("code_verifier", &VERIFIER[..42]),
        ("redirect_uri", ""),
        ("redirect_uri", "https://web.example/callback/"),
        ("redirect_uri", "https://web.example/CALLBACK"),
    ];
    for change in cases {
        let world = World::new();
        let code = world.code(world.login());
        let stolen = world.ask(&redemption_with(&code, &[change]));
        assert_eq!(stolen.err(), Some(Refusal::InvalidGrant), "{change:?}");
        assert_eq!(
            world.redeem(&code).err(),
            Some(Refusal::InvalidGrant),
            "{change:?}"
        );
        assert!(world.stored(Kind::Session).is_empty());
    }
}

/// A challenge is made by the client, so one that guards next to nothing is noticed here only.
#[test]
fn a_verifier_that_could_be_guessed_is_refused() {
    use base64::Engine;

    for verifier in [
        "a".repeat(42),
        "a".repeat(129),
        format!("{}!", "a".repeat(42)),
    ] {
        let world = World::new();
        let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, verifier.as_bytes());
        let challenge = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(hash);
        let query = query(&[("code_challenge", challenge.as_str())]);
        let to = location(&world.authorize(&query, person(world.login())));
        let code = parameter(&to, "code").unwrap();
        let body = redemption_with(&code, &[("code_verifier", verifier.as_str())]);
        assert_eq!(
            world.ask(&body).err(),
            Some(Refusal::InvalidGrant),
            "{verifier}"
        );
    }
}

#[test]
fn a_code_is_refused_to_another_client_and_burnt() {
    let world = World::new();
    let code = world.code(world.login());
    let body = redemption_with(
        &code,
        &[("client_id", "partner"), ("client_secret", SECRET)],
    );
    assert_eq!(world.ask(&body).err(), Some(Refusal::InvalidGrant));
    assert_eq!(world.redeem(&code).err(), Some(Refusal::InvalidGrant));
}

#[test]
fn a_code_nobody_was_given_and_other_tokens_are_no_codes() {
    let world = World::new();
    let issued = world.begin();
    let cookie = world.sign_in("ada", Verdict::Matches).unwrap().cookie;
    for text in [
        "tg_ac_AAAAAAAAAAAAAAAAAAAAAA",
        "x",
        cookie.as_str(),
        issued.access_token.as_str(),
        &refresh_of(&issued),
    ] {
        assert_eq!(
            world.redeem(text).err(),
            Some(Refusal::InvalidGrant),
            "{text}"
        );
    }
}

#[test]
fn a_code_of_somebody_who_signed_out_meanwhile_is_refused() {
    let world = World::new();
    let login = world.login();
    let code = world.code(login);
    let asked = SignOut {
        login: Some(login),
        is_confirmed: true,
        ..SignOut::default()
    };
    let now = world.now();
    let _: Decision<_> = world.run(|view, _| sign_out::sign_out(view, &asked, now));
    assert_eq!(world.redeem(&code).err(), Some(Refusal::InvalidGrant));
}

// PKCE.

#[test]
fn pkce_cannot_be_left_out_or_weakened() {
    let world = World::new();
    let login = world.login();
    let long = "A".repeat(44);
    #[rustfmt::skip]
    let cases: [&[(&str, &str)]; 6] = [
        &[("code_challenge", ""), ("code_challenge_method", "")],
        &[("code_challenge", "")],
        &[("code_challenge_method", "")],
        &[("code_challenge_method", "plain"), ("code_challenge", VERIFIER)],
        &[("code_challenge_method", "s256")],
        &[("code_challenge", long.as_str())],
    ];
    for changes in cases {
        let outcome = world.authorize(&query(changes), person(login));
        assert_eq!(
            error(&outcome).as_deref(),
            Some("invalid_request"),
            "{changes:?}"
        );
    }
    assert!(world.stored(Kind::Code).is_empty());
}

// Where codes go.

#[test]
fn a_redirect_uri_that_is_not_registered_byte_for_byte_gets_a_page_and_no_redirect() {
    let world = World::new();
    let login = world.login();
    for uri in [
        "",
        "https://web.example/callback/",
        "https://web.example/callback?a=b",
        "https://web.example/callback#a",
        "https://web.example/Callback",
        "https://WEB.example/callback",
        "https://web.example:443/callback",
        "https://web.example/x/../callback",
        "https://web.example/callback%00",
        "https://web.example.evil.example/callback",
        "https://web.example@evil.example/callback",
        "https://evil.example/callback",
        "http://web.example/callback",
        "//web.example/callback",
        "javascript:alert(1)",
        " https://web.example/callback",
        "https://partner.example/cb?from=bank",
    ] {
        let outcome = world.authorize(&query(&[("redirect_uri", uri)]), person(login));
        assert_eq!(page(&outcome), Some(Refusal::InvalidRequest), "{uri}");
    }
}

#[test]
fn a_client_that_is_not_known_gets_a_page_and_no_redirect() {
    let world = World::new();
    let login = world.login();
    for client in ["", "nobody", "we", "WEB", "web%00", "web/../web"] {
        let outcome = world.authorize(&query(&[("client_id", client)]), person(login));
        assert_eq!(page(&outcome), Some(Refusal::InvalidClient), "{client}");
    }
}

#[test]
fn a_redirect_uri_that_could_mean_two_places_is_never_registered() {
    #[rustfmt::skip]
    let cases = [
        ("https://a.example/cb",            true),
        ("https://a.example:8443/cb?x=y",   true),
        ("http://127.0.0.1:3000/cb",        true),
        ("http://[::1]:3000/cb",            true),
        ("com.example.app:/cb",             true),
        ("http://a.example/cb",             false),
        ("https://*.example/cb",            false),
        ("https://a.example/cb#f",          false),
        ("https://a@b.example/cb",          false),
        ("https://a.example\\@b.example/",  false),
        ("https:///cb",                     false),
        ("https:a.example",                 false),
        ("javascript:alert(1)",             false),
        ("data:text/html,x",                false),
        ("/cb",                             false),
        ("https://a.example/c b",           false),
        ("https://a.example/\r\nx: y",      false),
        ("http://localhost.evil.example/",  false),
    ];
    let world = World::new();
    for (uri, expected) in cases {
        let client = world.client("web");
        let changed = crate::client::Client {
            redirect_uris: vec![uri.to_owned()],
            ..client
        };
        let found = changed.check();
        assert_eq!(found.is_ok(), expected, "{uri}: {found:?}");
        assert!(
            expected || found == Err(ClientProblem::RedirectUri),
            "{uri}"
        );
    }
}

/// Only a client and redirect URI that are known to be good ever get an error by redirect.
#[test]
fn nobody_is_redirected_for_a_parameter_that_is_there_twice() {
    let world = World::new();
    let login = world.login();
    for name in [
        "redirect_uri",
        "client_id",
        "state",
        "scope",
        "code_challenge",
        "anything",
    ] {
        let doubled = format!("{}&{name}=x&{name}=y", query(&[]));
        let outcome = world.authorize(&doubled, person(login));
        assert_eq!(page(&outcome), Some(Refusal::InvalidRequest), "{name}");
    }
    let body = format!("{}&code=x", redemption("y"));
    assert_eq!(world.ask(&body).err(), Some(Refusal::InvalidRequest));
}

#[test]
fn what_is_sent_back_cannot_add_to_the_location() {
    let world = World::new();
    let state = "a&code=evil#\r\nSet-Cookie: x=\"";
    let outcome = world.authorize(&query(&[("state", state)]), person(world.login()));
    let location = location(&outcome);
    assert!(
        location.bytes().all(|byte| byte.is_ascii_graphic()),
        "{location}"
    );
    assert!(!location.contains(['#', '"']));
    assert_eq!(parameter(&location, "state").as_deref(), Some(state));
    assert_ne!(parameter(&location, "code").as_deref(), Some("evil"));
}

#[test]
fn every_redirect_names_its_issuer_against_mix_ups() {
    let world = World::new();
    let login = world.login();
    let iss = |outcome: &Outcome| parameter(&location(outcome), "iss");
    let good = world.authorize(&query(&[]), person(login));
    let refused = world.authorize(&query(&[("scope", "unknown")]), person(login));
    let unasked = world.authorize(&query(&[("prompt", "none")]), NOBODY);
    for outcome in [good, refused, unasked] {
        assert_eq!(
            iss(&outcome).as_deref(),
            Some("https://id.example"),
            "{outcome:?}"
        );
        let state = parameter(&location(&outcome), "state");
        assert_eq!(state.as_deref(), Some("a state"));
    }
}

#[test]
fn tokens_are_never_sent_through_a_browser() {
    let world = World::new();
    let login = world.login();
    for kind in ["token", "id_token", "code token", "code id_token", "none"] {
        let outcome = world.authorize(&query(&[("response_type", kind)]), person(login));
        assert_eq!(
            error(&outcome).as_deref(),
            Some("unsupported_response_type"),
            "{kind}"
        );
    }
    for mode in ["fragment", "form_post", "query.jwt"] {
        let outcome = world.authorize(&query(&[("response_mode", mode)]), person(login));
        assert_eq!(
            error(&outcome).as_deref(),
            Some("invalid_request"),
            "{mode}"
        );
    }
}

#[test]
fn a_request_object_is_neither_read_nor_fetched() {
    let world = World::new();
    let login = world.login();
    let cases = [
        ("request", "eyJhbGciOiJub25lIn0..", "request_not_supported"),
        (
            "request_uri",
            "http://10.0.0.1/",
            "request_uri_not_supported",
        ),
    ];
    for (name, value, expected) in cases {
        let outcome = world.authorize(&query(&[(name, value)]), person(login));
        assert_eq!(error(&outcome).as_deref(), Some(expected));
    }
}

// Scopes and consent.

#[test]
fn a_client_gets_no_scope_beyond_its_own() {
    let world = World::new();
    let login = world.login();
    for scope in [
        "",
        "money.admin",
        "money.read money.admin",
        "money.read  openid",
    ] {
        let outcome = world.authorize(&query(&[("scope", scope)]), person(login));
        assert_eq!(error(&outcome).as_deref(), Some("invalid_scope"), "{scope}");
    }
    let body = "grant_type=client_credentials&scope=money.read+money.admin";
    let robot = format!("robot:{SECRET}");
    assert_eq!(
        world.ask_as(Some(&robot), body).err(),
        Some(Refusal::InvalidScope)
    );
}

#[test]
fn a_refresh_widens_no_scope() {
    let world = World::new();
    let first = refresh_of(&world.begin());
    let body = |scope| format!("{}&scope={scope}", renewal(&first));
    let wider = world.ask(&body("money.read+money.write"));
    assert_eq!(wider.err(), Some(Refusal::InvalidScope));
    let narrower = world.ask(&body("money.read")).unwrap();
    assert_eq!(narrower.scopes, scopes("money.read"));
    let again = world.refresh(&refresh_of(&narrower)).unwrap();
    assert_eq!(again.scopes, scopes("money.read openid"));
}

#[test]
fn somebody_elses_client_gets_nothing_without_consent() {
    let world = World::new();
    let login = world.login();
    let partner = [
        ("client_id", "partner"),
        ("redirect_uri", "https://partner.example/cb?from=bank"),
    ];
    let of_partner = query(&partner);
    let wider = query(&[partner[0], partner[1], ("scope", "money.write")]);
    let answered = |answer| Person {
        answer: Some(answer),
        ..person(login)
    };
    let asks = |outcome: &Outcome| matches!(outcome, Outcome::Consent(..));

    assert!(asks(&world.authorize(&of_partner, person(login))));
    let silent = query(&[partner[0], partner[1], ("prompt", "none")]);
    let outcome = world.authorize(&silent, person(login));
    assert_eq!(error(&outcome).as_deref(), Some("consent_required"));
    let outcome = world.authorize(&of_partner, answered(ConsentAnswer::Deny));
    assert_eq!(error(&outcome).as_deref(), Some("access_denied"));
    assert!(world.stored(Kind::Code).is_empty());

    let allowed = location(&world.authorize(&of_partner, answered(ConsentAnswer::Allow)));
    assert!(
        allowed.starts_with("https://partner.example/cb?from=bank&code="),
        "{allowed}"
    );
    assert!(
        parameter(
            &location(&world.authorize(&of_partner, person(login))),
            "code"
        )
        .is_some()
    );
    assert!(
        asks(&world.authorize(&wider, person(login))),
        "for what is new"
    );
    location(&world.authorize(&wider, answered(ConsentAnswer::Allow)));
    for given in [&of_partner, &wider] {
        assert!(!asks(&world.authorize(given, person(login))), "{given}");
    }
}

#[test]
fn a_person_of_one_tenant_is_nobody_to_a_client_of_another() {
    let world = World::new();
    let eve = world.sign_in("eve", Verdict::Matches).unwrap().login;
    let outcome = world.authorize(&query(&[]), person(eve));
    assert!(matches!(outcome, Outcome::SignIn(_)), "{outcome:?}");
}

// Refresh tokens.

#[test]
fn an_older_refresh_token_however_old_ends_the_session_for_everybody() {
    for age in 1..6 {
        let world = World::new();
        let begun = world.begin();
        let mut chain = vec![refresh_of(&begun)];
        for _ in 0..5 {
            let issued = world.refresh(chain.last().unwrap()).unwrap();
            chain.push(refresh_of(&issued));
            world.pass(11);
        }
        let old = &chain[chain.len() - 1 - age];
        assert_eq!(
            world.refresh(old).err(),
            Some(Refusal::InvalidGrant),
            "{age}"
        );
        assert!(world.is_over(begun.session), "{age}");
        let newest = chain.last().unwrap();
        assert_eq!(
            world.refresh(newest).err(),
            Some(Refusal::InvalidGrant),
            "{age}"
        );
    }
}

#[test]
fn a_client_whose_answer_was_lost_gets_the_same_successor_for_ten_seconds() {
    let world = World::new();
    let begun = world.begin();
    let first = refresh_of(&begun);
    let successor = refresh_of(&world.refresh(&first).unwrap());
    world.pass(10);
    assert_eq!(refresh_of(&world.refresh(&first).unwrap()), successor);
    assert!(!world.is_over(begun.session));
    world.pass(1);
    assert!(world.refresh(&first).is_err());
    assert!(world.is_over(begun.session));
}

#[test]
fn a_refresh_token_is_refused_to_another_client_and_lives_on() {
    let world = World::new();
    let begun = world.begin();
    let token = refresh_of(&begun);
    let body = format!("grant_type=refresh_token&refresh_token={token}");
    let partner = format!("partner:{SECRET}");
    let foreign = world.ask_as(Some(&partner), &body);
    assert_eq!(foreign.err(), Some(Refusal::InvalidGrant));
    assert!(world.refresh(&token).is_ok());
}

#[test]
fn a_refresh_token_that_was_never_handed_out_ends_the_session() {
    let world = World::new();
    let begun = world.begin();
    let stored = world.stored(Kind::Refresh).remove(0);
    let crate::record::Record::Refresh(refresh) = stored.record else {
        panic!("a family");
    };
    let forged = idp_token::refresh::RefreshToken {
        partition: 0,
        family: refresh.id,
        counter: 9,
    };
    let spelled = forged.spell(&world.provider.refresh_key, &refresh.salt);
    assert!(world.refresh(spelled.as_str()).is_err());
    assert!(world.is_over(begun.session));
}

#[test]
fn a_forged_refresh_token_is_refused_and_harms_nobody() {
    let world = World::new();
    let begun = world.begin();
    let token = refresh_of(&begun);
    let mut forged = token.clone().into_bytes();
    let last = forged.last_mut().unwrap();
    *last = if *last == b'A' { b'E' } else { b'A' };
    let forged = String::from_utf8(forged).unwrap();
    assert_eq!(world.refresh(&forged).err(), Some(Refusal::InvalidGrant));
    assert!(world.refresh(&token).is_ok());
}

// Clients.

#[test]
fn a_client_that_does_not_exist_is_told_what_one_with_a_wrong_secret_is() {
    let world = World::new();
    let body = "grant_type=client_credentials";
    let in_body = |id: &str, secret: &str| format!("{body}&client_id={id}&client_secret={secret}");
    let refused = [
        world.ask_as(Some(&format!("nobody:{SECRET}")), body),
        world.ask_as(Some("robot:wrong"), body),
        world.ask_as(Some("robot:"), body),
        world.ask_as(Some("robot"), body),
        world.ask(&in_body("robot", "wrong")),
        world.ask(&in_body("nobody", SECRET)),
        world.ask(&format!("{body}&client_id=robot")),
        world.ask(body),
        world.ask(&format!("{}&client_secret={SECRET}", redemption("x"))),
        world.ask(&format!("{body}&client_assertion=x")),
    ];
    for refusal in refused {
        assert_eq!(refusal.err(), Some(Refusal::InvalidClient));
    }
    assert!(world.ask_as(Some(&format!("robot:{SECRET}")), body).is_ok());
    assert!(world.ask(&in_body("robot", SECRET)).is_ok());
}

#[test]
fn a_client_proves_itself_in_one_way_at_a_time() {
    let world = World::new();
    let robot = format!("robot:{SECRET}");
    for more in [
        format!("client_secret={SECRET}"),
        "client_id=service".to_owned(),
    ] {
        let body = format!("grant_type=client_credentials&{more}");
        let found = world.ask_as(Some(&robot), &body).err();
        assert_eq!(found, Some(Refusal::InvalidRequest), "{more}");
    }
}

#[test]
fn a_client_uses_no_grant_that_it_was_not_given() {
    let world = World::new();
    let robot = format!("robot:{SECRET}");
    let service = format!("service:{SECRET}");
    #[rustfmt::skip]
    let cases = [
        (&robot,   "grant_type=authorization_code&code=x", Refusal::UnauthorizedClient),
        (&robot,   "grant_type=refresh_token",             Refusal::UnauthorizedClient),
        (&service, "grant_type=client_credentials",        Refusal::UnauthorizedClient),
        (&robot,   "grant_type=password&username=ada",     Refusal::UnsupportedGrantType),
        (&robot,   "grant_type=implicit",                  Refusal::UnsupportedGrantType),
        (&robot,   "grant_type=",                          Refusal::InvalidRequest),
    ];
    for (client, body, expected) in cases {
        assert_eq!(
            world.ask_as(Some(client), body).err(),
            Some(expected),
            "{body}"
        );
    }
    assert_eq!(
        world
            .ask("grant_type=client_credentials&client_id=web")
            .err(),
        Some(Refusal::UnauthorizedClient)
    );
}

#[test]
fn a_client_can_never_be_taken_for_a_person() {
    let world = World::new();
    let client = crate::client::Client {
        id: client_id(&ADA.to_string()),
        ..world.client("robot")
    };
    assert_eq!(client.check(), Err(ClientProblem::Id));
}

// Oracles.

#[test]
fn introspection_tells_nobody_why_a_token_is_not_good() {
    let world = World::new();
    let good = world.begin();
    let ended = world.begin();
    world.order(Order::EndSession(ended.session));
    let expired = world.begin();
    let old = refresh_of(&good);
    let newest = world.refresh(&old).unwrap();
    let tokens = |token: &str| world.introspect("service", token);
    let inactive = Ok(Answer::Inactive);

    assert_ne!(tokens(good.access_token.as_str()), inactive);
    let foreign = world.introspect("foreign", good.access_token.as_str());
    let own_only = world.introspect("robot", good.access_token.as_str());
    let unknown = idp_token::reference::ReferenceToken::mint(
        &world.provider.filter_keys,
        0,
        idp_token::reference::AbsoluteEnd::new(world.now().after(crate::record::Lockout::SPAN))
            .unwrap(),
        [9; 16],
    );
    for answer in [
        foreign,
        own_only,
        tokens(unknown.spell().as_str()),
        tokens(ended.access_token.as_str()),
        tokens(&refresh_of(&ended)),
        tokens(&old),
        tokens(&refresh_of(&newest)),
        tokens("x"),
        tokens("tg_at_"),
    ] {
        assert_eq!(answer, inactive);
    }
    world.pass(600);
    assert_eq!(tokens(expired.access_token.as_str()), inactive);
}

#[test]
fn who_asks_about_a_token_is_authenticated_before_it_is_looked_at() {
    let world = World::new();
    let token = world.begin().access_token;
    let body = format!("token={}", token.as_str());
    let now = world.now();
    for asking in [
        asking(Some("Basic c2VydmljZTp3cm9uZw=="), &body),
        asking(None, &body),
        asking(None, &format!("client_id=web&{body}")),
    ] {
        let rule = |view: &crate::view::View, _: &_| {
            let found = crate::introspect::introspect(view, &world.provider, &asking, now);
            let name = world.name(token.as_str());
            for key in [Key::Access(name.digest), Key::Session(name.session())] {
                assert!(view.peek(&key).is_none());
            }
            found
        };
        assert_eq!(world.run(rule).answer, Err(Refusal::InvalidClient));
    }
}

#[test]
fn giving_back_a_token_tells_nothing_of_it() {
    let world = World::new();
    let begun = world.begin();
    let other = "client_id=partner&client_secret=a-secret-of-256-bits";
    let foreign = format!("{other}&token={}", begun.access_token.as_str());
    assert_eq!(world.revoke(&foreign), Ok(Revoked));
    assert!(!world.is_over(begun.session));
    assert_eq!(
        world.revoke("client_id=web&token=x&token_type_hint=y"),
        Ok(Revoked)
    );

    let own = format!("client_id=web&token={}", begun.access_token.as_str());
    assert_eq!(world.revoke(&own), Ok(Revoked));
    assert!(world.is_over(begun.session));
    assert_eq!(world.revoke(&own), Ok(Revoked));
}

/// The same records are read and written, whether there is such a person or not.
#[test]
fn a_stranger_is_refused_with_the_same_answer_for_the_same_work() {
    let work = |name: &str, verdict| {
        let world = World::new();
        let claimant = Claimant {
            tenant: tenant_id("bank"),
            name: crate::id::Username::parse(name),
        };
        let mut reads = Vec::new();
        let mut view = crate::view::View::default();
        let challenge = loop {
            match login::ask(&view, &world.provider, &claimant) {
                Ok(challenge) => break challenge,
                Err(crate::view::Need(keys)) => {
                    reads.push(keys.iter().map(Key::kind).collect::<Vec<_>>());
                    let stored = world.store.read_now(&keys);
                    view.add(keys, stored);
                }
            }
        };
        let now = world.now();
        let tried = world.run(|view, random| {
            login::sign_in(view, &world.provider, (&challenge, verdict), now, random)
        });
        let writes: Vec<_> = tried
            .transaction
            .writes()
            .iter()
            .map(|write| match write {
                crate::store::Write::Put(record) => record.key().kind(),
                crate::store::Write::Remove(key) => key.kind(),
                crate::store::Write::Raise(_) => Kind::LastUse,
            })
            .collect();
        (reads, writes, tried.answer.err())
    };
    let known = work("ada", Verdict::Differs);
    assert_eq!(known.2, Some(login::NotSignedIn));
    assert_eq!(work("nobody", Verdict::Differs), known);
    assert_eq!(
        work("nobody", Verdict::Matches),
        known,
        "the dummy is nobody's password"
    );
}

#[test]
fn ten_wrong_passwords_lock_out_for_half_an_hour_whoever_comes() {
    for name in ["ada", "nobody"] {
        let world = World::new();
        for _ in 0..FAILURES_MAX {
            assert!(world.sign_in(name, Verdict::Differs).is_err());
        }
        world.pass(30 * 60 - 1);
        assert!(world.sign_in(name, Verdict::Matches).is_err(), "{name}");
        world.pass(1);
        assert_eq!(world.sign_in(name, Verdict::Matches).is_ok(), name == "ada");
    }
}

#[test]
fn wrong_passwords_of_half_an_hour_ago_are_forgotten() {
    let world = World::new();
    for _ in 1..FAILURES_MAX {
        assert!(world.sign_in("ada", Verdict::Differs).is_err());
    }
    world.pass(30 * 60);
    assert!(world.sign_in("ada", Verdict::Differs).is_err());
    assert!(world.sign_in("ada", Verdict::Matches).is_ok());
}

#[test]
fn nobody_signs_in_who_is_disabled_or_whose_tenant_is() {
    for disable in [Order::DisableUser(ADA), set_tenant(false)] {
        let world = World::new();
        world.order(&disable);
        assert!(
            world.sign_in("ada", Verdict::Matches).is_err(),
            "{disable:?}"
        );
    }
}

#[test]
fn a_disabled_client_proves_itself_in_vain() {
    let world = World::new();
    world.order(Order::SetClient(Box::new(crate::client::Client {
        is_enabled: false,
        ..world.client("robot")
    })));
    let robot = format!("robot:{SECRET}");
    let refused = world.ask_as(Some(&robot), "grant_type=client_credentials");
    assert_eq!(refused.err(), Some(Refusal::InvalidClient));
}

#[test]
fn a_refresh_token_is_active_to_its_own_client_and_only_the_newest() {
    let world = World::new();
    world.order(Order::SetClient(Box::new(crate::client::Client {
        secrets: world.client("partner").secrets,
        ..world.client("web")
    })));
    let web = format!("web:{SECRET}");
    let code = world.code(world.login());
    let first = world.ask_as(Some(&web), &redemption(&code)).unwrap();
    let old = refresh_of(&first);
    assert_ne!(world.introspect("web", &old), Ok(Answer::Inactive));
    let next = world.ask_as(Some(&web), &renewal(&old)).unwrap();
    assert_eq!(world.introspect("web", &old), Ok(Answer::Inactive));
    let newest = refresh_of(&next);
    assert_ne!(world.introspect("web", &newest), Ok(Answer::Inactive));
    assert_eq!(world.introspect("service", &newest), Ok(Answer::Inactive));
}

/// Argon2id takes its time, and meanwhile the password may be set anew because it was stolen.
#[test]
fn an_old_password_is_refused_even_if_it_was_right_when_it_was_asked_for() {
    let world = World::new();
    let claimant = Claimant {
        tenant: tenant_id("bank"),
        name: crate::id::Username::parse("ada"),
    };
    let challenge = world.see(|view| login::ask(view, &world.provider, &claimant));
    let new = crate::record::PasswordHash("new".to_owned());
    world.order(Order::SetPassword(ADA, new));
    let now = world.now();
    let tried = world.run(|view, random| {
        let presented = (&challenge, Verdict::Matches);
        login::sign_in(view, &world.provider, presented, now, random)
    });
    assert!(tried.answer.is_err());
}

#[test]
fn nine_wrong_passwords_and_a_right_one_begin_the_count_anew() {
    let world = World::new();
    for _ in 0..3 {
        for _ in 1..FAILURES_MAX {
            assert!(world.sign_in("ada", Verdict::Differs).is_err());
        }
        assert!(world.sign_in("ada", Verdict::Matches).is_ok());
    }
}

#[test]
fn guesses_at_names_that_nobody_has_fill_no_store() {
    let world = World::new();
    for guess in 0..300 {
        assert!(
            world
                .sign_in(&format!("nobody{guess}"), Verdict::Differs)
                .is_err()
        );
    }
    let strangers = world.stored(Kind::Lockout);
    let is_bounded = |stored: &crate::store::Stored| {
        let crate::record::Record::Lockout(lockout) = &stored.record else {
            return false;
        };
        matches!(lockout.id, crate::record::LockoutId::Stranger(_))
    };
    assert!(strangers.iter().all(is_bounded));
}

// Sign-in and sign-out across sites.

#[test]
fn a_sign_in_gets_a_cookie_that_nobody_knew_before() {
    let world = World::new();
    let first = world.sign_in("ada", Verdict::Matches).unwrap();
    let second = world.sign_in("ada", Verdict::Matches).unwrap();
    assert_ne!(first.cookie.as_str(), second.cookie.as_str());
    assert_eq!(cookie_of(&first.cookie), Some(first.login));
    let stored = format!("{:?}", world.stored(Kind::Login));
    assert!(!stored.contains(first.cookie.as_str()));
}

#[test]
fn a_link_from_elsewhere_signs_nobody_out() {
    let world = World::new();
    let login = world.login();
    let code = world.code(login);
    let session = world.redeem(&code).unwrap().session;
    let other = world.begin().session;
    let now = world.now();
    let sign_out = |asked: SignOut| {
        world
            .run(|view, _| sign_out::sign_out(view, &asked, now))
            .answer
    };
    let hint = |session| {
        Some(Hint {
            session,
            client: client_id("web"),
        })
    };
    let bare = SignOut {
        login: Some(login),
        redirect_uri: Some("https://web.example/bye".to_owned()),
        ..SignOut::default()
    };
    let ask = |location: Option<&str>| sign_out::Outcome::Ask {
        location: location.map(str::to_owned),
    };
    assert_eq!(sign_out(bare.clone()), ask(None));
    let of_another = SignOut {
        hint: hint(other),
        ..bare.clone()
    };
    assert_eq!(sign_out(of_another), ask(Some("https://web.example/bye")));
    let of_other_client = SignOut {
        hint: Some(Hint {
            session,
            client: client_id("partner"),
        }),
        ..bare.clone()
    };
    assert_eq!(
        sign_out(of_other_client),
        ask(Some("https://web.example/bye"))
    );
    assert!(!world.is_over(session) && !world.is_over(other));

    let own = SignOut {
        hint: hint(session),
        state: Some("a b".to_owned()),
        ..bare
    };
    let expected = sign_out::Outcome::SignedOut {
        location: Some("https://web.example/bye?state=a%20b".to_owned()),
        notices: vec![Notice {
            uri: "https://web.example/told".to_owned(),
            client: client_id("web"),
            session,
            subject: ADA.to_string(),
        }],
    };
    assert_eq!(sign_out(own), expected);
    assert!(world.is_over(session) && !world.is_over(other));
}

#[test]
fn signing_out_leads_nowhere_that_is_not_registered() {
    for uri in [
        "https://evil.example/",
        CALLBACK,
        "https://web.example/bye/",
    ] {
        let world = World::new();
        let session = world.begin().session;
        let asked = SignOut {
            hint: Some(Hint {
                session,
                client: client_id("web"),
            }),
            redirect_uri: Some(uri.to_owned()),
            ..SignOut::default()
        };
        let now = world.now();
        let outcome = world
            .run(|view, _| sign_out::sign_out(view, &asked, now))
            .answer;
        let sign_out::Outcome::SignedOut { location, .. } = outcome else {
            panic!("{outcome:?}");
        };
        assert_eq!(location, None, "{uri}");
    }
}

#[test]
fn a_disabled_person_client_or_tenant_gets_nothing_and_what_was_ended_stays_so() {
    let orders = [
        (Order::DisableUser(ADA), Order::EnableUser(ADA)),
        (set_client(false), set_client(true)),
        (set_tenant(false), set_tenant(true)),
    ];
    for (disable, enable) in orders {
        let world = World::new();
        let begun = world.begin();
        let code = world.code(world.login());
        world.order(disable.clone());
        assert!(matches!(
            world.resolve(begun.access_token.as_str()),
            Resolved::Inactive
        ));
        assert!(world.refresh(&refresh_of(&begun)).is_err(), "{disable:?}");
        assert!(world.redeem(&code).is_err(), "{disable:?}");
        world.order(enable);
        assert!(matches!(
            world.resolve(begun.access_token.as_str()),
            Resolved::Inactive
        ));
        assert!(world.refresh(&refresh_of(&begun)).is_err(), "{disable:?}");
        assert!(
            world.refresh(&refresh_of(&world.begin())).is_ok(),
            "{disable:?}"
        );
    }
}

fn set_client(is_enabled: bool) -> Order {
    Order::SetClient(Box::new(crate::client::Client {
        is_enabled,
        ..World::new().client("web")
    }))
}

fn set_tenant(is_enabled: bool) -> Order {
    Order::SetTenant {
        id: tenant_id("bank"),
        is_enabled,
    }
}

#[test]
fn nothing_that_is_handed_out_or_handed_in_is_shown_by_debug() {
    let world = World::new();
    let signed_in = world.sign_in("ada", Verdict::Matches).unwrap();
    let redirect = world.authorize(&query(&[]), person(signed_in.login));
    let code = parameter(&location(&redirect), "code").unwrap();
    let issued = world.redeem(&code).unwrap();
    let body = redemption(&code);
    let asking = asking(Some("Basic eDp5"), &body);
    let shown = format!(
        "{signed_in:?} {redirect:?} {issued:?} {asking:?} {:?}",
        world.draw()
    );
    let refresh = refresh_of(&issued);
    for text in [
        signed_in.cookie.as_str(),
        &code,
        issued.access_token.as_str(),
        &refresh,
    ] {
        assert!(!shown.contains(&text[6..]), "{shown}");
    }
    assert!(
        !shown.contains("Basic") && !shown.contains(VERIFIER),
        "{shown}"
    );
    assert!(shown.ends_with("Random([redacted])"), "{shown}");
}

/// What is stored and what is logged open nothing.
#[test]
fn a_stolen_store_and_a_stolen_log_hold_no_token_code_cookie_or_secret() {
    let world = World::new();
    let signed_in = world.sign_in("ada", Verdict::Matches).unwrap();
    let code = world.code(signed_in.login);
    let issued = world.redeem(&code).unwrap();
    let refresh = refresh_of(&issued);
    let texts = [
        signed_in.cookie.as_str(),
        &code,
        issued.access_token.as_str(),
        &refresh,
        SECRET,
    ];
    for kind in ALL_KINDS {
        for stored in world.stored(kind) {
            let bytes = stored.record.encode();
            let shown = format!("{:?}", stored.record);
            for text in texts {
                let body = text.get(6..).unwrap_or(text);
                let secret = decoded(body);
                let holds = |part: &[u8]| bytes.windows(part.len()).any(|it| it == part);
                assert!(!holds(text.as_bytes()) && !holds(&secret), "{kind:?}");
                assert!(!shown.contains(body), "{shown}");
            }
        }
    }
}
