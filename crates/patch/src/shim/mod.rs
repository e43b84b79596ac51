//! placeholder for the next commit
