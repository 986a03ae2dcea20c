//! Dates and times, in UTC.

use time::{Date, OffsetDateTime};

/// The date of today.
pub fn today() -> Date {
    OffsetDateTime::now_utc().date()
}

/// Now, to the second: `2026-01-31T12:00:00Z`.
pub fn now() -> String {
    let now = OffsetDateTime::now_utc();
    let (date, (hour, minute, second)) = (now.date(), now.time().as_hms());
    let (year, month, day) = date.to_calendar_date();
    let month = u8::from(month);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}
