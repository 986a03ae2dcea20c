//! What proves implementations of OAP/1.

pub mod attacks;
pub mod faults;
pub mod suite;
