//! Random scripts on a few sessions, against what must always be true.

use super::{assert_empty, ms};
use masque::reactor::Limits;
use masque::reactor::{Cx, Event, Handlers, Hold, Rig, Session, SessionId, TimerId, Topic};
use std::cell::RefCell;
use std::rc::Rc;

const RING: Topic<u32> = Topic::new("ring");
const ACT: Event<u32> = Event::new("player.act");
const HEAR: Event<u32> = Event::new("player.hear");
const ASK: Event<u32, u32> = Event::new("player.ask");

/// What all players of a game know.
struct Table {
    random: fastrand::Rng,
    players: Vec<SessionId>,
    holds: Vec<Hold>,
    alive: usize,
    panics: u64,
    /// The broken rules. They are not panics, because a panic would only stop the player.
    wrong: Vec<String>,
    steps: usize,
}

struct Player {
    table: Rc<RefCell<Table>>,
    timers: Vec<TimerId<u32>>,
}

impl Player {
    fn new(table: &Rc<RefCell<Table>>) -> Self {
        table.borrow_mut().alive += 1;
        Player { table: Rc::clone(table), timers: vec![] }
    }

    fn below(&self, below: usize) -> usize {
        self.table.borrow_mut().random.usize(..below)
    }

    fn someone(&self) -> SessionId {
        let players = self.table.borrow().players.len();
        let one = self.below(players);
        self.table.borrow().players[one]
    }

    /// A few random steps, until the script has been played.
    fn act(&mut self, cx: &mut Cx<'_>, depth: u32) {
        for _ in 0..self.below(6) {
            let steps = self.table.borrow().steps;
            if steps == 0 {
                break;
            }
            self.table.borrow_mut().steps = steps - 1;
            self.step(cx, depth);
            check(cx, &self.table);
        }
    }

    fn step(&mut self, cx: &mut Cx<'_>, depth: u32) {
        let time = ms(self.below(20) as u64);
        match self.below(26) {
            0..4 => drop(cx.post(self.someone(), ACT, 0)),
            4 => cx.yield_now(ACT, 0),
            5..7 => drop(cx.call(self.someone(), ASK, depth + 1)),
            7 => cx.delay(HEAR, time, 1),
            8 => cx.delay_add(ACT, time, 0),
            9 => self.timers.push(cx.delay_set(HEAR, time, 2)),
            10 => _ = cx.delay_clear(HEAR),
            11 => _ = cx.alarm_remove_all(),
            12 if !self.timers.is_empty() => {
                let one = self.below(self.timers.len());
                let id = self.timers.swap_remove(one);
                _ = cx.alarm_remove(id);
            }
            13 if !self.timers.is_empty() => {
                _ = cx.delay_adjust(self.timers[0], time);
            }
            14..17 => cx.watch(RING, HEAR),
            17 => _ = cx.unwatch(RING),
            18 => _ = cx.notify(RING, depth),
            19..21 => {
                cx.spawn(Player::new(&self.table));
            }
            21 => {
                let hold = cx.hold(self.someone());
                self.table.borrow_mut().holds.extend(hold);
            }
            22 => drop(self.table.borrow_mut().holds.pop()),
            23 => drop(cx.alias(["a", "b", "c"][self.below(3)])),
            24 if self.below(4) == 0 => cx.stop(),
            25 if self.below(8) == 0 => {
                self.table.borrow_mut().panics += 1;
                panic!("at random");
            }
            _ => drop(cx.alias_remove(["a", "b", "c"][self.below(3)])),
        }
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        self.table.borrow_mut().alive -= 1;
    }
}

impl Session for Player {
    fn events(on: &mut Handlers<Self>) {
        on.on(ACT, Self::act).on(HEAR, Self::act).on(ASK, |player, cx, depth| {
            player.act(cx, depth);
            depth
        });
    }
    fn started(&mut self, cx: &mut Cx<'_>) {
        self.table.borrow_mut().players.push(cx.id());
        self.act(cx, 1);
    }
    fn stopped(&mut self, cx: &mut Cx<'_>) {
        self.timers.clear();
        self.act(cx, 2);
    }
}

/// What must be true at any time.
fn check(cx: &Cx<'_>, table: &Rc<RefCell<Table>>) {
    let (stats, mut table) = (cx.stats(), table.borrow_mut());
    let aliases = ["a", "b", "c"].map(|alias| cx.resolve(alias));
    let as_it_must_be = stats.sessions == table.alive
        && stats.watchers <= stats.sessions
        && stats.holds >= table.holds.len()
        && stats.queued <= 400
        && aliases.into_iter().flatten().all(|id| table.players.contains(&id));
    if !as_it_must_be {
        let alive = table.alive;
        table.wrong.push(format!("{alive} are alive: {stats:?}"));
    }
}

#[test]
fn random_scripts_leave_nothing_behind() {
    // What panics here does so on purpose, or fails the counts below.
    for seed in 1..=300_u64 {
        let mut limits = Limits::default();
        (limits.queue, limits.call_depth) = (200, 100);
        let mut rig = Rig::with_limits(limits);
        let table = Rc::new(RefCell::new(Table {
            random: fastrand::Rng::with_seed(seed),
            players: vec![],
            holds: vec![],
            alive: 0,
            panics: 0,
            wrong: vec![],
            steps: 400,
        }));
        for _ in 0..5 {
            let player = rig.spawn(Player::new(&table));
            drop(rig.post(player, ACT, 0));
        }
        if seed % 3 == 0 {
            rig.run_for(ms(15));
            rig.stop();
        }
        // What does not end is held by the table, and there may be more to act when it lets go.
        while !rig.run() {
            let holds = std::mem::take(&mut table.borrow_mut().holds);
            assert!(!holds.is_empty(), "seed {seed}: {rig:?}");
            assert_eq!(rig.stats().holds, holds.len(), "seed {seed}");
        }
        table.borrow_mut().holds.clear();
        rig.settle();
        assert_eq!(table.borrow().wrong, [""; 0], "seed {seed}");
        assert_empty(&rig);
        assert_eq!(rig.stats().panics, table.borrow().panics, "seed {seed}: only on purpose");
        assert_eq!(table.borrow().alive, 0, "seed {seed}");
        assert!(table.borrow().players.iter().all(|id| rig.post(*id, ACT, 0).is_err()));
        for alias in ["a", "b", "c"] {
            assert_eq!(rig.resolve(alias), None, "seed {seed}");
        }
    }
}
