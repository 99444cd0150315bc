//! Calls a minute by platform.

statements! {
    ACTIVITY = "SELECT minute, platform, calls FROM activity WHERE minute >= ?1 ORDER BY minute, platform";
    ACTIVITY_ADD = "INSERT INTO activity (minute, platform, calls) VALUES (?1, ?2, ?3) \
        ON CONFLICT (minute, platform) DO UPDATE SET calls = calls + excluded.calls";
    /// Every addition takes away what is too old, so that there never is much.
    ACTIVITY_OLD_DELETE = "DELETE FROM activity WHERE minute < ?1";
}
