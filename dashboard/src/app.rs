//! The program: what it starts, and how it ends.

use crate::access_log::{AccessLog, Target};
use crate::browser::{self, Browser, CLOSING};
use crate::command_line::Options;
use crate::console::Console;
use crate::descriptors::Places;
use crate::embedded::{self, Embedded};
use crate::exposition::summary;
use crate::figures::{self, Figures};
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
use std::time::Duration;

/// The parent of everything.
#[derive(Debug)]
pub(crate) struct App {
    options: Options,
    /// Where browsers connect, when it was opened by who started the program.
    handed: Option<ListeningSocket>,
    places: Places,
    console: Console,
    running: Option<Running>,
    is_ending: bool,
}

/// What was started.
#[derive(Debug)]
struct Running {
    server: SessionId,
    site: Arc<Site>,
}

/// The time in which answers that are on their way must have gone out at the end. Less than what
/// supervisors wait before they kill: 90 s of systemd, 30 s of Kubernetes.
const DRAIN_TIME: Duration = Duration::from_secs(10);

impl App {
    const SIGNAL: Event<Signal> = Event::new("app.signal");
    /// The last browser has gone.
    const DRAINED: Event<()> = Event::new("app.drained");
    const DEADLINE: Event<()> = Event::new("app.deadline");

    pub(crate) fn new(
        options: Options,
        handed: Option<ListeningSocket>,
        places: Places,
        console: Console,
    ) -> Self {
        App { options, handed, places, console, running: None, is_ending: false }
    }

    fn signal(&mut self, cx: &mut Cx<'_>, signal: Signal) {
        match signal {
            Signal::Hup => self.reopen(cx),
            Signal::Usr1 => self.log_figures(cx),
            _ => self.end(cx, signal),
        }
    }

    /// Stops accepting, has everyone who waits answered, and leaves when the last has gone; a
    /// second signal leaves at once.
    fn end(&mut self, cx: &mut Cx<'_>, signal: Signal) {
        let Some(Running { server, .. }) = self.running else { return cx.stop_all() };
        if self.is_ending {
            log::warn!("ending at once by {signal:?}");
            return cx.stop_all();
        }
        self.is_ending = true;
        log::info!("ending by {signal:?}");
        // At once, so that nobody is accepted behind the notice.
        match cx.call(server, TcpServer::SHUTDOWN, ()) {
            Ok(()) => {}
            Err(error) => log::debug!("{error}"),
        }
        cx.notify(CLOSING, ());
        cx.delay(Self::DEADLINE, DRAIN_TIME, ());
    }

    fn deadline(&mut self, cx: &mut Cx<'_>, (): ()) {
        if let Some(Running { site, .. }) = &self.running {
            log::warn!("{} connections are cut off", site.metrics.connections.read());
        }
        cx.stop_all();
    }

    /// Opens anew what is of the file system: the page's files and the access log.
    fn reopen(&self, cx: &mut Cx<'_>) {
        let Some(Running { site, .. }) = &self.running else { return };
        let files = cx.post(site.files, Files::REOPEN, ());
        let log = site.access_log.map(|log| cx.post(log, AccessLog::REOPEN, ()));
        for error in [files.err(), log.and_then(Result::err)].into_iter().flatten() {
            log::debug!("{error}");
        }
    }

    fn log_figures(&self, cx: &mut Cx<'_>) {
        let Some(Running { site, .. }) = &self.running else { return };
        if let Ok(feed) = cx.call(site.overview, Overview::STATUS, ()) {
            log::info!("{}", summary(&site.metrics, &feed, &cx.stats()));
        }
    }

    fn database(&self, cx: &mut Cx<'_>) -> Database {
        self.options.couch.clone().unwrap_or_else(|| self.embed(cx))
    }

    /// Starts the embedded database and the figures that move in it.
    fn embed(&self, cx: &mut Cx<'_>) -> Database {
        let console = &self.console;
        let couch = essential(cx, Embedded::new(cx.date()));
        let at = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let server = essential(cx, embedded::server(at, couch, self.places.embedded));
        let local = cx.call(server, TcpServer::LOCAL, ()).ok().flatten();
        let local = local.unwrap_or_else(|| console.fail("the embedded database has no port"));
        essential(cx, Figures::new(couch));
        let url = format!("http://{local}/{}", embedded::DATABASE);
        console.say(format_args!("embedded CouchDB at {url}"));
        // A revision that a person copies by hand is old when it is pasted where figures move.
        if let Some(still) = self.options.docs.iter().find(|doc| *doc != figures::DOCUMENT) {
            let still = encoded(still);
            console.say(format_args!("curl -X PUT {url}/{still} -d '{{\"figure\": 42}}'"));
        }
        url.parse().unwrap_or_else(|error| console.fail(error))
    }

    /// Starts what browsers need.
    fn site(&self, cx: &mut Cx<'_>) -> Site {
        let App { options, console, .. } = self;
        let mut logs = vec![("stderr", console.stderr().clone())];
        logs.push(("stdout", console.stdout().clone()));
        let files = Files::open(options.files.clone()).unwrap_or_else(|error| {
            let folder = options.files.as_deref().unwrap_or_else(|| "".as_ref()).display();
            console.fail(format_args!("--files {folder}: {error}"))
        });
        let files = essential(cx, files);
        let access_log = options.access_log.clone().map(|target| {
            let log = AccessLog::open(target, console).unwrap_or_else(|error| {
                let target = options.access_log.as_ref().map(ToString::to_string);
                console.fail(format_args!("--access-log {}: {error}", target.unwrap_or_default()))
            });
            // What goes to stdout is counted there.
            if options.access_log != Some(Target::Stdout) {
                logs.push(("access", log.writer().clone()));
            }
            essential(cx, log)
        });
        let metrics = Arc::new(Metrics::new(logs));
        let database = self.database(cx);
        let Ok(overview) = cx.spawn_with(|cx| {
            Ok::<_, Infallible>(Overview::new(cx, database, options, Arc::clone(&metrics)))
        });
        cx.mark_essential(overview);
        Site {
            docs: options.docs.clone(),
            long_poll: options.long_poll,
            monotonic: options.monotonic,
            stale_after: options.stale_after,
            files,
            overview,
            access_log,
            metrics,
            browsers_max: self.places.browsers,
            httpd: browser::httpd(options.access_log.is_some()),
        }
    }

    /// The server of browsers.
    fn server(&mut self, cx: &mut Cx<'_>, site: Arc<Site>) -> TcpServer {
        let app = cx.id();
        let places = self.places;
        let (console, failing) = (self.console.clone(), self.console.clone());
        let mut unserved = LogLimit::default();
        let (server, shown) = match self.handed.take() {
            Some(socket) => (TcpServer::adopt(socket), "the socket that was handed over".into()),
            None => (TcpServer::new(self.options.listen.clone()), self.options.listen.to_string()),
        };
        server
            .alias(Site::SERVER)
            .concurrency(places.browsers + places.guests)
            .overload(Overload::Refuse(full_unread()))
            .refusals(places.guests)
            .started(move |_, local| {
                log::info!("{places}");
                match local {
                    Endpoint::Tcp(address) => {
                        console.say(format_args!("dashboard at http://{address}/"));
                    }
                    local => console.say(format_args!("dashboard at {local}")),
                }
            })
            .failed(move |_, error| {
                failing.fail(format_args!(
                    "cannot listen at {shown}: {error}; choose another with --listen"
                ))
            })
            .stopped(move |cx| {
                // It is gone already when everything is being stopped.
                let _ = cx.post(app, App::DRAINED, ());
            })
            .accept(move |cx, accepted| {
                let site = Arc::clone(&site);
                let metrics = Arc::clone(&site.metrics);
                if let Err(error) = cx.spawn_with(|cx| Browser::new(cx, accepted.socket, site)) {
                    if let Some(more) = unserved.pass(cx.now()) {
                        log::warn!("a browser cannot be served: {error}{more}");
                    }
                    metrics.unserved.add(1);
                }
            })
    }
}

/// Starts a session that the program cannot do without.
fn essential<H: Session>(cx: &mut Cx<'_>, heap: H) -> SessionId {
    let id = cx.spawn(heap);
    cx.mark_essential(id);
    id
}

impl Session for App {
    fn events(on: &mut Handlers<Self>) {
        on.on(Self::SIGNAL, Self::signal)
            .on(Self::DRAINED, |_, cx, ()| cx.stop_all())
            .on(Self::DEADLINE, Self::deadline);
    }

    fn started(&mut self, cx: &mut Cx<'_>) {
        cx.mark_essential(cx.id());
        let site = Arc::new(self.site(cx));
        // Not before: reading files may take its time, and a signal ends the process until here.
        for signal in [Signal::Int, Signal::Term, Signal::Hup, Signal::Usr1] {
            if let Err(error) = cx.signal(signal, Self::SIGNAL) {
                self.console.fail(format_args!("cannot hear signals: {error}"));
            }
        }
        let server = self.server(cx, Arc::clone(&site));
        let server = essential(cx, server);
        self.running = Some(Running { server, site });
    }
}

#[cfg(test)]
pub(crate) mod tests;
