//! Promise: whoever has only the binary finds out how to use it: one command runs everything and says
//! what to try, and whatever is wrong is said at once, with a place and an exit code.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Output;

use hyper::Method;
use serde_json::Value;
use tempfile::TempDir;

use crate::stack::{
    Client, PATIENCE, Tollgate, default_routes, free_addresses, run, write_certificates_of_examples,
};

/// Small services, so that starting takes no time.
const SIZES: [&str; 6] = ["--members", "300", "--banks", "40", "--remittances", "3000"];

/// A file for `up` on addresses that are free, with the routes of the built-in default.
struct Site {
    file: PathBuf,
    /// Those of the pay services; the gateway chooses its own.
    services: [SocketAddr; 4],
    _folder: TempDir,
}

impl Site {
    fn new(listen: SocketAddr, admin: SocketAddr) -> Self {
        let [membership, banking, money, remittance, public, internal] = free_addresses();
        let services = [membership, banking, money, remittance];
        let rest = default_routes()
            .replace("127.0.0.1:8081", &public.to_string())
            .replace("127.0.0.1:8082", &internal.to_string());
        let text = format!(
            "listen: [{{ address: \"{listen}\" }}]
admin: {{ address: \"{admin}\" }}
services:
  membership: {{ endpoints: [\"{membership}\"] }}
  banking: {{ endpoints: [\"{banking}\"] }}
  money: {{ endpoints: [\"{money}\"] }}
  remittance: {{ endpoints: [\"{remittance}\"] }}
  directory: {{ endpoints: [\"{membership}\"], timeout: 1s, credential: none }}
  banks: {{ endpoints: [\"{banking}\"], timeout: 1s, credential: none }}
idp: {{}}
{rest}"
        );
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tollgate.yaml");
        fs::write(&file, text).unwrap();
        Self {
            file,
            services,
            _folder: folder,
        }
    }

    fn up(&self) -> Tollgate {
        let file = self.file.to_str().unwrap();
        let arguments = ["up", "--config", file, "--pay-admin", "127.0.0.1:0"];
        Tollgate::start(&[&arguments[..], &SIZES].concat())
    }
}

fn any_port() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

/// Copies of the files that are shipped: the built-in default and the examples, with the
/// certificates they name.
fn shipped_files(folder: &Path) -> Vec<PathBuf> {
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config");
    let examples = fs::read_dir(config.join("examples")).unwrap();
    let examples = examples.map(|entry| entry.unwrap().path());
    let files: Vec<_> = examples.chain([config.join("tollgate.yaml")]).collect();
    assert!(files.len() > 5, "{files:?}");
    write_certificates_of_examples(folder);
    let copy = |file: PathBuf| {
        let copied = folder.join(file.file_name().unwrap());
        fs::copy(file, &copied).unwrap();
        copied
    };
    files.into_iter().map(copy).collect()
}

fn code_and_output(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

/// The address on the line of the tour that begins with `name`.
fn address_of(tour: &str, name: &str) -> SocketAddr {
    let rows = tour
        .lines()
        .filter_map(|line| line.trim().strip_prefix(name));
    let mut urls = rows.filter_map(|row| row.trim().strip_prefix("http://"));
    let url = urls
        .next()
        .unwrap_or_else(|| panic!("no {name} in:\n{tour}"));
    let end = url.find(' ').unwrap_or(url.len());
    url[..end].parse().unwrap()
}

/// Runs a command of this program as it is proposed.
fn run_proposed(command: &str, token: &str) -> String {
    let (_, rest) = command.split_once(' ').unwrap();
    let words = rest
        .split(' ')
        .map(|word| if word == "$TOKEN" { token } else { word });
    let (code, stdout, stderr) = code_and_output(&run(&words.collect::<Vec<_>>()));
    assert_eq!(code, Some(0), "{command}: {stderr}");
    stdout.trim().to_owned()
}

/// What was revoked is refused within milliseconds, and not before.
async fn until_status(
    client: &Client,
    at: (SocketAddr, &str),
    token: Option<String>,
    expected: u16,
) {
    let shown = token.map(|token| format!("Bearer {token}"));
    let fields: Vec<_> = shown
        .iter()
        .map(|it| ("authorization", it.as_str()))
        .collect();
    let mut last = None;
    let asking = async {
        loop {
            let answer = client.send(Method::GET, at, &fields, "").await.unwrap();
            if answer.status == expected {
                return;
            }
            last = Some(answer);
        }
    };
    let asked = tokio::time::timeout(PATIENCE, asking).await;
    assert!(asked.is_ok(), "{}: {last:?}, not {expected}", at.1);
}

#[tokio::test]
async fn one_command_runs_everything_and_all_that_it_proposes_works() {
    let site = Site::new(any_port(), any_port());
    let mut process = site.up();
    let is_told = |process: &Tollgate| {
        let said = process.stdout();
        said.contains("Ctrl-C").then_some(said)
    };
    let tour = process.until("the tour is told", is_told).await;
    let gateway = address_of(&tour, "gateway");
    let names = ["membership", "banking", "money", "remittance"];
    assert_eq!(names.map(|name| address_of(&tour, name)), site.services);
    let client = Client::new();
    for (name, path) in [("admin", "/readyz"), ("pay admin", "/faults")] {
        let answer = client.get(address_of(&tour, name), path).await;
        assert_eq!(answer.status, 200, "{name}: {answer:?}");
    }

    let proposed = tour.lines().map(str::trim);
    let mut token = None;
    let mut asked = 0;
    for command in proposed {
        let (command, what) = command.split_once("  # ").unwrap_or((command, ""));
        let command = command.trim();
        if let Some(issue) = command.strip_prefix("TOKEN=$(") {
            let issued = run_proposed(issue.strip_suffix(')').unwrap(), "");
            assert!(issued.starts_with("tg_at_"), "{issued}");
            token = Some(issued);
        } else if command.contains(" token revoke ") {
            run_proposed(command, token.as_deref().unwrap());
        } else if command.starts_with("curl ") {
            let url = command.split(' ').find(|word| word.starts_with("http://"));
            let path = url.unwrap().strip_prefix(&format!("http://{gateway}"));
            let shown = command.contains("$TOKEN").then(|| token.clone().unwrap());
            let expected = match what {
                _ if command.contains("--path-as-is") => 400,
                _ if what.starts_with("refused") => 401,
                _ => 200,
            };
            until_status(&client, (gateway, path.unwrap()), shown, expected).await;
            asked += 1;
        }
    }
    assert!(token.is_some() && asked >= 6, "{tour}");
    let is_logged = |process: &Tollgate| {
        let said = process.stdout();
        let lines = said.lines().filter(|line| line.starts_with('{'));
        let lines: Vec<Value> = lines
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect();
        (lines.len() >= asked).then_some(lines)
    };
    process.until("every request has its line", is_logged).await;

    process.signal("INT");
    assert_eq!(process.exit_code().await, Some(0), "{}", process.stderr());
}

#[tokio::test]
async fn a_taken_port_is_named_with_its_key() {
    let held = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = held.local_addr().unwrap();
    for (key, site) in [
        ("`listen`", Site::new(taken, any_port())),
        ("`admin`", Site::new(any_port(), taken)),
    ] {
        let mut process = site.up();
        assert_eq!(process.exit_code().await, Some(1), "{key}");
        let said = process.stderr();
        assert!(
            said.contains(&taken.to_string()) && said.contains(key),
            "{said}"
        );
        assert_eq!(
            process.stdout(),
            "",
            "nothing is announced that does not run"
        );
    }

    let site = Site::new(any_port(), any_port());
    let _money = TcpListener::bind(site.services[2]).unwrap();
    let mut process = site.up();
    assert_eq!(process.exit_code().await, Some(1));
    let said = process.stderr();
    let address = site.services[2].to_string();
    assert!(said.contains(&address) && said.contains("money"), "{said}");
}

#[test]
fn a_broken_file_is_refused_with_every_problem_and_nothing_is_started() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tollgate.yaml");
    let text = "\
lisetn: [{ address: \"127.0.0.1:0\" }]
log: { access: ./access.log }
services: { web: { endpoints: [\"127.0.0.1\"], timeout: 10 } }
routes: [{ match: GET /a, to: wbe }]
";
    fs::write(&file, text).unwrap();
    let file = file.to_str().unwrap();
    for verb in ["check", "gateway", "up"] {
        let (code, stdout, stderr) = code_and_output(&run(&[verb, "--config", file]));
        assert_eq!((code, stdout.as_str()), (Some(64), ""), "{verb}");
        for told in [":1:1:", ":3:32:", ":3:55:", ":4:31:", "`listen`", "`web`"] {
            assert!(
                stderr.contains(told),
                "{verb} does not say {told}:\n{stderr}"
            );
        }
    }
    let (code, _, stderr) = code_and_output(&run(&["up", "--config", "/nowhere/at-all.yaml"]));
    assert_eq!(code, Some(64), "{stderr}");
    assert!(stderr.contains("/nowhere/at-all.yaml"), "{stderr}");
    assert!(!folder.path().join("access.log").exists());
}

#[test]
fn every_file_that_is_shipped_is_right_and_so_is_what_it_comes_to() {
    let folder = tempfile::tempdir().unwrap();
    for file in shipped_files(folder.path()) {
        let file = file.to_str().unwrap();
        let (code, stdout, stderr) = code_and_output(&run(&["check", "--config", file]));
        assert_eq!((code, stderr.as_str()), (Some(0), ""), "{file}");
        let (_, sum) = stdout.split_once(" is right: ").unwrap();

        let (code, effective, _) =
            code_and_output(&run(&["check", "--config", file, "--effective"]));
        assert_eq!(code, Some(0), "{file}");
        let again = folder.path().join("effective.yaml");
        fs::write(&again, effective).unwrap();
        let again = again.to_str().unwrap();
        let (code, stdout, stderr) = code_and_output(&run(&["check", "--config", again]));
        assert_eq!((code, stderr.as_str()), (Some(0), ""), "{file}");
        assert!(stdout.ends_with(sum), "{file}: {stdout}, not {sum}");
    }
}

#[test]
fn the_schema_that_editors_are_told_of_is_the_one_that_is_printed() {
    let (code, stdout, _) = code_and_output(&run(&["schema"]));
    assert_eq!(code, Some(0));
    let printed: Value = serde_json::from_str(&stdout).unwrap();
    let properties = printed["properties"].as_object().unwrap();
    assert!(properties.contains_key("routes"), "{stdout}");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/tollgate.schema.json");
    let shipped: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    assert_eq!(shipped, printed);
}

#[test]
fn every_verb_says_which_flags_it_takes() {
    let file = "--config <FILE>";
    let cases: [(&str, &[&str]); 4] = [
        (
            "up",
            &[
                file,
                "--pay-admin",
                "--members",
                "--banks",
                "--remittances",
                "--log",
            ],
        ),
        ("gateway", &[file, "--log"]),
        ("check", &[file, "--effective"]),
        ("schema", &[]),
    ];
    let (code, verbs, _) = code_and_output(&run(&["--help"]));
    assert_eq!(code, Some(0));
    for (verb, flags) in cases {
        assert!(verbs.contains(&format!("\n  {verb} ")), "{verb}: {verbs}");
        let (code, help, _) = code_and_output(&run(&[verb, "--help"]));
        assert_eq!(code, Some(0), "{verb}");
        for flag in flags {
            assert!(help.contains(flag), "{verb} {flag}: {help}");
        }
    }
    let (code, _, stderr) = code_and_output(&run(&["chekc"]));
    assert_eq!(code, Some(2), "{stderr}");
    assert!(stderr.contains("check"), "{stderr}");
}
