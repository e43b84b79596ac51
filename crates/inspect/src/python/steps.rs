//! What a Python file does when it is imported, as far as its text says: modules that it
//! imports whatever happens, and types that it registers by a name written in it.
//!
//! What a condition guards that is not known, what is tried, what stands behind a `return`
//! that may be taken, and what is in a function that is not called may not run: it is left
//! out.

use super::Interpreter;
use super::flow::Line;
use super::reading::Reading;
pub(crate) use super::step::absolute;
pub use super::step::{Import, Step};
use super::text::statements;
use super::uses::Use;

/// What a file does when it is imported, in order.
pub fn steps(source: &str, python: Interpreter) -> Vec<Step> {
    read(source, python, None).found.into()
}

/// The names that a file asks for when it is imported, whatever happens, in order.
pub(crate) fn names_asked(source: &str, python: Interpreter) -> Vec<Use> {
    let names = read(source, python, Some(Vec::new())).names;
    names.unwrap_or_default()
}

fn read(source: &str, python: Interpreter, names: Option<Vec<Use>>) -> Reading {
    let mut reading = Reading::of(python);
    reading.names = names;
    let statements = statements(source).0;
    for at in 0..statements.len() {
        reading.take(Line {
            statements: &statements,
            at,
            scope: None,
        });
        if reading.is_full() {
            reading.found.push_back(Step::More);
            break;
        }
    }
    reading
}

#[cfg(test)]
mod tests {
    use super::super::reading::MOST_STEPS;
    use super::*;
    use crate::container::Platform;

    fn read(source: &str) -> Vec<String> {
        let python = Interpreter {
            minor: Some(11),
            platform: Some(Platform::Linux),
        };
        let steps = steps(source, python).into_iter();
        let words = steps.filter_map(|step| match step {
            Step::Import(Import {
                level,
                module,
                names,
            }) => Some(format!("{}{module}:{}", ".".repeat(level), names.join(","))),
            Step::Type(key) => Some(format!("@{key}")),
            Step::More => Some(String::from("more")),
            Step::Try(_) | Step::Call(_) | Step::Act(_) => None,
        });
        words.collect()
    }

    #[test]
    fn what_runs_at_import_is_read() {
        let source = "'''import no'''\nimport a.b as c, d  # and e\nfrom . import (\n    x,  # one\n    y as z,\n)\n\
            from ..up.mod import \\\n    q\nfrom t import *\n\
            @tvm_ffi.register_object(\"ir.A\")\nclass A:\n    from k import inner\n    def f(self):\n        import no\n\
            s = \"import no\\\"\"; t = '''\nimport no\n'''\nwith warnings.catch_warnings():\n    import w\n";
        assert_eq!(
            read(source),
            [
                "a.b:",
                "d:",
                ".:x,y",
                "..up.mod:q",
                "t:*",
                "@ir.A",
                "k:inner",
                "w:"
            ]
        );
    }

    #[test]
    fn what_may_not_run_is_left_out() {
        let source = "try:\n    import no\nexcept ImportError:\n    import no\n\
            def f():\n    import no\nasync def g():\n    import no\n\
            if TYPE_CHECKING:\n    import no\nelse:\n    import yes1\n\
            if typing.TYPE_CHECKING or not _is_config_mode():\n    import yes2\n    if other():\n        import no\n\
            if sys.version_info >= (3, 12):\n    import no\nelif sys.version_info >= (3, 11):\n    import yes3\nelse:\n    import no\n\
            if sys.platform == \"win32\":\n    import no\nif os.name != 'nt':\n    import yes4\n\
            if x:\n    pass\nelse:\n    import no\nwith contextlib.suppress(ImportError):\n    import no\n\
            for a in b:\n    import no\nif TYPE_CHECKING: import no\nimport last";
        assert_eq!(read(source), ["yes1:", "yes2:", "yes3:", "yes4:", "last:"]);
    }

    #[test]
    fn functions_that_the_module_calls_are_read() {
        let source = "def f():\n    import a\n    if x:\n        import no\n    def g():\n        import no\n\
            def other():\n    import no\n@contextmanager\ndef h():\n    import b\n    yield\n\
            f()\nwith h():\n    import c\nif x:\n    other()\nx = other\n";
        assert_eq!(read(source), ["a:", "b:", "c:"]);
    }

    #[test]
    fn what_stands_behind_a_way_out_may_not_run() {
        let source = "def f():\n    import a\n    if x: return\n    import no\n\
            def g():\n    if x:\n        raise E\n    import no\n\
            def h():\n    def inner():\n        return\n    import b\nf()\ng()\nh()\n";
        assert_eq!(read(source), ["a:", "b:"]);
    }

    #[test]
    fn only_a_plain_call_of_the_function_that_is_known_counts() {
        let source = "def f():\n    import no\ndef f():\n    import a\nf()\n\
            f() if x else None\nx or f()\nprint(f())\n\
            @skip_without_gpu\ndef g():\n    import no\ng()\n\
            def h():\n    import no\nh = other\nh()\n";
        assert_eq!(read(source), ["a:"]);
    }

    #[test]
    fn what_a_manager_of_contexts_may_keep_back_is_left_out() {
        let source = "with try_import() as _imports:\n    import no\n\
            @contextmanager\ndef own():\n    try:\n        yield\n    except E:\n        pass\n\
            with own():\n    import no\n\
            with warnings.catch_warnings():\n    import a\n";
        assert_eq!(read(source), ["a:"]);
    }

    #[test]
    fn names_are_asked_for_by_what_runs() {
        let source = "import a\na.b(c)\n@d\ndef f(x=no):\n    no\n@e\nclass A(no):\n    x = no\n    @no\n    def g(): ...\n\
            if x:\n    no\nif True:\n    g\ntry:\n    no\nexcept E:\n    no\nf()\n";
        let asked = names_asked(source, Interpreter::default()).into_iter();
        let names: Vec<String> = asked.map(|one| one.name).collect();
        assert_eq!(names, ["a", "c", "d", "e", "g", "f"]);
    }

    #[test]
    fn damaged_source_is_no_danger() {
        for source in [
            "'''",
            "\"",
            "from",
            "from x import (",
            "if",
            "(((",
            "\\",
            "é='",
            "@register_object('",
        ] {
            let _ = read(source);
        }
        let calls = format!(
            "def f():\n{}{}",
            "    import a\n".repeat(30_000),
            "f()\n".repeat(100_000)
        );
        assert_eq!(read(&calls).len(), MOST_STEPS + 1);
        assert_eq!(read(&calls).last().unwrap(), "more");
        assert_eq!(read("import a\n").last().unwrap(), "a:");
        let names = "a,".repeat(80_000);
        let wide = format!(
            "def f():\n    from a import {names}\n{}",
            "f()\n".repeat(90_000)
        );
        assert_eq!(read(&wide), ["more"]);
        let deep = format!("if {}x:\n  import a", "not ".repeat(100_000));
        assert_eq!(read(&deep), [""; 0]);
    }
}
