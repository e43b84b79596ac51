//! Values followed through branches, loops and bundles, in small programs
//! written for it.

use artcheck_inspect::vm::calls::constant_uses;
use artcheck_inspect::vm::dataflow::{Flow, calls};
use artcheck_inspect::vm::kv_cache::{self, KernelValue};
use artcheck_inspect::vm::value::{Unknown, Value};
use artcheck_inspect::vm::{Executable, Magic, Register};

use crate::writer::{assemble, function, string};

const VOID: i64 = 1 << 54;

/// Function-table indices of the programs below.
const COPY: i64 = 1;
const MAKE_TUPLE: i64 = 2;
const GETITEM: i64 = 3;
const MAKE_SHAPE: i64 = 4;
const SINK: i64 = 5;
const NULL: i64 = 6;
const OTHER: i64 = 7;
const CREATE: i64 = 8;
const PRIM: i64 = 9;

fn reg(number: i64) -> i64 {
    number
}
fn imm(value: i64) -> i64 {
    (1 << 56) | (value & ((1 << 56) - 1))
}
fn constant(index: i64) -> i64 {
    (2 << 56) | index
}
fn func(index: i64) -> i64 {
    (3 << 56) | index
}
fn call(dst: i64, callee: i64, args: &[i64]) -> Vec<i64> {
    let mut words = vec![1, dst, callee, args.len() as i64];
    words.extend(args);
    words
}
fn branch(condition: i64, false_offset: i64) -> Vec<i64> {
    vec![4, condition, false_offset]
}
fn goto(offset: i64) -> Vec<i64> {
    vec![3, offset]
}
fn ret(register: i64) -> Vec<i64> {
    vec![2, register]
}

/// One function `main` with two parameters and this code.
fn program(code: &[Vec<i64>]) -> Executable {
    let packed = |name| function(0, name, 0..0, -2, 0);
    let functions = [
        function(1, "main", 0..code.len() as i64, 2, 64),
        packed("vm.builtin.copy"),
        packed("vm.builtin.make_tuple"),
        packed("vm.builtin.tuple_getitem"),
        packed("vm.builtin.make_shape"),
        packed("sink"),
        packed("vm.builtin.null_value"),
        packed("other"),
        packed(kv_cache::CREATE),
        packed("vm.builtin.make_prim_value"),
    ];
    let constants = [string("tir"), string("tirx"), string("flashinfer")];
    let bytes = assemble(Magic::V2, &functions, &constants, code);
    Executable::decode(&bytes).unwrap()
}

/// What reaches the only argument of the only call of `sink`.
fn sunk(code: &[Vec<i64>]) -> Value {
    let sites = calls(&program(code), "sink");
    assert_eq!(sites.len(), 1);
    sites[0].args[0].clone()
}

fn sink(register: i64) -> Vec<i64> {
    call(VOID, SINK, &[reg(register)])
}

#[test]
fn straight_code_is_followed() {
    let value = sunk(&[
        call(5, COPY, &[constant(1)]),
        call(6, COPY, &[reg(5)]),
        call(5, OTHER, &[]),
        sink(6),
        ret(0),
    ]);
    assert_eq!(value, Value::Constant(1));
}

#[test]
fn the_last_write_wins() {
    let value = sunk(&[
        call(5, COPY, &[constant(1)]),
        call(5, NULL, &[]),
        sink(5),
        ret(0),
    ]);
    assert_eq!(value, Value::Null);
    let value = sunk(&[call(5, OTHER, &[]), sink(5), ret(0)]);
    assert_eq!(
        value,
        Value::Call {
            callee: OTHER,
            instruction: 0
        }
    );
}

#[test]
fn parameters_and_undefined_registers_are_told_apart() {
    assert_eq!(sunk(&[sink(1), ret(0)]), Value::Parameter(1));
    assert_eq!(sunk(&[sink(2), ret(0)]), Value::Unknown(Unknown::Undefined));
}

/// if c { r5 = a } else { r5 = b }; both may arrive.
#[test]
fn branches_are_joined() {
    let value = sunk(&[
        branch(0, 3),
        call(5, COPY, &[constant(1)]),
        goto(2),
        call(5, COPY, &[constant(2)]),
        sink(5),
        ret(0),
    ]);
    assert_eq!(
        value,
        Value::OneOf(vec![Value::Constant(1), Value::Constant(2)])
    );
}

/// Equal values from both ways are one value.
#[test]
fn equal_branches_are_one() {
    let value = sunk(&[
        branch(0, 3),
        call(5, COPY, &[constant(1)]),
        goto(2),
        call(5, COPY, &[constant(1)]),
        sink(5),
        ret(0),
    ]);
    assert_eq!(value, Value::Constant(1));
}

/// A branch that writes nothing lets the older value, or the parameter, through.
#[test]
fn a_value_may_pass_a_branch() {
    let value = sunk(&[
        call(5, COPY, &[constant(0)]),
        branch(0, 2),
        call(5, COPY, &[constant(1)]),
        sink(5),
        ret(0),
    ]);
    assert_eq!(
        value,
        Value::OneOf(vec![Value::Constant(0), Value::Constant(1)])
    );
    let value = sunk(&[branch(0, 2), call(1, COPY, &[constant(1)]), sink(1), ret(0)]);
    assert_eq!(
        value,
        Value::OneOf(vec![Value::Constant(1), Value::Parameter(1)])
    );
}

/// What follows a return is not reached from before it.
#[test]
fn a_return_ends_the_way() {
    let value = sunk(&[
        branch(0, 3),
        call(5, COPY, &[constant(1)]),
        ret(5),
        call(5, COPY, &[constant(2)]),
        sink(5),
        ret(0),
    ]);
    assert_eq!(value, Value::Constant(2));
}

/// A backward jump brings the loop's own write to the loop's head.
#[test]
fn loops_bring_their_own_writes() {
    let value = sunk(&[
        call(5, COPY, &[constant(0)]),
        sink(5),
        call(5, COPY, &[constant(1)]),
        branch(0, 2),
        goto(-3),
        ret(0),
    ]);
    assert_eq!(
        value,
        Value::OneOf(vec![Value::Constant(0), Value::Constant(1)])
    );
}

#[test]
fn a_value_that_depends_on_itself_is_unknown() {
    let value = sunk(&[
        call(5, MAKE_TUPLE, &[]),
        call(5, MAKE_TUPLE, &[reg(5)]),
        sink(5),
        branch(0, 2),
        goto(-3),
        ret(0),
    ]);
    let Value::Tuple { items, .. } = value else {
        panic!("{value:?}");
    };
    assert_eq!(
        items[0].alternatives(),
        [
            Value::Tuple {
                instruction: 0,
                items: vec![]
            },
            Value::Unknown(Unknown::Cycle)
        ]
    );
}

#[test]
fn tuples_are_taken_apart() {
    let value = sunk(&[
        call(5, MAKE_TUPLE, &[constant(1), func(7), imm(-3)]),
        call(6, COPY, &[reg(5)]),
        call(7, GETITEM, &[reg(6), imm(2)]),
        sink(7),
        ret(0),
    ]);
    assert_eq!(value, Value::Immediate(-3));
    // A parameter's field is the result of the call that takes it.
    let value = sunk(&[call(7, GETITEM, &[reg(0), imm(2)]), sink(7), ret(0)]);
    assert_eq!(
        value,
        Value::Call {
            callee: GETITEM,
            instruction: 0
        }
    );
}

#[test]
fn shapes_keep_stated_and_present_elements_apart() {
    let value = sunk(&[
        call(
            5,
            MAKE_SHAPE,
            &[reg(0), imm(6), imm(1), imm(4), imm(0), imm(1024)],
        ),
        sink(5),
        ret(0),
    ]);
    let expected = Value::Shape {
        instruction: 0,
        declared: Some(6),
        items: vec![Value::HeapSlot(4), Value::Immediate(1024)],
    };
    assert_eq!(value, expected);
    let value = sunk(&[call(5, PRIM, &[reg(0), imm(0), imm(9)]), sink(5), ret(0)]);
    assert_eq!(value, Value::Immediate(9));
}

#[test]
fn indices_that_do_not_exist_are_malformed() {
    let bad = Value::Unknown(Unknown::Malformed);
    assert_eq!(sunk(&[call(VOID, SINK, &[constant(3)]), ret(0)]), bad);
    assert_eq!(sunk(&[call(VOID, SINK, &[func(10)]), ret(0)]), bad);
    assert_eq!(sunk(&[call(5, COPY, &[]), sink(5), ret(0)]), bad);
}

/// Each tuple holds the one before twice: 2^n values if all were built.
#[test]
fn doubling_tuples_end_at_the_limit() {
    let mut code = vec![call(5, MAKE_TUPLE, &[])];
    for _ in 0..60 {
        code.push(call(5, MAKE_TUPLE, &[reg(5), reg(5)]));
    }
    code.extend([sink(5), ret(0)]);
    let value = format!("{:?}", sunk(&code));
    assert!(value.contains("Unknown(Limit)"));
}

/// A tag chosen by a branch appears once for each way, at one argument.
#[test]
fn a_kernel_site_may_have_several_tags() {
    let mut args = vec![imm(0); 28];
    args[16] = reg(5);
    args[17] = func(7);
    let executable = program(&[
        branch(0, 3),
        call(5, MAKE_TUPLE, &[constant(1), func(7)]),
        goto(2),
        call(5, MAKE_TUPLE, &[constant(2), func(7), func(7)]),
        call(6, CREATE, &args),
        ret(6),
    ]);
    let caches = kv_cache::kv_caches(&executable);
    let tags: Vec<(usize, &str, usize)> = caches[0]
        .sites
        .iter()
        .filter_map(|site| match &site.value {
            KernelValue::Tagged { tag, length, .. } => Some((site.argument, &tag[..], *length)),
            _ => None,
        })
        .collect();
    assert_eq!(tags, [(16, "tirx", 2), (16, "flashinfer", 3)]);
    let at_17 = caches[0].sites.iter().find(|site| site.argument == 17);
    assert_eq!(at_17.unwrap().value, KernelValue::Function { function: 7 });
    assert_eq!(constant_uses(&executable, 2), [(0, 3, 0)]);
}

#[test]
fn a_register_can_be_asked_for_anywhere() {
    let executable = program(&[call(5, COPY, &[constant(1)]), call(5, NULL, &[]), ret(5)]);
    let flow = Flow::new(&executable, 0);
    let at = |instruction| flow.register(instruction, Register::Number(5));
    assert_eq!(at(0), Value::Unknown(Unknown::Undefined));
    assert_eq!(at(1), Value::Constant(1));
    assert_eq!(at(2), Value::Null);
    assert_eq!(flow.register(0, Register::Vm), Value::Vm);
}
