//! Which instructions run, in small functions with branches.

use artcheck_inspect::vm::ways::{Way, Ways};
use artcheck_inspect::vm::{Executable, Magic};

use crate::writer::{Bytes, assemble, function};

const READ_IF: i64 = 1;
const COPY: i64 = 2;
/// The constants `false` and `true`.
const FALSE: i64 = 2 << 56;
const TRUE: i64 = FALSE + 1;
const PARAMETER: i64 = 0;

fn call(dst: i64, callee: i64, argument: i64) -> Vec<i64> {
    vec![1, dst, callee, 1, argument]
}

/// A condition, a branch on it, an arm each, and what comes behind both.
fn ways(condition: &[Vec<i64>], end_of_first: Vec<i64>) -> String {
    let arms = [
        vec![4, 2, 3],
        call(3, COPY, PARAMETER),
        end_of_first,
        call(3, COPY, PARAMETER),
        vec![2, 3],
    ];
    let code = [condition, &arms].concat();
    let functions = [
        function(1, "main", 0..code.len() as i64, 1, 8),
        function(0, "vm.builtin.read_if_cond", 0..0, -2, 0),
        function(0, "vm.builtin.copy", 0..0, -2, 0),
    ];
    let boolean = |value: u8| {
        let mut out = Bytes::default();
        out.i32(70).u64(0xDD5E_40F0_96B4_A13F).u64(0).i32(1).i32(0);
        out.i32(0).raw(&[6, 8, 1, 0]).i64(1).raw(&[value]);
        out.0
    };
    let bytes = assemble(Magic::V2, &functions, &[boolean(0), boolean(1)], &code);
    let executable = Executable::decode(&bytes).expect("a program");
    let ways = Ways::of(&executable, 0);
    let signs = (0..code.len() as u64).map(|at| match ways.way(at) {
        Way::Every => '!',
        Way::Some => '?',
        Way::None => '-',
    });
    signs.skip(condition.len()).collect()
}

#[test]
fn a_condition_of_the_caller_may_take_either_arm() {
    let asked = [call(2, READ_IF, PARAMETER)];
    assert_eq!(ways(&asked, vec![3, 2]), "!???!");
    // An end in the first arm: what is behind runs where that arm is not taken.
    assert_eq!(ways(&asked, vec![2, 3]), "!????");
}

#[test]
fn a_constant_condition_is_followed() {
    let goto = || vec![3, 2];
    let copied = [call(4, COPY, FALSE), call(2, READ_IF, 4)];
    assert_eq!(ways(&[call(2, READ_IF, FALSE)], goto()), "!--!!");
    assert_eq!(ways(&copied, goto()), "!--!!");
    assert_eq!(ways(&[call(2, READ_IF, TRUE)], goto()), "!!!-!");
    // Two calls write the condition, and the later one is what is asked.
    let twice = [call(2, READ_IF, TRUE), call(2, READ_IF, PARAMETER)];
    assert_eq!(ways(&twice, goto()), "!???!");
}
