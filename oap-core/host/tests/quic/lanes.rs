//! Streams as lanes.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use futures_util::future::join;
use oap_core::Lane;
use oap_core::driver::Lanes;
use oap_host::quic::QuicOptions;

use super::peer::{Came, Pair, pair};
use crate::adapter::run;

const SECOND: Lane = Lane(1);
const THIRD: Lane = Lane(2);

fn pattern(len: usize) -> Bytes {
    (0..len).map(|at| (at % 251) as u8).collect()
}

fn streams(max_streams: u16) -> QuicOptions {
    QuicOptions {
        max_streams,
        ..QuicOptions::default()
    }
}

// OAP-11-5
#[test]
fn each_stream_of_the_client_is_a_lane_and_the_first_the_first() {
    run(async {
        let Pair {
            mut client,
            mut server,
            ..
        } = pair(&QuicOptions::default()).await;
        assert!(client.0.is_multi() && server.0.is_multi());
        // A later lane is written first: stream 0 is the first lane all the same.
        client.write(THIRD, "third").await;
        assert_eq!(server.read(SECOND, 5).await, "third");
        client.write(Lane::FIRST, "first").await;
        assert_eq!(server.read(Lane::FIRST, 5).await, "first");
        client.write(SECOND, "second").await;
        assert_eq!(server.read(THIRD, 6).await, "second");

        server.write(THIRD, "to the second").await;
        assert_eq!(client.read(SECOND, 13).await, "to the second");
        server.write(Lane::FIRST, "to the first").await;
        assert_eq!(client.read(Lane::FIRST, 12).await, "to the first");
    });
}

// OAP-11-5
#[test]
fn the_server_opens_no_streams() {
    run(async {
        let Pair { mut server, .. } = pair(&QuicOptions::default()).await;
        for lane in [Lane::FIRST, SECOND] {
            let refused = server.try_write(lane, "x").await;
            assert!(refused.is_err(), "{lane:?}");
        }
    });
}

#[test]
fn a_number_is_free_again_when_both_directions_have_ended() {
    run(async {
        let Pair {
            mut client,
            mut server,
            ..
        } = pair(&streams(2)).await;
        client.write(Lane::FIRST, "stays").await;
        server.read(Lane::FIRST, 5).await;
        // More lanes one after the other than may be open at once.
        for turn in 0..10_u8 {
            client.write(SECOND, vec![turn; 100]).await;
            client.finish(SECOND);
            assert_eq!(server.read(SECOND, 100).await, vec![turn; 100]);
            server.ends(SECOND).await;
            server.write(SECOND, vec![turn; 200]).await;
            server.finish(SECOND);
            assert_eq!(client.read(SECOND, 200).await, vec![turn; 200]);
            client.ends(SECOND).await;
        }
        client.write(Lane::FIRST, "still there").await;
        server.read(Lane::FIRST, 11).await;
    });
}

#[test]
fn a_lane_waits_while_the_peer_allows_no_more_streams() {
    run(async {
        let Pair {
            mut client,
            mut server,
            ..
        } = pair(&streams(2)).await;
        client.write(Lane::FIRST, "one").await;
        client.write(SECOND, "two").await;
        assert!(client.is_full(THIRD).await);
        client.finish(SECOND);
        server.read(Lane::FIRST, 3).await;
        server.read(SECOND, 3).await;
        server.ends(SECOND).await;
        assert!(client.is_full(THIRD).await);
        server.finish(SECOND);
        client.ends(SECOND).await;
        client.write(THIRD, "three").await;
        assert_eq!(server.read(SECOND, 5).await, "three");
    });
}

#[test]
fn large_transfers_arrive_whole_in_both_directions_at_once() {
    run(async {
        let Pair {
            mut client,
            mut server,
            ..
        } = pair(&QuicOptions::default()).await;
        let whole = pattern(6_000_000);
        for lane in [Lane::FIRST, SECOND] {
            client.write(lane, "begin").await;
            server.read(lane, 5).await;
        }
        let (up, down) = (whole.clone(), whole.clone());
        let upload = join(
            async {
                client.write(Lane::FIRST, up).await;
                client
            },
            async {
                let got = server.read(Lane::FIRST, whole.len()).await;
                assert_eq!(got, whole);
                server
            },
        );
        let (mut client, mut server) = upload.await;
        join(server.write(SECOND, down), async {
            let got = client.read(SECOND, whole.len()).await;
            assert_eq!(got, whole);
        })
        .await;
    });
}

#[test]
fn many_lanes_share_a_connection_fairly_and_none_is_forgotten() {
    run(async {
        const LANES: u16 = 200;
        let Pair {
            mut client,
            mut server,
            ..
        } = pair(&QuicOptions::default()).await;
        for lane in 0..LANES {
            client.write(Lane(lane), format!("on {lane}")).await;
            if lane > 0 {
                client.finish(Lane(lane));
            }
        }
        let mut got = BTreeMap::<Lane, BytesMut>::new();
        let mut ended = 0;
        while ended < LANES - 1 || got.len() < usize::from(LANES) {
            match server.next().await {
                Came::Data(lane, data) => got.entry(lane).or_default().extend_from_slice(&data),
                Came::End(lane) => {
                    ended += 1;
                    assert_ne!(lane, Lane::FIRST);
                }
                other => panic!("{other:?}"),
            }
        }
        for (lane, data) in got {
            assert_eq!(data, format!("on {}", lane.0));
        }
    });
}

#[test]
fn what_was_written_before_a_close_arrives_and_then_the_close() {
    run(async {
        let Pair {
            mut client,
            mut server,
            connector,
            ..
        } = pair(&QuicOptions::default()).await;
        // A lane that the server has not seen yet would go down with the connection.
        for lane in [Lane::FIRST, SECOND] {
            client.write(lane, "begin").await;
            server.read(lane, 5).await;
        }
        let last = pattern(200_000);
        client.write(SECOND, last.clone()).await;
        client.finish(SECOND);
        client.write(Lane::FIRST, "last").await;
        client.close().await;

        let mut got = BTreeMap::<Lane, BytesMut>::new();
        let mut ends = Vec::new();
        loop {
            match server.next().await {
                Came::Data(lane, data) => got.entry(lane).or_default().extend_from_slice(&data),
                Came::End(lane) => ends.push(lane),
                Came::Closed => break,
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(got[&Lane::FIRST], "last");
        assert_eq!(got[&SECOND], last);
        ends.sort_unstable();
        assert_eq!(ends, [Lane::FIRST, SECOND]);
        assert!(matches!(server.next().await, Came::Closed), "and again");
        server.close().await;
        connector.wait_idle().await;
    });
}

#[test]
fn a_server_may_close_first_and_loses_nothing() {
    run(async {
        let Pair {
            mut client,
            mut server,
            connector,
            ..
        } = pair(&QuicOptions::default()).await;
        client.write(Lane::FIRST, "hello").await;
        server.read(Lane::FIRST, 5).await;
        let last = pattern(100_000);
        server.write(Lane::FIRST, last.clone()).await;
        server.close().await;
        assert_eq!(client.read(Lane::FIRST, last.len()).await, last);
        client.ends(Lane::FIRST).await;
        assert!(matches!(client.next().await, Came::Closed));
        client.close().await;
        connector.wait_idle().await;
    });
}

#[test]
fn a_dropped_connection_has_failed_for_the_peer() {
    run(async {
        let Pair {
            client, mut server, ..
        } = pair(&QuicOptions::default()).await;
        drop(client);
        match server.next().await {
            Came::Failed(error) => {
                assert_eq!(error.kind(), std::io::ErrorKind::ConnectionAborted);
                assert!(error.to_string().contains("application code 1"), "{error}");
            }
            other => panic!("{other:?}"),
        }
    });
}
