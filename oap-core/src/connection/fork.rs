//! Copies of a connection, and digests of its state, for what explores it (feature `testing`).

use core::hash::{Hash, Hasher};

use super::Connection;
use super::exchange::{Exchange, Phase};
use super::state::State;

impl Connection {
    /// A second connection in the same state; what happens to one does not touch the other.
    ///
    /// # Panics
    /// If the application holds inflated bytes of this one.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self {
            config: self.config.clone(),
            role: self.role,
            life: self.life,
            lanes: self.lanes.clone(),
            exchanges: self.exchanges.clone(),
            events: self.events.clone(),
            ends_untold: self.ends_untold,
            obligations: self.obligations,
            held: self.held,
            windowed_frames: self.windowed_frames,
            peer: self.peer.clone(),
            budgets: self.budgets.clone(),
            times: self.times.clone(),
            late: self.late.clone(),
            next_corr: self.next_corr,
            ping_nonce: self.ping_nonce,
            eof: self.eof,
            free_running: self.free_running,
            max_chunk: self.max_chunk,
            stall: self.stall,
            write_failed: self.write_failed,
            #[cfg(feature = "comp")]
            live: self.live.fork(),
            counters: self.counters.clone(),
        }
    }

    /// Feeds everything on which this connection's behaviour depends to `into`. Two connections of
    /// one configuration that feed the same cannot be told apart by what they do; the counters,
    /// which nothing depends on, are left out.
    pub fn digest(&self, into: &mut impl Hasher) {
        // By name, so that a new field cannot be forgotten here.
        let Self {
            config: _,
            role,
            life,
            lanes,
            exchanges,
            events,
            ends_untold,
            obligations,
            held,
            windowed_frames,
            peer,
            budgets,
            times,
            late,
            next_corr,
            ping_nonce,
            eof,
            free_running: _,
            max_chunk,
            stall,
            write_failed,
            #[cfg(feature = "comp")]
                live: _,
            counters: _,
        } = self;
        (role, life, stall, eof, write_failed).hash(into);
        (lanes, exchanges, events, late).hash(into);
        (ends_untold, obligations, held, windowed_frames).hash(into);
        (peer, budgets, times, next_corr, ping_nonce, max_chunk).hash(into);
    }

    /// The row of [`Connection::REQUEST_STATES`] that holds for a REQ frame with this `corr_id` at
    /// this server.
    pub fn request_state(&self, corr_id: u64) -> usize {
        self.state_at_server(self.exchanges.find(corr_id), corr_id) as usize
    }

    /// The rows of the server's table, as `docs/state.md` shows it.
    pub const REQUEST_STATES: [&'static str; 6] = {
        let mut names = [""; 6];
        let mut at = 0;
        while at < names.len() {
            names[at] = State::ALL[at].name();
            at += 1;
        }
        names
    };
}

/// What a free slot still holds of its last exchange is never read again.
impl Hash for Exchange {
    fn hash<H: Hasher>(&self, into: &mut H) {
        let Self {
            generation,
            phase,
            marks,
            empties,
            lane,
            app,
            tenant,
            corr,
            recv,
            send,
            deadline,
            queue,
            queued,
            parked,
            window,
        } = self;
        (generation, phase).hash(into);
        if *phase != Phase::Free {
            (marks, empties, lane, app, tenant, corr, deadline).hash(into);
            (recv, send, window, queue, queued, parked).hash(into);
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::sync::Arc;
    use core::hash::Hasher;

    use bytes::{Buf, BytesMut};

    use crate::{Config, Connection, Event, Fin, Head, Lane, Timestamp};

    /// The bytes fed, themselves.
    #[derive(Default, PartialEq, Eq, Debug)]
    struct Fed(alloc::vec::Vec<u8>);

    impl Hasher for Fed {
        fn write(&mut self, bytes: &[u8]) {
            self.0.extend_from_slice(bytes);
        }

        fn finish(&self) -> u64 {
            0
        }
    }

    fn digest(connection: &Connection) -> Fed {
        let mut fed = Fed::default();
        connection.digest(&mut fed);
        fed
    }

    fn written(connection: &mut Connection) -> BytesMut {
        let mut wire = BytesMut::new();
        while let Some(mut transmit) = connection.poll_transmit(Lane::FIRST, Timestamp::ZERO) {
            wire.extend_from_slice(transmit.chunk());
            transmit.advance(transmit.chunk().len());
        }
        wire
    }

    #[test]
    fn a_fork_goes_its_own_way_from_the_same_state() {
        let (config, now) = (Arc::new(Config::default()), Timestamp::ZERO);
        let mut client = Connection::client(config.clone(), now);
        let head = Head::new(1);
        client
            .request(now, head, (&[7; 3_000]).into(), Fin::More)
            .expect("a first request");
        let mut copy = client.fork();
        assert_eq!(digest(&copy), digest(&client));
        let wire = written(&mut client);
        assert_ne!(digest(&copy), digest(&client));
        assert_eq!(written(&mut copy), wire);
        assert_eq!(digest(&copy), digest(&client));

        let mut server = Connection::server(config, now);
        let before = server.fork();
        server.handle_input(Lane::FIRST, now, &mut wire.clone());
        assert_eq!(server.request_state(1), 3);
        assert_eq!(before.request_state(1), 0);
        assert!(matches!(server.poll_event(), Some(Event::Hello(_))));
        let mut copy = server.fork();
        assert_eq!(copy.poll_event(), server.poll_event());
        assert_eq!(digest(&copy), digest(&server));
    }
}
