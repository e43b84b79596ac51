//! The words of `rayon` on one thread: WebAssembly's machine has no other.

pub use std::convert::Infallible as NotStarted;

/// There is one.
pub(crate) fn for_process(_: Option<usize>) -> Result<(), NotStarted> {
    Ok(())
}

/// Here and now.
pub(crate) fn with<T>(_: usize, work: impl FnOnce() -> T) -> Result<T, NotStarted> {
    Ok(work())
}

/// One after the other.
pub(crate) fn join<A, B>(first: impl FnOnce() -> A, second: impl FnOnce() -> B) -> (A, B) {
    (first(), second())
}

/// What the loops are written with.
pub(crate) mod prelude {
    /// What gives its items away.
    pub(crate) trait IntoParallelIterator: IntoIterator + Sized {
        /// As `into_iter`.
        fn into_par_iter(self) -> Self::IntoIter {
            self.into_iter()
        }
    }

    impl<T: IntoIterator> IntoParallelIterator for T {}

    /// What lends its items.
    pub(crate) trait Lends<T> {
        /// As `iter`.
        fn par_iter(&self) -> std::slice::Iter<'_, T>;
        /// As `iter_mut`.
        fn par_iter_mut(&mut self) -> std::slice::IterMut<'_, T>;
    }

    impl<T> Lends<T> for [T] {
        fn par_iter(&self) -> std::slice::Iter<'_, T> {
            self.iter()
        }

        fn par_iter_mut(&mut self) -> std::slice::IterMut<'_, T> {
            self.iter_mut()
        }
    }

    /// What `rayon` says of its iterators and the standard library does not.
    pub(crate) trait ParallelIterator: Iterator + Sized {
        /// How many items a thread takes at once: there is one thread.
        fn with_max_len(self, _: usize) -> Self {
            self
        }

        /// As `find`.
        fn find_first(mut self, is_it: impl Fn(&Self::Item) -> bool) -> Option<Self::Item> {
            self.find(|item| is_it(item))
        }
    }

    impl<T: Iterator> ParallelIterator for T {}
}
