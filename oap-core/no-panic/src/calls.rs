//! The public calls, by what they belong to. `check` compares their names with the sources.

use alloc::string::String;
use alloc::vec::Vec;
use core::cmp::Ordering;
use core::fmt::{Debug, Display, Formatter, Result as Written};
use core::ops::{Add, Sub};
use core::time::Duration;

use bytes::{Buf, Bytes};
use oap_core::policy::{Pacer, PollBudget, TokenBucket};
use oap_core::wire::{
    Codings, Decoder, ErrorBody, Features, Flags, Frame, FrameFault, FrameQueue, Header, Hello,
    HelloFault, ReasonName, ReplyFacts, write_error_body,
};
use oap_core::{
    Body, Charge, CloseReason, Code, Config, Connection, Counters, Event, Exchange, ExchangeId,
    Fin, Head, Lane, LimitError, Limits, LimitsBuilder, Payload, Reason, SendError, Start, Timers,
    Timestamp, Transmit, Violation,
};

use crate::keep;

pub(crate) fn connection() {
    keep(Connection::client as fn(_, _) -> _);
    keep(Connection::server as fn(_, _) -> _);
    keep(Connection::role as fn(_) -> _);
    keep(Connection::counters as fn(_) -> _);
    keep(Connection::config as fn(_) -> _);
    keep(Connection::exchanges as fn(_) -> _);
    keep(Connection::capacity as fn(_) -> _);
    keep(Connection::held_bytes as fn(_) -> _);
    keep(Connection::is_going_away as fn(_) -> _);
    keep(Connection::is_lane_idle as fn(_, _) -> _);
    keep(Connection::is_lane_stalled as fn(_, _) -> _);
    keep(Connection::is_closed as fn(_) -> _);
    keep(Connection::is_strained as fn(_, _) -> _);
    keep(Connection::interest as fn(_) -> _);
    keep(Connection::handle_input as fn(_, _, _, _));
    keep(Connection::handle_eof as fn(_, _, _, _));
    keep(Connection::handle_reset as fn(_, _, _));
    keep(Connection::handle_transport_error as fn(_));
    keep(Connection::handle_peer_close as fn(_));
    keep(Connection::handle_pause as fn(_, _));
    keep(Connection::handle_resume as fn(_, _));
    keep(Connection::handle_write_pause as fn(_, _));
    keep(Connection::handle_write_resume as fn(_, _));
    keep(Connection::handle_timeout as fn(_, _));
    keep(Connection::drop_output as fn(_, _));
    keep(Connection::request as fn(_, _, _, _, _) -> _);
    keep(Connection::exchange as fn(_, _) -> _);
    keep(Connection::consumed as fn(_, _, _));
    keep(Connection::drain as fn(_));
    keep(Connection::close as fn(_));
    keep(Connection::ping as fn(_, _) -> _);
    keep(Connection::poll_event as fn(_) -> _);
    keep(Connection::poll_transmit as fn(_, _, _) -> _);
    keep(Connection::wants_to_go_on as fn(_, _) -> _);
    keep(poll_writable_lane as fn(_, _) -> _);
    keep(drop::<Connection> as fn(_));
}

fn poll_writable_lane(connection: &mut Connection, takes: fn(Lane) -> bool) -> Option<Lane> {
    connection.poll_writable_lane(takes)
}

pub(crate) fn exchange() {
    keep(Exchange::id as fn(_) -> _);
    keep(Exchange::corr_id as fn(_) -> _);
    keep(Exchange::lane as fn(_) -> _);
    keep(Exchange::is_ended as fn(_) -> _);
    keep(Exchange::queued_bytes as fn(_) -> _);
    keep(Exchange::has_room as fn(_) -> _);
    keep(Exchange::send as fn(_, _, _, _) -> _);
    keep(Exchange::respond as fn(_, _, _) -> _);
    keep(Exchange::push as fn(_, _, _) -> _);
    keep(Exchange::fail as fn(_, _, _, _) -> _);
    keep(Exchange::cancel as fn(_, _, _));
    keep(Exchange::release as fn(_));
    keep(Exchange::authorize as fn(_, _, _));
}

pub(crate) fn transmit() {
    keep(Transmit::remaining as fn(_) -> _);
    keep(Transmit::chunk as fn(_) -> _);
    keep(Transmit::advance as fn(_, _));
    keep(Transmit::copy_to_bytes as fn(_, _) -> _);
}

pub(crate) fn values() {
    keep(ExchangeId::index as fn(_) -> _);
    keep(Fin::is_end as fn(_) -> _);
    keep(Head::new as fn(_) -> _);
    keep((|head, bytes| head.with_capability(bytes)) as fn(Head, Bytes) -> Head);
    keep(Head::with_tenant as fn(_, _) -> _);
    keep(Head::with_timeout as fn(_, _) -> _);
    keep(Payload::charge as fn(_) -> _);
    keep(Charge::cost as fn(_) -> _);
    keep(Payload::wire_bytes as fn(_) -> _);
    keep(Payload::wire_len as fn(_) -> _);
    keep(Payload::is_compressed as fn(_) -> _);
    keep(Payload::is_opaque as fn(_) -> _);
    keep(Payload::is_empty as fn(_) -> _);
    keep(Payload::into_wire_bytes as fn(_) -> _);
    keep(Body::empty as fn() -> _);
    keep(Body::compressed as fn(_) -> _);
    keep(Body::opaque as fn(_) -> _);
    keep(Body::len as fn(_) -> _);
    keep(Body::is_empty as fn(_) -> _);
    keep(Body::is_compressed as fn(_) -> _);
    keep(<Body as From<Bytes>>::from as fn(_) -> _);
    keep(<Body as From<Vec<u8>>>::from as fn(_) -> _);
    keep(<Body as From<String>>::from as fn(_) -> _);
    keep(<Body as From<&'static str>>::from as fn(_) -> _);
    keep(Event::clone as fn(_) -> _);
    keep(<Event as PartialEq>::eq as fn(_, _) -> _);
    keep(Start::clone as fn(_) -> _);
    keep(Counters::refused as fn(_, _) -> _);
    keep(Counters::refused_total as fn(_) -> _);
    keep(CloseReason::reason as fn(_) -> _);
}

pub(crate) fn config() {
    keep(Config::default as fn() -> _);
    keep(Config::clone as fn(_) -> _);
    keep(Timers::default as fn() -> _);
    keep(Timers::scaled as fn(_, _) -> _);
    keep(Limits::default as fn() -> _);
    keep(Limits::builder as fn() -> _);
    keep(Limits::max_frame as fn(_) -> _);
    keep(Limits::max_inflight as fn(_) -> _);
    keep(Limits::ack_window as fn(_) -> _);
    keep(Limits::chunk as fn(_) -> _);
    keep(Limits::send_buffer as fn(_) -> _);
    keep(Limits::buffer_bytes as fn(_) -> _);
    keep(LimitsBuilder::max_frame as fn(_, _) -> _);
    keep(LimitsBuilder::max_inflight as fn(_, _) -> _);
    keep(LimitsBuilder::ack_window as fn(_, _) -> _);
    keep(LimitsBuilder::chunk as fn(_, _) -> _);
    keep(LimitsBuilder::send_buffer as fn(_, _) -> _);
    keep(LimitsBuilder::build as fn(_) -> _);
    keep(Timestamp::from_micros as fn(_) -> _);
    keep(Timestamp::as_micros as fn(_) -> _);
    keep(Timestamp::saturating_since as fn(_, _) -> _);
    keep(<Timestamp as Add<Duration>>::add as fn(_, _) -> _);
    keep(<Timestamp as Sub<Duration>>::sub as fn(_, _) -> _);
    keep(<Timestamp as Ord>::cmp as fn(_, _) -> Ordering);
    keep(Code::new as fn(_) -> _);
    keep(Code::get as fn(_) -> _);
    keep(Code::is_error as fn(_) -> _);
    keep(Code::class as fn(_) -> _);
    keep(<Reason as From<Code>>::from as fn(_) -> _);
    keep((|| Reason::all().last()) as fn() -> Option<Reason>);
    keep(Reason::name as fn(_) -> _);
    keep(Reason::code as fn(_) -> _);
    keep(Reason::retryable as fn(_) -> _);
    keep(Reason::from_name as fn(_) -> _);
}

pub(crate) fn codec() {
    keep(Decoder::new as fn(_) -> _);
    keep(Decoder::decode as fn(_, _) -> _);
    keep(Decoder::poll_header as fn(_, _) -> _);
    keep(Decoder::pending as fn(_) -> _);
    keep(Decoder::finish as fn(_, _) -> _);
    keep(Frame::capability as fn(_) -> _);
    keep(Frame::payload as fn(_) -> _);
    keep(Frame::into_payload as fn(_) -> _);
    keep(Frame::into_bytes as fn(_) -> _);
    keep(Header::parse as fn(_, _) -> _);
    keep(Header::check_prefix as fn(_, _) -> _);
    keep(Header::encode as fn(_) -> _);
    keep(Header::frame_len as fn(_) -> _);
    keep(Header::payload_len as fn(_) -> _);
    keep(FrameQueue::new as fn() -> _);
    keep(FrameQueue::push as fn(_, _, _, _));
    keep(FrameQueue::remaining as fn(_) -> _);
    keep(FrameQueue::chunk as fn(_) -> _);
    keep(FrameQueue::advance as fn(_, _));
    keep(FrameQueue::copy_to_bytes as fn(_, _) -> _);
    keep(FrameFault::code as fn(_) -> _);
    keep(FrameFault::reason as fn(_) -> _);
    keep(Flags::from_bits as fn(_) -> _);
    keep(Flags::bits as fn(_) -> _);
    keep(Flags::contains as fn(_, _) -> _);
    keep(Flags::intersects as fn(_, _) -> _);
    keep(Flags::with as fn(_, _) -> _);
    keep(Flags::without as fn(_, _) -> _);
    keep(Flags::has_reserved as fn(_) -> _);
    keep(Flags::directions as fn(_) -> _);
}

pub(crate) fn bodies() {
    keep(Hello::parse_request as fn(_) -> _);
    keep(Hello::parse_reply as fn(_) -> _);
    keep(Hello::write_request as fn(_, _));
    keep(Hello::write_reply as fn(&Hello, &ReplyFacts<'_>, _));
    keep(HelloFault::code as fn(_) -> _);
    keep(HelloFault::reason as fn(_) -> _);
    keep(Features::contains as fn(_, _) -> _);
    keep(Features::is_empty as fn(_) -> _);
    keep(Features::insert as fn(_, _));
    keep(Features::intersection as fn(_, _) -> _);
    keep((|set| set.names().last()) as fn(Features) -> Option<&'static str>);
    keep((|set| set.names().last()) as fn(Codings) -> Option<&'static str>);
    keep(ErrorBody::new as fn(_, _, _) -> _);
    keep(ErrorBody::with_retry_after_ms as fn(_, _) -> _);
    keep(ErrorBody::parse as fn(_) -> _);
    keep(ErrorBody::write as fn(_, _));
    keep(ReasonName::as_str as fn(_) -> _);
    keep(ReasonName::known as fn(_) -> _);
    keep(write_error_body as fn(_, _, _, _, _));
}

pub(crate) fn policies() {
    keep(TokenBucket::new as fn(_, _) -> _);
    keep(TokenBucket::level as fn(_, _) -> _);
    keep(TokenBucket::try_take as fn(_, _, _) -> _);
    keep(Pacer::new as fn(_, _) -> _);
    keep(Pacer::ready_at as fn(_, _) -> _);
    keep(Pacer::spend as fn(_, _, _));
    keep(PollBudget::new as fn(_, _) -> _);
    keep(PollBudget::is_spent as fn(_) -> _);
    keep(PollBudget::spend as fn(_, _, _) -> _);
    keep(PollBudget::refill as fn(_));
}

/// What is printed by code of the core's own; other `Debug` is derived.
pub(crate) fn texts() {
    shown::<SendError>();
    shown::<LimitError>();
    shown::<Violation>();
    shown::<CloseReason>();
    shown::<FrameFault>();
    shown::<HelloFault>();
    shown::<Code>();
    shown::<Reason>();
    shown::<ReasonName>();
    debugged::<Flags>();
    debugged::<Code>();
    debugged::<FrameQueue>();
}

fn shown<T: Display>() {
    keep(T::fmt as fn(&T, &mut Formatter<'_>) -> Written);
}

fn debugged<T: Debug>() {
    keep(T::fmt as fn(&T, &mut Formatter<'_>) -> Written);
}
