//! Pure policies: time and amounts in, decisions out.

mod poll_budget;
mod token_bucket;

pub use poll_budget::PollBudget;
pub use token_bucket::TokenBucket;
