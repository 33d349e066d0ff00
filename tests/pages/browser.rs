//! A headless Chromium, spoken to with the DevTools protocol over a pipe: no port, no network, no dependency.
//!
//! Nothing sleeps: each command is answered once it is done, and a page is open when it is loaded and has been painted:
//! before that a browser may drop the keys that are pressed.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};

use super::loud;

/// A browser that says nothing for so long hangs.
const ANSWER_WITHIN: Duration = Duration::from_secs(120);
/// One browser at a time: several would only wait for one another's processors.
static ONE: Mutex<()> = Mutex::new(());
/// What a Chromium may be called.
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
/// A browser that leaves everything else alone. The last one makes it speak on file descriptors 3 and 4.
const FLAGS: [&str; 11] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--remote-debugging-pipe",
];

/// A promise that is kept when something of the page has been painted.
const PAINTED: &str = "new Promise(told => new PerformanceObserver(list => \
                       list.getEntriesByName('first-contentful-paint').length && told(true))\
                       .observe({ type: 'paint', buffered: true }))";

/// What the reader prefers.
#[derive(Clone, Copy)]
pub enum Scheme {
    Light,
    Dark,
}

/// A page in a browser of its own.
pub struct Browser {
    child: Child,
    to: ChildStdin,
    from: Receiver<Value>,
    session: Option<String>,
    sent: u64,
    events: Vec<Value>,
    profile: PathBuf,
    _one: MutexGuard<'static, ()>,
}

impl Browser {
    /// The file at `page` in a browser; none, and a word about it on stderr, where no Chromium is installed.
    pub fn open(page: &Path, fragment: &str, scheme: Scheme) -> Option<Self> {
        let Some(binary) = installed() else {
            loud::say(
                "pages: NO CHROMIUM IS INSTALLED, so only the text of the page was checked: \
                 install one, such as Debian's package chromium",
            );
            return None;
        };
        let mut browser = Self::start(&binary);
        let target = browser.call("Target.createTarget", json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let session = browser.call("Target.attachToTarget", attach);
        browser.session = session["sessionId"].as_str().map(str::to_owned);
        let value = match scheme {
            Scheme::Light => "light",
            Scheme::Dark => "dark",
        };
        let features = json!([{ "name": "prefers-color-scheme", "value": value }]);
        browser.call("Emulation.setEmulatedMedia", json!({ "features": features }));
        // The size is there before the page is: a window may get its own while a page is being laid out.
        let size = json!({ "width": 1280, "height": 900, "deviceScaleFactor": 1, "mobile": false });
        browser.call("Emulation.setDeviceMetricsOverride", size);
        browser.call("Page.bringToFront", json!({}));
        browser.call("Page.enable", json!({}));
        browser.call("Network.enable", json!({}));
        browser.call("Page.navigate", json!({ "url": format!("file://{}{fragment}", page.display()) }));
        browser.await_page();
        Some(browser)
    }

    /// Waits until the page that is under way is loaded and painted.
    fn await_page(&mut self) {
        while !self.events.iter().any(is_loaded) {
            let event = self.receive();
            self.events.push(event);
        }
        self.evaluate(PAINTED);
    }

    fn start(binary: &Path) -> Self {
        // A test that failed with its browser open leaves nothing behind that the next one could trip over.
        let one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        static STARTED: AtomicUsize = AtomicUsize::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let profile = std::env::temp_dir().join(format!("pgweave-browser-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&profile).expect("a folder for it");
        // The shell moves its input and output to where the browser expects them.
        let mut child = Command::new("sh")
            .args(["-c", "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>/dev/null"])
            .arg(binary)
            .args(FLAGS)
            .arg(format!("--user-data-dir={}", profile.display()))
            .env("TMPDIR", &profile)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell starts");
        let to = child.stdin.take().expect("it is piped");
        let output = child.stdout.take().expect("it is piped");
        let (tell, from) = channel();
        std::thread::spawn(move || {
            for message in BufReader::new(output).split(0).map_while(Result::ok) {
                let Ok(message) = serde_json::from_slice(&message) else { return };
                if tell.send(message).is_err() {
                    return;
                }
            }
        });
        Self { child, to, from, session: None, sent: 0, events: Vec::new(), profile, _one: one }
    }

    fn call(&mut self, method: &str, params: Value) -> Value {
        self.sent += 1;
        let mut message = json!({ "id": self.sent, "method": method, "params": params });
        if let Some(session) = &self.session {
            message["sessionId"] = session.as_str().into();
        }
        self.to.write_all(format!("{message}\0").as_bytes()).expect("the browser listens");
        loop {
            let answer = self.receive();
            if answer["id"] == self.sent {
                assert!(answer["error"].is_null(), "{method}: {}", answer["error"]);
                return answer["result"].clone();
            }
            self.events.push(answer);
        }
    }

    fn receive(&mut self) -> Value {
        self.from.recv_timeout(ANSWER_WITHIN).expect("the browser answers")
    }

    /// What an expression gives, a promise's value included.
    pub fn evaluate(&mut self, expression: &str) -> Value {
        let asked = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let answer = self.call("Runtime.evaluate", asked);
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {}", answer["exceptionDetails"]);
        answer["result"]["value"].clone()
    }

    /// Follows the link that `selector` names, and waits until the page is there that it leads to.
    pub fn follow(&mut self, selector: &str) {
        self.events.retain(|event| !is_loaded(event));
        self.evaluate(&format!("void document.querySelector({}).click()", json!(selector)));
        self.await_page();
    }

    /// The text that is rendered of the first element that `selector` names.
    pub fn text(&mut self, selector: &str) -> String {
        let found = self.evaluate(&format!("document.querySelector({})?.innerText", json!(selector)));
        found.as_str().unwrap_or_else(|| panic!("there is no {selector}")).trim().to_owned()
    }

    /// Presses and releases a key.
    pub fn press(&mut self, key: &str) {
        let (code, text) = match key {
            "Tab" => (9, ""),
            "Enter" => (13, "\r"),
            "End" => (35, ""),
            "Home" => (36, ""),
            "ArrowLeft" => (37, ""),
            "ArrowRight" => (39, ""),
            other => panic!("what is the code of {other}?"),
        };
        let mut event = json!({ "type": "keyDown", "key": key, "code": key, "windowsVirtualKeyCode": code });
        if !text.is_empty() {
            event["text"] = text.into();
        }
        self.call("Input.dispatchKeyEvent", event);
        let event = json!({ "type": "keyUp", "key": key, "code": key, "windowsVirtualKeyCode": code });
        self.call("Input.dispatchKeyEvent", event);
    }

    /// Roles and names, as a screen reader is told.
    pub fn accessible(&mut self) -> Vec<(String, String)> {
        let tree = self.call("Accessibility.getFullAXTree", json!({}));
        let nodes = tree["nodes"].as_array().cloned().unwrap_or_default();
        let told = nodes.iter().filter(|node| node["ignored"] != true);
        let value = |node: &Value, what: &str| node[what]["value"].as_str().unwrap_or_default().to_owned();
        told.map(|node| (value(node, "role"), value(node, "name"))).collect()
    }

    /// Addresses that were asked for.
    pub fn fetched(&self) -> Vec<String> {
        let asked = self.events.iter().filter(|event| event["method"] == "Network.requestWillBeSent");
        let urls = asked.filter_map(|event| event["params"]["request"]["url"].as_str());
        // An icon of no bytes stands in the page so that none is asked for.
        urls.filter(|url| *url != "data:,").map(str::to_owned).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Asked to, it ends its own processes first, and none of them writes into the folder that is then removed.
        let close = json!({ "id": self.sent + 1, "method": "Browser.close" });
        let asked = self.to.write_all(format!("{close}\0").as_bytes());
        while asked.is_ok() && self.from.recv_timeout(ANSWER_WITHIN).is_ok() {}
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.profile);
    }
}

fn is_loaded(event: &Value) -> bool {
    event["method"] == "Page.loadEventFired"
}

fn installed() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let named = |folder: PathBuf| NAMES.map(|name| folder.join(name)).into_iter().find(|file| file.is_file());
    std::env::split_paths(&path).find_map(named)
}
