//! Parses a header with every value of `len` that 32 bits can hold, and compares the verdict with
//! what section 1 of the specification says, under the largest and the smallest `max_frame`.

use std::hint::black_box;
use std::num::NonZeroU32;
use std::process::ExitCode;
use std::thread;
use std::time::Instant;

use clap::Parser;
use oap_core::wire::{FrameFault, HEADER_LEN, Header, MAX_FRAME};

/// All 2^32 values of `len`, through the parser of whole headers and the one of prefixes.
#[derive(Debug, Parser)]
struct Options {
    /// Takes every so-many-th value only.
    #[arg(long, default_value = "1")]
    stride: NonZeroU32,
    /// Threads that share the range.
    #[arg(long, default_value = "2")]
    threads: NonZeroU32,
}

/// The largest limit, and the smallest that a HELLO may tell of.
const LIMITS: [u32; 2] = [MAX_FRAME, 4_096];

/// How many values were accepted, found too short and found too large.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tally {
    accepted: u64,
    short: u64,
    large: u64,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let began = Instant::now();
    let threads = u64::from(options.threads.get());
    let workers: Vec<_> = (0..threads)
        .map(|worker| {
            let stride = u64::from(options.stride.get());
            thread::spawn(move || {
                LIMITS.map(|limit| check(worker * stride, threads * stride, limit))
            })
        })
        .collect();
    let mut tallies = [Tally::default(); 2];
    for worker in workers {
        match worker.join() {
            Ok(done) => {
                for (tally, part) in tallies.iter_mut().zip(done) {
                    tally.accepted += part.accepted;
                    tally.short += part.short;
                    tally.large += part.large;
                }
            }
            Err(_) => return ExitCode::FAILURE,
        }
    }
    let mut right = true;
    for (limit, tally) in LIMITS.into_iter().zip(tallies) {
        println!(
            "max_frame {limit}: {} accepted, {} too short, {} too large",
            tally.accepted, tally.short, tally.large
        );
        right &= options.stride.get() > 1 || tally == expected(limit);
    }
    let seconds = began.elapsed().as_secs_f64();
    match options.stride.get() {
        1 => println!("all 2^32 values of len under each limit, in {seconds:.1} s"),
        stride => println!("one in {stride} values of len under each limit, in {seconds:.1} s"),
    }
    if right {
        ExitCode::SUCCESS
    } else {
        eprintln!("these are not the numbers that the specification gives");
        ExitCode::FAILURE
    }
}

/// Section 1: 33 to `max_frame` is a frame.
fn expected(max_frame: u32) -> Tally {
    let (frame, all) = (u64::from(max_frame), 1 << 32);
    Tally {
        accepted: frame - 33 + 1,
        short: 33,
        large: all - frame - 1,
    }
}

/// Every value of `len` from `first` on, in steps.
///
/// # Panics
/// If a verdict is not the specification's.
fn check(first: u64, step: u64, max_frame: u32) -> Tally {
    let mut tally = Tally::default();
    let mut bytes = [0; HEADER_LEN];
    bytes[4] = 1;
    let mut next = first;
    while let Ok(len) = u32::try_from(next) {
        bytes[..4].copy_from_slice(&len.to_le_bytes());
        let bytes = black_box(&bytes);
        let early = Header::check_prefix(&bytes[..4], max_frame);
        match (Header::parse(bytes, max_frame), early) {
            (Ok(header), Ok(5)) if (33..=max_frame).contains(&len) && header.len == len => {
                tally.accepted += 1;
            }
            (Err(FrameFault::TooShort { len: told }), Err(early))
                if len < 33 && told == len && early == (FrameFault::TooShort { len }) =>
            {
                tally.short += 1;
            }
            (Err(FrameFault::TooLarge { len: told, .. }), Err(early))
                if len > max_frame
                    && told == len
                    && early == (FrameFault::TooLarge { len, max_frame }) =>
            {
                tally.large += 1;
            }
            seen => panic!("len {len}, max_frame {max_frame}: {seen:?}"),
        }
        next += step;
    }
    tally
}
