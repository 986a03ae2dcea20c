//! Pure policies: time and amounts in, decisions out.

mod pacer;
mod poll_budget;
mod token_bucket;

pub use pacer::Pacer;
pub use poll_budget::PollBudget;
pub use token_bucket::TokenBucket;
