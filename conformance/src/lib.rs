//! What proves implementations of OAP/1.

#[cfg(feature = "live")]
pub mod attacks;
#[cfg(feature = "live")]
pub mod bugs;
#[cfg(feature = "live")]
pub mod faults;
#[cfg(feature = "live")]
pub mod live;
pub mod model;
pub mod simulation;
#[cfg(feature = "live")]
pub mod suite;
pub mod vectors;
