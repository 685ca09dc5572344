//! The program: what it starts, and how it ends.

use crate::browser::Browser;
use crate::command_line::Options;
use crate::embedded::{self, Embedded};
use crate::figures::Figures;
use crate::files::Files;
use crate::overview::Overview;
use crate::say::{complain, say};
use crate::site::Site;
use masque::reactor::{Cx, Event, Handlers, Session, SessionId, Signal};
use masque::sessions::{Database, TcpServer};
use masque::wheels::Target;
use std::fmt::Display;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// The parent of everything.
#[derive(Debug)]
pub(crate) struct App {
    options: Options,
    running: Option<(SessionId, SessionId)>,
}

/// The time in which answers that are on their way must have gone out at the end.
const LEAVE: Duration = Duration::from_millis(500);

impl App {
    const SIGNAL: Event<Signal> = Event::new("app.signal");
    const LEAVE: Event<()> = Event::new("app.leave");

    pub(crate) fn new(options: Options) -> Self {
        App { options, running: None }
    }

    /// Stops accepting and answers everyone who waits; a second signal leaves at once.
    fn signal(&mut self, cx: &mut Cx<'_>, signal: Signal) {
        let Some((server, overview)) = self.running.take() else { return cx.stop_all() };
        log::info!("ending by {signal:?}");
        for posted in
            [cx.post(server, TcpServer::SHUTDOWN, ()), cx.post(overview, Overview::CLOSE, ())]
        {
            if let Err(error) = posted {
                log::debug!("{error}");
            }
        }
        cx.delay(Self::LEAVE, LEAVE, ());
    }

    fn database(&self, cx: &mut Cx<'_>) -> Database {
        self.options.couch.clone().unwrap_or_else(|| embed(cx))
    }
}

/// Starts the embedded database and the figures that move in it.
fn embed(cx: &mut Cx<'_>) -> Database {
    let couch = cx.spawn(Embedded::new(cx.date()));
    let at = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let server = cx.spawn(embedded::server(at, couch));
    let local = cx.call(server, TcpServer::LOCAL, ()).ok().flatten();
    let local = local.unwrap_or_else(|| fail("the embedded database has no port"));
    cx.spawn(Figures::new(couch));
    let url = format!("http://{local}/{}", embedded::DATABASE);
    say(format_args!("embedded CouchDB at {url}"));
    url.parse().unwrap_or_else(|error| fail(error))
}

/// Serves the browsers.
fn serve(listen: &Target, site: Arc<Site>) -> TcpServer {
    let shown = listen.to_string();
    TcpServer::new(listen.clone())
        .started(|_, local| say(format_args!("dashboard at http://{local}/")))
        .failed(move |_, error| {
            fail(format_args!("cannot listen at {shown}: {error}; choose another with --listen"))
        })
        .accept(move |cx, accepted| {
            let site = Arc::clone(&site);
            if let Err(error) = cx.spawn_with(|cx| Browser::new(cx, accepted.socket, site)) {
                log::warn!("a browser cannot be served: {error}");
            }
        })
}

/// Ends the program, for it cannot do its work.
fn fail(why: impl Display) -> ! {
    complain(why);
    std::process::exit(1)
}

impl Session for App {
    fn events(on: &mut Handlers<Self>) {
        on.on(Self::SIGNAL, Self::signal).on(Self::LEAVE, |_, cx, ()| cx.stop_all());
    }

    fn started(&mut self, cx: &mut Cx<'_>) {
        for signal in [Signal::Int, Signal::Term] {
            if let Err(error) = cx.signal(signal, Self::SIGNAL) {
                fail(format_args!("cannot hear signals: {error}"));
            }
        }
        let files = self.options.files.as_deref();
        let files = files.map_or(Ok(Files::built_in()), Files::of_folder);
        let files = files.unwrap_or_else(|error| fail(format_args!("--files: {error}")));
        let database = self.database(cx);
        let Options { docs, heartbeat, retry_cap, .. } = &self.options;
        let overview = cx.spawn(Overview::new(database, docs, *heartbeat, *retry_cap));
        let site = Site { docs: docs.clone(), long_poll: self.options.long_poll, files, overview };
        let server = cx.spawn(serve(&self.options.listen, Arc::new(site)));
        self.running = Some((server, overview));
    }
}
