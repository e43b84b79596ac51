//! The boundary between names out of files and what is shown: every text of a
//! report goes through [`artcheck_inspect::shown`] when it is made or read, so
//! that no format has to think of it. Paths of `file` alone are kept as the
//! disk has them, since programs open them.

use std::borrow::Cow;

use artcheck_inspect::shown::shown;
use artcheck_inspect::{Location, Need, Problem};

use super::contents::ModuleNode;
use super::model::{Entry, Finding, Library, Report, Runtime, Said, Undecided, Verdict};
use super::shared::Shared;
use super::summary::{ExecutableSummary, LibrarySummary};

/// Text that strangers may have written.
pub trait Show: Sized {
    /// Makes it fit to be shown, in place.
    fn show(&mut self);

    /// The same of a value that was just made.
    fn fit(mut self) -> Self {
        self.show();
        self
    }
}

impl Show for String {
    fn show(&mut self) {
        if let Cow::Owned(text) = shown(self) {
            *self = text;
        }
    }
}

impl<T: Show> Show for Vec<T> {
    fn show(&mut self) {
        self.iter_mut().for_each(T::show);
    }
}

impl<T: Show> Show for Option<T> {
    fn show(&mut self) {
        self.iter_mut().for_each(T::show);
    }
}

impl<T: Show + Clone> Show for Shared<T> {
    fn show(&mut self) {
        T::show(self);
    }
}

/// Fields with text, and the others: a new field has to be in one of the lists.
macro_rules! show {
    ($type:ident: $($text:ident)*; $($other:ident)*) => {
        impl Show for $type {
            fn show(&mut self) {
                let Self { $($text,)* $($other: _,)* } = self;
                $($text.show();)*
            }
        }
    };
}

show!(Report: artifacts runtimes findings suppressed; schema tool shard summary run);
show!(Entry: path about needed needs libraries problems verdicts; file size role format architecture platform is_ambiguous);
show!(Library: summary tree requires; blob_size);
show!(LibrarySummary: prefix epoch modules executables slots gpu model_type kv_state_kind;);
show!(ExecutableSummary: magic attention_tags; functions instructions constants cache_config_length);
show!(ModuleNode: kind code_format; depth size kernels);
show!(Runtime: name parts release about; runs_models);
show!(Verdict: prefix runtime rules undecided needs runs_with; source status);
show!(Need: library brought_by;);
show!(Undecided: rule why;);
show!(Finding: artifact said; severity file fingerprint suppression place);
show!(Said: rule name locations runtime message evidence runtime_says help; repairs);
show!(Location: symbol function; offset instruction argument constant);
show!(Problem: detail; kind offset);
