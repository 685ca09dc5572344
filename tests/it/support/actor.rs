//! A connection that does what a test says and writes down what happens to it.

use masque::filters::Marks;
use masque::filters::{Filter, Httpd, Line, Request, Response, Stream};
use masque::reactor::{Cx, Endpoint, Event, Handlers, Rig, To};
use masque::sessions::{Connection, Peer};
use masque::wheels::{ConnectError, Ended, ReadWrite};
use std::cell::RefCell;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;

/// The events, in order, as all its owners recorded them.
#[derive(Clone, Default)]
pub(crate) struct Journal(Rc<RefCell<Vec<String>>>);

impl Journal {
    pub(crate) fn note(&self, what: impl Into<String>) {
        self.0.borrow_mut().push(what.into());
    }

    /// Everything up to now; the journal goes on empty.
    pub(crate) fn take(&self) -> Vec<String> {
        self.0.take()
    }

    /// What begins with `who`, without it; the rest is left.
    pub(crate) fn take_of(&self, who: &str) -> Vec<String> {
        let prefix = format!("{who}: ");
        let (own, rest) = self.take().into_iter().partition(|line| line.starts_with(&prefix));
        *self.0.borrow_mut() = rest;
        let own: Vec<String> = own;
        own.iter().map(|line| line[prefix.len()..].to_owned()).collect()
    }
}

/// The commands for a connection.
#[derive(Debug)]
pub(crate) enum Moment<I> {
    Connected,
    Input(I),
    Flushed,
    Full,
    Drained,
    Ended,
}

type Act<F> = dyn FnMut(&mut Cx<'_>, ReadWrite<F>, Moment<<F as Filter>::In>);
type Deed<F> = dyn FnOnce(&mut Peer<Actor<F>>, &mut Cx<'_>);

/// The connection. While it exists, its session has its name.
pub(crate) struct Actor<F: Script> {
    name: &'static str,
    journal: Journal,
    marks: Option<Marks>,
    act: Box<Act<F>>,
}

/// A filter that can be acted with.
pub(crate) trait Script: Filter {
    fn new() -> Self;
    /// How an item is written down, if it is.
    fn show(item: &Self::In) -> Option<String>;
}

impl Script for Line {
    fn new() -> Self {
        Line::new()
    }

    fn show(item: &String) -> Option<String> {
        Some(item.clone())
    }
}

impl Script for Stream {
    fn new() -> Self {
        Stream
    }

    /// Where the pieces are cut is the network's business.
    fn show(_: &Self::In) -> Option<String> {
        None
    }
}

impl Script for Httpd {
    fn new() -> Self {
        Httpd::new()
    }

    fn show(item: &Result<Request, Response>) -> Option<String> {
        Some(match item {
            Ok(request) => format!("{} {}", request.method(), request.uri()),
            Err(refusal) => refusal.status().to_string(),
        })
    }
}

impl<F: Script> Actor<F> {
    const DO: Event<Box<Deed<F>>> = Event::new("actor.do");

    /// An actor that leaves when its peer does.
    pub(crate) fn new(name: &'static str, journal: &Journal) -> Self {
        Self::doing(name, journal, |cx, wire, moment| {
            if let Moment::Ended = moment {
                wire.finish(cx);
            }
        })
    }

    /// An actor that does what `act` says at each moment, and nothing else.
    pub(crate) fn doing(
        name: &'static str,
        journal: &Journal,
        act: impl FnMut(&mut Cx<'_>, ReadWrite<F>, Moment<F::In>) + 'static,
    ) -> Self {
        Actor { name, journal: journal.clone(), marks: None, act: Box::new(act) }
    }

    pub(crate) fn marks(mut self, low: usize, high: usize) -> Self {
        self.marks = Some(Marks { high, low });
        self
    }

    fn note(&self, what: impl std::fmt::Display) {
        self.journal.note(format!("{}: {what}", self.name));
    }
}

/// Has the actor at `to` do something now.
#[track_caller]
pub(crate) fn direct<'a, F: Script>(
    rig: &mut Rig,
    to: impl Into<To<'a>>,
    deed: impl FnOnce(&mut Peer<Actor<F>>, &mut Cx<'_>) + 'static,
) {
    rig.call(to, Actor::<F>::DO, Box::new(deed)).expect("the actor is there");
}

impl<F: Script> Connection for Actor<F> {
    type Filter = F;

    fn filter(&self) -> F {
        F::new()
    }

    fn marks(&self) -> Option<Marks> {
        self.marks
    }

    fn events(on: &mut Handlers<Peer<Self>>) {
        on.on(Self::DO, |peer, cx, deed| deed(peer, cx));
    }

    fn connected(&mut self, cx: &mut Cx<'_>, wire: ReadWrite<F>) {
        self.note("connected");
        let _ = cx.alias(self.name); // the first of several has it
        (self.act)(cx, wire, Moment::Connected);
    }

    fn input(&mut self, cx: &mut Cx<'_>, wire: ReadWrite<F>, item: F::In) {
        if let Some(shown) = F::show(&item) {
            self.note(shown);
        }
        (self.act)(cx, wire, Moment::Input(item));
    }

    fn flushed(&mut self, cx: &mut Cx<'_>, wire: ReadWrite<F>) {
        self.note("flushed");
        (self.act)(cx, wire, Moment::Flushed);
    }

    fn full(&mut self, cx: &mut Cx<'_>, wire: ReadWrite<F>) {
        self.note("full");
        (self.act)(cx, wire, Moment::Full);
    }

    fn drained(&mut self, cx: &mut Cx<'_>, wire: ReadWrite<F>) {
        self.note("drained");
        (self.act)(cx, wire, Moment::Drained);
    }

    fn ended(&mut self, cx: &mut Cx<'_>, wire: ReadWrite<F>, why: &Ended) {
        self.note(why);
        (self.act)(cx, wire, Moment::Ended);
    }

    fn disconnected(&mut self, cx: &mut Cx<'_>, why: &Ended) {
        assert!(why.is_final(), "{why:?}");
        cx.alias_remove(self.name);
        self.note(format_args!("disconnected, {why}"));
    }

    fn connect_failed(&mut self, _: &mut Cx<'_>, why: &ConnectError) {
        self.note(why);
    }
}

/// An endpoint of this machine.
pub(crate) fn local(port: u16) -> Endpoint {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into()
}
