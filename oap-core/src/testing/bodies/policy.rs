//! Rates, against numbers without end.

use core::time::Duration;

use super::Heap;
use super::choices::Choices;
use crate::Timestamp;
use crate::policy::{Pacer, PollBudget, TokenBucket};

/// A token bucket, a pacer or a poll budget under any amounts and times: it gives what exact
/// arithmetic gives.
///
/// # Panics
/// If that does not hold.
pub fn policy(data: &[u8], _heap: Heap) {
    let mut choices = Choices::new(data);
    match choices.below(3) {
        0 => bucket(&mut choices),
        1 => pacer(&mut choices),
        _ => budget(&mut choices),
    }
}

const MILLION: u128 = 1_000_000;

fn bucket(choices: &mut Choices<'_>) {
    let (capacity, rate) = (number(choices), number(choices));
    let mut bucket = TokenBucket::new(capacity, rate);
    let full = u128::from(capacity) * MILLION;
    let (mut level, mut at) = (full, 0);
    let mut now = 0_u64;
    while !choices.is_empty() {
        now = if choices.byte() == 0 {
            number(choices)
        } else {
            now.saturating_add(number(choices))
        };
        let gained = u128::from(now.saturating_sub(at)) * u128::from(rate);
        let there = level.saturating_add(gained).min(full);
        let time = Timestamp::from_micros(now);
        assert_eq!(u128::from(bucket.level(time)), there / MILLION);
        let amount = number(choices);
        match bucket.try_take(time, amount) {
            Ok(()) => {
                level = there
                    .checked_sub(u128::from(amount) * MILLION)
                    .expect("it gives what it has");
                at = at.max(now);
            }
            Err(wait) => {
                assert!(there < u128::from(amount) * MILLION, "it has so many");
                let never = amount > capacity || rate == 0;
                assert!(!never || wait == Duration::MAX);
                let Ok(wait) = u64::try_from(wait.as_micros()) else {
                    continue;
                };
                if let Some(later) = now.checked_add(wait) {
                    let later = Timestamp::from_micros(later);
                    assert!(bucket.clone().try_take(later, amount).is_ok(), "too early");
                }
            }
        }
    }
}

fn pacer(choices: &mut Choices<'_>) {
    let (rate, burst) = (number(choices), Duration::from_micros(number(choices)));
    let mut pacer = Pacer::new(rate, burst);
    let exact = u128::from(rate.max(1));
    // What is paid for, in shares of a microsecond; it stands at the largest time for good.
    let mut paid = 0_u128;
    let mut now = 0_u64;
    while !choices.is_empty() {
        now = now.saturating_add(number(choices));
        let amount = number(choices);
        let before = paid / exact;
        if before < u128::from(now) {
            paid = u128::from(now) * exact + paid % exact;
        }
        paid = paid.saturating_add(u128::from(amount) * MILLION);
        if paid / exact >= u128::from(u64::MAX) {
            return;
        }
        let time = Timestamp::from_micros(now);
        pacer.spend(time, amount);
        let ahead = u64::try_from(paid / exact).unwrap_or(u64::MAX) - now;
        let wait = Duration::from_micros(ahead).saturating_sub(burst);
        let expected = (!wait.is_zero()).then(|| time + wait);
        assert_eq!(pacer.ready_at(time), expected);
        assert_eq!((time + wait) - wait, time);
    }
}

fn budget(choices: &mut Choices<'_>) {
    let (frames, bytes) = (choices.u32(), number(choices) as usize);
    let mut budget = PollBudget::new(frames, bytes);
    let (mut some_frames, mut some_bytes) = (0_u128, 0_u128);
    while !choices.is_empty() {
        let (more_frames, more_bytes) = (choices.u32(), number(choices) as usize);
        some_frames += u128::from(more_frames);
        some_bytes += more_bytes as u128;
        let is_left = some_frames < frames.into() && some_bytes < bytes as u128;
        assert_eq!(budget.spend(more_frames, more_bytes), is_left);
        assert_eq!(budget.is_spent(), !is_left);
        if choices.byte() == 0 {
            budget.refill();
            assert_eq!(budget, PollBudget::new(frames, bytes));
            (some_frames, some_bytes) = (0, 0);
        }
    }
}

/// A number of any size.
fn number(choices: &mut Choices<'_>) -> u64 {
    let shift = choices.below(64);
    choices.u64() >> shift
}
