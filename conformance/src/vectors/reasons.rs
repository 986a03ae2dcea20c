//! Table 6 of the specification, as far as an error body shows it.

/// Every reason and whether it is retryable.
const REASONS: [(&str, bool); 26] = [
    ("timeout", true),
    ("tls", false),
    ("too_large", false),
    ("rate_limited", true),
    ("peer_limit", true),
    ("arti_bootstrap", true),
    ("over_capacity", true),
    ("bad_frame", false),
    ("bad_version", false),
    ("bad_sequence", false),
    ("bad_hello", false),
    ("bad_coding", false),
    ("decompress_overflow", false),
    ("credit_violation", false),
    ("flood", true),
    ("bad_request", false),
    ("not_found", false),
    ("unauthorized", false),
    ("forbidden", false),
    ("not_ready", true),
    ("draining", true),
    ("cancelled", false),
    ("pq_policy", false),
    ("quic_path", true),
    ("io", true),
    ("internal", false),
];

/// Whether a reason is retryable; `None` if it is not on the list.
pub(super) fn retryable(reason: &str) -> Option<bool> {
    let row = REASONS.iter().find(|row| row.0 == reason);
    row.map(|row| row.1)
}
