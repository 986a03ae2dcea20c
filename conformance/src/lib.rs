//! What proves implementations of OAP/1.

pub mod attacks;
pub mod bugs;
pub mod faults;
pub mod live;
pub mod suite;
