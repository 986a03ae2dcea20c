//! Walks through every state that a scenario can reach.

use std::collections::HashSet;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::{Duration, Instant};

use foldhash::fast::FixedState;

use super::action::Action;
use super::matrix::Matrix;
use super::scenario::Scenario;
use super::world::World;

/// What came of an exploration.
#[derive(Debug)]
pub struct Report {
    /// States that differ.
    pub states: u64,
    /// Steps from one to another.
    pub transitions: u64,
    /// States in which nothing happens any more unless something optional does.
    pub rests: u64,
    /// The longest way walked.
    pub depth: usize,
    /// Whether there was nothing left to explore.
    pub exhausted: bool,
    /// How long it took.
    pub took: Duration,
    /// Which frame came in which state.
    pub matrix: Matrix,
    /// The first property found broken.
    pub failure: Option<Failure>,
}

/// A broken property, with the way that leads to it from the beginning.
#[derive(Debug)]
pub struct Failure {
    /// What does not hold.
    pub what: String,
    /// The steps; [`replay`] walks them again.
    pub trace: Vec<Action>,
}

/// Explores a scenario, depth first, until it is exhausted, `most` states are known or a property is
/// broken. A failure's trace is shortened as far as leaving out single steps goes.
pub fn explore(scenario: &Rc<Scenario>, most: u64) -> Report {
    let began = Instant::now();
    let mut walk = Walk::new(most);
    let failed = walk.run(World::new(Rc::clone(scenario)));
    let failure = failed.err().map(|what| {
        let trace = walk.path.iter().map(|node| node.action).collect();
        shorten(scenario, Failure { what, trace })
    });
    Report {
        states: walk.known.len() as u64,
        transitions: walk.transitions,
        rests: walk.rests,
        depth: walk.depth,
        exhausted: failure.is_none() && walk.known.len() as u64 <= most && walk.path.is_empty(),
        took: began.elapsed(),
        matrix: walk.matrix,
        failure,
    }
}

/// Walks a trace from the beginning of a scenario.
///
/// # Errors
/// The property that its last step, or the state or circle it leads to, breaks. `Ok(None)`: a step
/// could not be taken, so the trace leads nowhere.
pub fn replay(scenario: &Rc<Scenario>, trace: &[Action]) -> Result<Option<World>, String> {
    let mut world = World::new(Rc::clone(scenario));
    let mut passed = vec![world.digest()];
    for &action in trace {
        if !world.actions().contains(&action) {
            return Ok(None);
        }
        step(&mut world, action)?;
        let digest = world.digest();
        if passed.contains(&digest) {
            return Err(CIRCLE.into());
        }
        passed.push(digest);
        world.check()?;
        if world.is_at_rest(&world.actions()) {
            world.check_at_rest()?;
        }
    }
    Ok(Some(world))
}

const CIRCLE: &str = "a circle: these steps lead back to where they began, and may do so for ever";

/// A state on the way to where the walk is, and what is left to try there.
struct Node {
    /// What led to the next one.
    action: Action,
    /// `None` once the last way from it is taken.
    world: Option<World>,
    left: Vec<Action>,
    digest: u64,
}

struct Walk {
    most: u64,
    path: Vec<Node>,
    on_path: HashSet<u64, FixedState>,
    known: HashSet<u64, FixedState>,
    transitions: u64,
    rests: u64,
    depth: usize,
    matrix: Matrix,
}

impl Walk {
    fn new(most: u64) -> Self {
        Self {
            most,
            path: Vec::new(),
            on_path: HashSet::default(),
            known: HashSet::default(),
            transitions: 0,
            rests: 0,
            depth: 0,
            matrix: Matrix::default(),
        }
    }

    fn run(&mut self, world: World) -> Result<(), String> {
        let digest = world.digest();
        self.enter(world, digest)?;
        while let Some(node) = self.path.last_mut() {
            if self.known.len() as u64 >= self.most {
                break;
            }
            let Some(action) = node.left.pop() else {
                self.on_path.remove(&node.digest);
                self.path.pop();
                continue;
            };
            node.action = action;
            let next = if node.left.is_empty() {
                node.world.take()
            } else {
                node.world.as_ref().map(World::fork)
            };
            let mut next = next.expect("a node keeps its world until its last way is taken");
            self.transitions += 1;
            if let Some(cell) = step(&mut next, action)? {
                self.matrix.add(cell);
            }
            let digest = next.digest();
            if self.on_path.contains(&digest) {
                return Err(CIRCLE.into());
            }
            if !self.known.contains(&digest) {
                self.enter(next, digest)?;
            }
        }
        Ok(())
    }

    /// Checks a new state and puts it at the end of the path.
    fn enter(&mut self, world: World, digest: u64) -> Result<(), String> {
        self.known.insert(digest);
        world.check()?;
        let left = world.actions();
        if world.is_at_rest(&left) {
            self.rests += 1;
            world.check_at_rest()?;
        }
        self.on_path.insert(digest);
        self.path.push(Node {
            action: Action::Tick,
            world: Some(world),
            left,
            digest,
        });
        self.depth = self.depth.max(self.path.len());
        Ok(())
    }
}

/// One step; a panic is a broken property, too.
fn step(world: &mut World, action: Action) -> Result<Option<super::matrix::Cell>, String> {
    catch_unwind(AssertUnwindSafe(|| world.apply(action))).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|&text| text.into()));
        Err(format!("a panic: {}", text.unwrap_or_default()))
    })
}

/// Leaves out steps, one at a time, as long as the rest still breaks a property.
fn shorten(scenario: &Rc<Scenario>, failure: Failure) -> Failure {
    let mut shortest = failure;
    let mut at = shortest.trace.len();
    while at > 0 {
        at -= 1;
        let mut trace = shortest.trace.clone();
        trace.remove(at);
        if let Err(what) = replay(scenario, &trace) {
            shortest = Failure { what, trace };
            at = at.min(shortest.trace.len());
        }
    }
    shortest
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.what)?;
        for (at, action) in self.trace.iter().enumerate() {
            write!(f, "\n{:>4}. {action}", at + 1)?;
        }
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = match (&self.failure, self.exhausted) {
            (Some(_), _) => "BROKEN",
            (None, true) => "exhausted",
            (None, false) => "cut off",
        };
        write!(
            f,
            "{:>11} states {:>12} transitions {:>9} rests {:>5} deep {:>8.1} s  {end}",
            self.states,
            self.transitions,
            self.rests,
            self.depth,
            self.took.as_secs_f64()
        )
    }
}
