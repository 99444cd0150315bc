//! Every bound in one place, each with its unit in its name and why it is what it is.

/// Largest accepted request body. Vendors stay far below: PagerDuty stops at 256 KiB, Alertmanager groups rarely pass it.
pub const BODY_BYTES_MAX: usize = 1024 * 1024;
/// Most headers of one request, in or out.
pub const HEADERS_MAX: usize = 100;
/// Longest header value that a destination may be given. Those of callers are bounded by the request head as a whole.
pub const HEADER_VALUE_BYTES_MAX: usize = 8 * 1024;
/// Deepest JSON accepted; serde_json's own limit is 128.
pub const JSON_DEPTH_MAX: usize = 128;
/// Most signals taken from one receipt.
pub const SIGNALS_PER_RECEIPT_MAX: usize = 10_000;
/// Longest fingerprint, grouping key, label name or label value kept as it is; longer ones are cut.
pub const KEY_BYTES_MAX: usize = 2 * 1024;
/// Longest title kept.
pub const TITLE_BYTES_MAX: usize = 1024;
/// Longest description kept.
pub const DESCRIPTION_BYTES_MAX: usize = 32 * 1024;
/// Most labels or annotations kept of one signal.
pub const LABELS_MAX: usize = 256;
/// Most measurements, correlations or related anomalies kept of one signal.
pub const FINDINGS_MAX: usize = 1_000;
/// Longest correlation id (`X-Request-ID`) taken over from a caller.
pub const CORRELATION_ID_BYTES_MAX: usize = 128;
/// Most active secrets of one integration or destination.
pub const SECRETS_MAX: usize = 8;
/// For how long old secrets go on beside a new one when nobody says: a day, in which every sender can be changed over.
pub const SECRET_OVERLAP_DEFAULT: std::time::Duration = std::time::Duration::from_hours(24);
/// Rejected receipts kept for each integration, and as many undecodable ones; the oldest go first.
pub const QUARANTINE_PER_INTEGRATION_MAX: u32 = 1_000;
/// Rejected receipts written each second for each integration. What comes beyond is counted, answered, and not kept:
/// a flood of forged calls must not fill the disk.
pub const QUARANTINE_WRITES_PER_SECOND_MAX: u32 = 50;
/// A clock that goes back by less than this is being adjusted, not turned.
pub const CLOCK_STEP_MIN: std::time::Duration = std::time::Duration::from_secs(1);
/// Most of a receiver's answer that is read and kept.
pub const RESPONSE_BYTES_MAX: usize = 16 * 1024;
/// Clients that follow the stream at once. Each costs a connection and a copy of what is sent; a dashboard needs one.
pub const STREAM_LISTENERS_MAX: usize = 256;
/// Users of one hub; all of them are read at once.
pub const USERS_MAX: usize = 1_000;
/// Browsers in which one user is signed in at once; the one that signed in first is signed out for the next.
pub const SESSIONS_PER_USER_MAX: u32 = 50;
/// For how long it is kept who changed what: a year, as auditors ask for it.
pub const AUDIT_AGE_MAX: std::time::Duration = std::time::Duration::from_hours(365 * 24);
/// Most entries of the audit log; the oldest go first. About 100 MB.
pub const AUDIT_ENTRIES_MAX: u32 = 250_000;
/// Up to where waiting receipts are counted: beyond it the count says no more, and would take longer.
pub const INBOX_COUNTED_MAX: u32 = 100_000;
/// Up to where dead deliveries are counted before they are sent again.
pub const DEAD_COUNTED_MAX: u32 = 100_000;
/// Largest page of a list.
pub const PAGE_MAX: u32 = 200;
/// Page size when none is asked for.
pub const PAGE_DEFAULT: u32 = 50;
