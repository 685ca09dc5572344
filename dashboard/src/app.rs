//! The program: starts all sessions and ends them.

use crate::access_log::{AccessLog, LogTarget};
use crate::browser::{self, Browser, CLOSING};
use crate::command_line::Options;
use crate::console::Console;
use crate::demo::{self, Demo};
use crate::descriptors::Capacity;
use crate::embedded::{self, Embedded};
use crate::exposition::summary;
use crate::files::Files;
use crate::metrics::Metrics;
use crate::overview::Overview;
use crate::site::{Site, full_unread};
use couch_mem::percent::encoded;
use masque::reactor::{
    Cx, Endpoint, Event, Handlers, ListeningSocket, LogLimit, Session, SessionId, Signal,
};
use masque::sessions::{Database, TcpServer};
use masque::wheels::Overload;
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

/// The session that starts all others.
#[derive(Debug)]
pub(crate) struct App {
    options: Options,
    /// The listening socket, if a supervisor passed one.
    handed: Option<ListeningSocket>,
    capacity: Capacity,
    console: Console,
    /// Receives the reason if the program cannot do its work.
    failure: Sender<String>,
    running: Option<Running>,
    is_ending: bool,
}

/// The sessions that were started.
#[derive(Debug)]
struct Running {
    server: SessionId,
    site: Arc<Site>,
}

/// How long shutdown waits for answers that are being sent. Less than supervisors wait before they
/// kill: 90 s of systemd, 30 s of Kubernetes.
const DRAIN_TIME: Duration = Duration::from_secs(10);

impl App {
    const SIGNAL: Event<Signal> = Event::new("app.signal");
    /// The last browser has disconnected.
    const DRAINED: Event<()> = Event::new("app.drained");
    const DEADLINE: Event<()> = Event::new("app.deadline");
    /// The program cannot do its work, for this reason.
    const FAILED: Event<String> = Event::new("app.failed");

    pub(crate) fn new(
        options: Options,
        handed: Option<ListeningSocket>,
        capacity: Capacity,
        console: Console,
        failure: Sender<String>,
    ) -> Self {
        App { options, handed, capacity, console, failure, running: None, is_ending: false }
    }

    fn signal(&mut self, cx: &mut Cx<'_>, signal: Signal) {
        match signal {
            Signal::Hup => self.reopen(cx),
            Signal::Usr1 => self.log_counters(cx),
            _ => self.end(cx, signal),
        }
    }

    /// Stops accepting, answers all waiting requests, and exits after the last connection. A second
    /// signal exits immediately.
    fn end(&mut self, cx: &mut Cx<'_>, signal: Signal) {
        let Some(Running { server, .. }) = self.running else { return cx.stop_all() };
        if self.is_ending {
            log::warn!("received {signal:?} again: exiting immediately");
            return cx.stop_all();
        }
        self.is_ending = true;
        log::info!("received {signal:?}: shutting down");
        // Before the notice, so that no browser is accepted after it.
        match cx.call(server, TcpServer::SHUTDOWN, ()) {
            Ok(()) => {}
            Err(error) => log::debug!("{error}"),
        }
        cx.notify(CLOSING, ());
        cx.delay(Self::DEADLINE, DRAIN_TIME, ());
    }

    /// Stops every session and reports why to the caller of [`run`](crate::run).
    fn fail(&mut self, cx: &mut Cx<'_>, why: String) {
        // An error means that nothing waits for the reason any more.
        let _ = self.failure.send(why);
        cx.stop_all();
    }

    fn deadline(&mut self, cx: &mut Cx<'_>, (): ()) {
        if let Some(Running { site, .. }) = &self.running {
            let connections = site.metrics.connections.read();
            log::warn!("shutdown timeout reached: closing {connections} connections");
        }
        cx.stop_all();
    }

    /// Reads the page's files again and reopens the access log.
    fn reopen(&self, cx: &mut Cx<'_>) {
        let Some(Running { site, .. }) = &self.running else { return };
        let files = cx.post(site.files, Files::REOPEN, ());
        let log = site.access_log.map(|log| cx.post(log, AccessLog::REOPEN, ()));
        for error in [files.err(), log.and_then(Result::err)].into_iter().flatten() {
            log::debug!("{error}");
        }
    }

    fn log_counters(&self, cx: &mut Cx<'_>) {
        let Some(Running { site, .. }) = &self.running else { return };
        if let Ok(feed) = cx.call(site.overview, Overview::STATUS, ()) {
            log::info!("{}", summary(&site.metrics, &feed, &cx.stats()));
        }
    }

    fn database(&self, cx: &mut Cx<'_>) -> Result<Database, String> {
        self.options.couch.clone().map_or_else(|| self.embed(cx), Ok)
    }

    /// Starts the embedded database and the sample figures in it.
    fn embed(&self, cx: &mut Cx<'_>) -> Result<Database, String> {
        let console = &self.console;
        let couch = essential(cx, Embedded::new(cx.date()));
        let at = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let server = essential(cx, embedded::server(at, couch, self.capacity.embedded));
        let local = cx.call(server, TcpServer::LOCAL, ()).ok().flatten();
        let local = local.ok_or("cannot listen for clients of the embedded database")?;
        essential(cx, Demo::new(couch));
        let url = format!("http://{local}/{}", embedded::DATABASE);
        console.print(format_args!("embedded CouchDB at {url}"));
        // A revision that a person copies is outdated when it is pasted if figures change. So this
        // names a document that does not change.
        if let Some(still) = self.options.docs.iter().find(|doc| *doc != demo::DOCUMENT) {
            let still = encoded(still);
            console.print(format_args!("curl -X PUT {url}/{still} -d '{{\"figure\": 42}}'"));
        }
        url.parse().map_err(|error| format!("{error}"))
    }

    /// Starts the sessions that browsers use.
    fn site(&self, cx: &mut Cx<'_>) -> Result<Site, String> {
        let App { options, console, .. } = self;
        let mut logs = vec![("stderr", console.stderr().clone())];
        logs.push(("stdout", console.stdout().clone()));
        let files = Files::open(options.files.clone()).map_err(|error| {
            let folder = options.files.as_deref().unwrap_or_else(|| "".as_ref()).display();
            format!("--files {folder}: {error}")
        });
        let files = essential(cx, files?);
        let mut access_log = None;
        if let Some(target) = options.access_log.clone() {
            let log = AccessLog::open(target.clone(), console)
                .map_err(|error| format!("--access-log {target}: {error}"))?;
            // Lines of stdout are counted there.
            if target != LogTarget::Stdout {
                logs.push(("access", log.writer().clone()));
            }
            access_log = Some(essential(cx, log));
        }
        let metrics = Arc::new(Metrics::new(logs));
        let database = self.database(cx)?;
        let Ok(overview) = cx.spawn_with(|cx| {
            Ok::<_, Infallible>(Overview::new(cx, database, options, Arc::clone(&metrics)))
        });
        cx.mark_essential(overview);
        Ok(Site {
            docs: options.docs.clone(),
            long_poll: options.long_poll,
            monotonic: options.monotonic,
            stale_after: options.stale_after,
            files,
            overview,
            access_log,
            metrics,
            browsers_max: self.capacity.browsers,
            httpd: browser::httpd(options.access_log.is_some()),
        })
    }

    fn start(&mut self, cx: &mut Cx<'_>) -> Result<Running, String> {
        let site = Arc::new(self.site(cx)?);
        // Only now, because reading the files may take long, and until here a signal ends the
        // process.
        for signal in [Signal::Int, Signal::Term, Signal::Hup, Signal::Usr1] {
            let handled = cx.signal(signal, Self::SIGNAL);
            handled.map_err(|error| format!("cannot handle signals: {error}"))?;
        }
        let server = self.server(cx, Arc::clone(&site));
        Ok(Running { server: essential(cx, server), site })
    }

    /// Returns the server of browsers.
    fn server(&mut self, cx: &mut Cx<'_>, site: Arc<Site>) -> TcpServer {
        let app = cx.id();
        let capacity = self.capacity;
        let console = self.console.clone();
        let mut unserved = LogLimit::default();
        let (server, shown) = match self.handed.take() {
            Some(socket) => (TcpServer::adopt(socket), "the socket from LISTEN_FDS".into()),
            None => (TcpServer::new(self.options.listen.clone()), self.options.listen.to_string()),
        };
        server
            .alias(Site::SERVER)
            .concurrency(capacity.browsers + capacity.guests)
            .overload(Overload::Refuse(full_unread()))
            .refusals(capacity.guests)
            .started(move |_, local| {
                log::info!("{capacity}");
                match local {
                    Endpoint::Tcp(address) => {
                        console.print(format_args!("dashboard at http://{address}/"));
                    }
                    local => console.print(format_args!("dashboard at {local}")),
                }
            })
            .failed(move |cx, error| {
                let why = format!(
                    "cannot listen on {shown}: {error}; choose another address with --listen"
                );
                // The app has stopped already if all sessions are being stopped.
                let _ = cx.post(app, App::FAILED, why);
            })
            .stopped(move |cx| {
                // The app has stopped already if all sessions are being stopped.
                let _ = cx.post(app, App::DRAINED, ());
            })
            .accept(move |cx, accepted| {
                let site = Arc::clone(&site);
                let metrics = Arc::clone(&site.metrics);
                if let Err(error) = cx.spawn_with(|cx| Browser::new(cx, accepted.socket, site)) {
                    if let Some(more) = unserved.pass(cx.now()) {
                        log::warn!("cannot serve a browser: {error}{more}");
                    }
                    metrics.unserved.add(1);
                }
            })
    }
}

/// Starts a session that the program needs.
fn essential<H: Session>(cx: &mut Cx<'_>, heap: H) -> SessionId {
    let id = cx.spawn(heap);
    cx.mark_essential(id);
    id
}

impl Session for App {
    fn events(on: &mut Handlers<Self>) {
        on.on(Self::SIGNAL, Self::signal)
            .on(Self::DRAINED, |_, cx, ()| cx.stop_all())
            .on(Self::FAILED, Self::fail)
            .on(Self::DEADLINE, Self::deadline);
    }

    fn started(&mut self, cx: &mut Cx<'_>) {
        cx.mark_essential(cx.id());
        match self.start(cx) {
            Ok(running) => self.running = Some(running),
            Err(why) => self.fail(cx, why),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
