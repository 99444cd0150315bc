//! Every statement that Bugle gives to SQLite, by noun. A test explains each one and refuses a scan of a table that
//! grows, so a statement that is not in here is not checked: write none elsewhere.

macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident = $text:expr;)*) => {
        $($(#[$doc])* pub(crate) const $name: &str = $text;)*
        /// All of them with their names, for the test on their plans.
        #[cfg(test)]
        pub(crate) const ALL: &[(&str, &str)] = &[$((stringify!($name), $name)),*];
    };
}

pub(crate) mod activity;
pub(crate) mod audit;
pub(crate) mod config;
pub(crate) mod deliveries;
pub(crate) mod incidents;
pub(crate) mod receipts;
pub(crate) mod retention;
pub(crate) mod users;

#[cfg(test)]
mod tests;
