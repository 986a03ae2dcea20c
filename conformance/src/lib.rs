//! What proves implementations of OAP/1.

pub mod suite;
