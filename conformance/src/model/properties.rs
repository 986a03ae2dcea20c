//! What must hold in every state, and what where nothing happens any more.

use oap_core::Role;

use super::client::{Call, Stage};
use super::side::Side;
use super::world::{Step, World};

impl World {
    /// Holds in every state: no limit is passed, the books agree with what is there, and credit is
    /// never below nothing. What was sent, granted and delivered is judged step by step.
    ///
    /// # Errors
    /// The property that is broken.
    pub fn check(&self) -> Step {
        for role in [Role::Client, Role::Server] {
            if let Some(side) = self.side(role) {
                self.check_side(role, side)
                    .map_err(|what| format!("{role:?}: {what}"))?;
            }
        }
        Ok(())
    }

    fn check_side(&self, role: Role, side: &Side) -> Step {
        let connection = &side.connection;
        connection.audit(side.held_cost())?;
        let most = usize::from(connection.config().limits.max_inflight());
        let within = role == Role::Client || connection.exchanges() <= most;
        hold(within, "more exchanges than max_inflight")?;
        let done = connection.interest().done;
        hold(!done || connection.is_closed(), "done and not closed")
    }

    /// Holds where nothing happens any more unless something optional does: every exchange has
    /// ended at both sides, and nothing waits that nobody will move.
    ///
    /// # Errors
    /// The property that is broken.
    pub fn check_at_rest(&self) -> Step {
        for role in [Role::Client, Role::Server] {
            if let Some(side) = self.side(role) {
                self.check_rest_of(side)
                    .map_err(|what| format!("at rest, {role:?}: {what}"))?;
            }
        }
        let over = self.calls.iter().all(Call::is_over);
        let closed = |side: &Option<Side>| side.as_ref().is_some_and(|side| side.told_closed);
        if self.scenario.is_honest() || closed(&self.client) {
            hold(
                over,
                &format!("at rest, and not over: {}", self.open_calls()),
            )?;
        }
        if self.scenario.is_honest() || closed(&self.server) {
            hold(self.handlers.is_empty(), "at rest, and a handler works on")?;
        }
        Ok(())
    }

    fn check_rest_of(&self, side: &Side) -> Step {
        let connection = &side.connection;
        let interest = connection.interest();
        hold(!interest.event, "an event waits")?;
        hold(side.held.is_empty(), "a payload is held")?;
        if connection.is_closed() || side.gone {
            hold(side.told_closed, "closed, and nobody was told")?;
            return hold(side.gone, "closed, and the transport is not");
        }
        hold(!interest.write && !interest.again, "it waits for its host")?;
        hold(side.undecoded().is_empty(), "bytes are not decoded")?;
        let silent = side.fork().next_frame(self.now).is_none();
        hold(silent, "it has a frame to write and does not say so")?;
        if self.scenario.is_honest() {
            let open = connection.exchanges();
            hold(open == 0, &format!("{open} exchanges are open"))?;
        }
        Ok(())
    }

    fn open_calls(&self) -> String {
        let open = self
            .calls
            .iter()
            .enumerate()
            .filter(|(_, call)| !call.is_over());
        let names = open.map(|(plan, call)| match call.stage {
            Stage::Waiting => format!("{plan} (never opened)"),
            _ => format!("{plan} (running)"),
        });
        names.collect::<Vec<_>>().join(", ")
    }
}

fn hold(holds: bool, what: &str) -> Step {
    if holds { Ok(()) } else { Err(what.into()) }
}
