//! Every kind of variant that a device without cooperative matrices can be given, in Chromium's compiler (Tint) and on its software
//! adapter: modules and pipelines within the limits that WebGPU guarantees. Tint refuses what naga lets pass, barriers that not
//! all invocations reach for one.
//!
//! The browser fetches the kernels from a server on a loopback port of this test's own and posts what became of each.

mod support;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Sender};
use std::time::Duration;
use std::{env, fs, thread};

use serde_json::{Value, json};
use sharekan::run::{Access, Shader};
use support::variants::{MATRIX_KERNELS, covering, device_of, largest, named, of_networks, others, planned};

const PAGE: &str = include_str!("tint/page.html");
/// Longest silence of the browser, its start included.
const PATIENCE: Duration = Duration::from_secs(180);

/// What the page posts.
enum Message {
    Result { n: usize, problem: Option<String> },
    End(String),
    Failed(String),
}

fn kind(access: &Access) -> &'static str {
    match access {
        Access::Params => "params",
        Access::Uniform => "uniform",
        Access::Read => "read",
        Access::Write => "write",
        Access::Texture => "texture",
    }
}

fn described(shader: &Shader) -> Value {
    let constants: serde_json::Map<String, Value> =
        shader.constants.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    let groups: Vec<Vec<&str>> = shader.groups.iter().map(|group| group.iter().map(kind).collect()).collect();
    json!({ "source": shader.source, "constants": constants, "groups": groups })
}

/// Answers one request.
fn serve(stream: TcpStream, variants: &str, messages: &Sender<Message>) -> std::io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut request = String::new();
    reader.read_line(&mut request)?;
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line == "\r\n" {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let text = || body.as_str().unwrap_or_default().to_owned();
    let path = request.split(' ').nth(1).unwrap_or_default();
    let (status, content, answer) = match path {
        "/" => ("200 OK", "text/html", PAGE),
        "/variants" => ("200 OK", "application/json", variants),
        "/results" | "/end" | "/failed" => ("200 OK", "text/plain", ""),
        _ => ("404 Not Found", "text/plain", ""),
    };
    // A message that nobody waits for any more is of no use.
    let send = |message| messages.send(message).unwrap_or(());
    match path {
        "/results" => {
            for result in body.as_array().into_iter().flatten() {
                let n = result["n"].as_u64().unwrap_or(u64::MAX) as usize;
                send(Message::Result { n, problem: result["problem"].as_str().map(str::to_owned) });
            }
        }
        "/end" => send(Message::End(text())),
        "/failed" => send(Message::Failed(text())),
        _ => {}
    }
    let mut stream = stream;
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: {content}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{answer}",
        answer.len()
    )
}

/// The browser, ended with the test.
struct Browser {
    child: Child,
    folder: PathBuf,
}

impl Browser {
    /// Opens `url`; `None` where there is no Chromium.
    fn open(url: &str) -> Option<Self> {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("chromium-{}", std::process::id()));
        let child = ["chromium", "chromium-browser", "google-chrome"].iter().find_map(|program| {
            Command::new(program)
                .args(["--headless=new", "--no-sandbox", "--use-webgpu-adapter=swiftshader", "--enable-unsafe-webgpu"])
                .args(["--disable-quic", "--no-first-run", "--disable-background-networking"])
                .args(["--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"])
                .arg(format!("--user-data-dir={}", folder.display()))
                .arg(url)
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .ok()
        })?;
        Some(Self { child, folder })
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

#[test]
fn every_variant_without_matrices_compiles_in_chromium() {
    let mut variants: BTreeMap<String, Shader> = planned(&[device_of(16 << 10, None)]);
    variants.extend(others());
    // A software adapter takes a third of a second for each: sizes alone make no other kernel.
    let mut variants = largest(variants);
    // The browser's adapter has no f16.
    variants.retain(|_, shader| !MATRIX_KERNELS.contains(&shader.kernel) && !shader.source.contains("enable f16;"));
    let of_networks = of_networks().into_iter().filter(|shader| !shader.source.contains("enable f16;"));
    variants.extend(named(covering(of_networks.collect())));
    let names: Vec<&String> = variants.keys().collect();
    let list = json!(variants.values().map(described).collect::<Vec<_>>()).to_string();

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let (sender, messages) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (sender, list) = (sender.clone(), list.clone());
            // A connection that breaks says so by the silence that follows.
            thread::spawn(move || serve(stream, &list, &sender));
        }
    });
    let Some(browser) = Browser::open(&url) else {
        assert!(env::var_os("CI").is_none(), "there is no Chromium to compile kernels with: install chromium");
        println!("not run: there is no Chromium on this machine");
        return;
    };
    let mut problems = vec![None; names.len()];
    let mut done = 0;
    let adapter = loop {
        match messages.recv_timeout(PATIENCE) {
            Ok(Message::Result { n, problem }) => {
                println!("{}  {}", if problem.is_none() { "compiles" } else { "REFUSED " }, names[n]);
                problems[n] = problem;
                done += 1;
            }
            Ok(Message::End(adapter)) => break adapter,
            Ok(Message::Failed(why)) => panic!("the page failed: {why}"),
            Err(_) => panic!("no word from Chromium for {} s after {done} of {}", PATIENCE.as_secs(), names.len()),
        }
    };
    drop(browser);
    assert_eq!(done, names.len());
    println!("{done} variants on {adapter}");
    let refused: Vec<String> = names
        .iter()
        .zip(&problems)
        .filter_map(|(name, problem)| problem.as_ref().map(|problem| format!("{name}\n    {problem}")))
        .collect();
    assert!(refused.is_empty(), "{} refused:\n{}", refused.len(), refused.join("\n"));
}
