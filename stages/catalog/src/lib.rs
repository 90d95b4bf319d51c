//! The stage kinds, and the list that registers them.
