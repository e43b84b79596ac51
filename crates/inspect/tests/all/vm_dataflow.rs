//! Values followed through branches, loops and bundles, in small programs
//! written for it.

use artcheck_inspect::vm::calls::constant_uses;
use artcheck_inspect::vm::dataflow::{Flow, calls};
use artcheck_inspect::vm::kv_cache::{self, KernelValue};
use artcheck_inspect::vm::value::{Reach, Unknown, Value};
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
const HELPER: i64 = 10;
const MAKE_CLOSURE: i64 = 11;
const INVOKE: i64 = 12;
const TO_TENSOR: i64 = 13;
const TO_SHAPE: i64 = 14;

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
    program_with(code, &[])
}

/// `main`, and a function `helper` of two parameters after it.
fn program_with(main: &[Vec<i64>], helper: &[Vec<i64>]) -> Executable {
    let packed = |name| function(0, name, 0..0, -2, 0);
    let code = [main, helper].concat();
    let (end, all) = (main.len() as i64, code.len() as i64);
    let functions = [
        function(1, "main", 0..end, 2, 64),
        packed("vm.builtin.copy"),
        packed("vm.builtin.make_tuple"),
        packed("vm.builtin.tuple_getitem"),
        packed("vm.builtin.make_shape"),
        packed("sink"),
        packed("vm.builtin.null_value"),
        packed("other"),
        packed(kv_cache::CREATE),
        packed("vm.builtin.make_prim_value"),
        function(1, "helper", end..all, 2, 64),
        packed("vm.builtin.make_closure"),
        packed("vm.builtin.invoke_closure"),
        packed("vm.builtin.shape_to_tensor"),
        packed("vm.builtin.tensor_to_shape"),
    ];
    let constants = [string("tir"), string("tirx"), string("flashinfer")];
    let bytes = assemble(Magic::V2, &functions, &constants, &code);
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
    assert_eq!(sunk(&[call(VOID, SINK, &[func(99)]), ret(0)]), bad);
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
        .flat_map(|site| {
            site.value
                .parts()
                .0
                .iter()
                .map(|value| (site.argument, value))
        })
        .filter_map(|(argument, value)| match value {
            KernelValue::Tagged { tag, length, .. } => Some((argument, &tag[..], *length)),
            _ => None,
        })
        .collect();
    assert_eq!(tags, [(16, "tirx", 2), (16, "flashinfer", 3)]);
    let at_17 = caches[0].sites.iter().find(|site| site.argument == 17);
    let values = vec![KernelValue::Function { function: 7 }];
    assert_eq!(at_17.unwrap().value, Reach::Known { values });
    assert_eq!(constant_uses(&executable, 2), [(0, 3, 0)]);
}

/// What reaches the only argument of the only call of `sink`, with a helper.
fn sunk_with(main: &[Vec<i64>], helper: &[Vec<i64>]) -> Value {
    let sites = calls(&program_with(main, helper), "sink");
    assert_eq!(sites.len(), 1);
    sites[0].args[0].clone()
}

/// A helper's result is what it returns by each of its ways, with the caller's arguments.
#[test]
fn results_of_functions_are_followed() {
    let main = [call(5, HELPER, &[reg(0), constant(2)]), sink(5), ret(0)];
    let copies = [call(5, COPY, &[constant(1)]), ret(5)];
    assert_eq!(sunk_with(&main, &copies), Value::Constant(1));
    assert_eq!(sunk_with(&main, &[ret(1)]), Value::Constant(2));
    assert_eq!(sunk_with(&main, &[ret(0)]), Value::Parameter(0));
    let either = [branch(0, 2), ret(1), call(5, COPY, &[constant(1)]), ret(5)];
    let both = vec![Value::Constant(1), Value::Constant(2)];
    assert_eq!(sunk_with(&main, &either), Value::OneOf(both));
    // Near misses: what the helper itself does not know, and one argument too few.
    let opaque = Value::Call {
        callee: OTHER,
        instruction: 3,
    };
    let asks = [call(5, OTHER, &[]), ret(5)];
    assert_eq!(sunk_with(&main, &asks), opaque);
    let few = [call(5, HELPER, &[reg(0)]), sink(5), ret(0)];
    let bad = Value::Unknown(Unknown::Malformed);
    assert_eq!(sunk_with(&few, &[ret(1)]), bad);
}

/// One helper called twice on its own result is no cycle; calling itself is.
#[test]
fn a_helper_may_be_called_twice() {
    let main = [
        call(5, HELPER, &[reg(0), constant(1)]),
        call(6, HELPER, &[reg(0), reg(5)]),
        sink(6),
        ret(0),
    ];
    let copies = [call(5, COPY, &[reg(1)]), ret(5)];
    assert_eq!(sunk_with(&main, &copies), Value::Constant(1));
    let itself = [call(5, HELPER, &[reg(0), reg(1)]), ret(5)];
    let cycle = Value::Unknown(Unknown::Cycle);
    assert_eq!(sunk_with(&main, &itself), cycle);
}

/// A parameter is what the program's own calls give; where the function is handed
/// around as a value, or nobody calls it, it comes from outside as well.
#[test]
fn parameters_are_followed_to_the_callers() {
    let helper = [sink(1), ret(0)];
    let once = [call(5, HELPER, &[reg(0), constant(1)]), ret(0)];
    assert_eq!(sunk_with(&once, &helper), Value::Constant(1));
    let twice = [
        call(5, HELPER, &[reg(0), constant(1)]),
        call(5, HELPER, &[reg(0), constant(2)]),
        ret(0),
    ];
    let both = vec![Value::Constant(1), Value::Constant(2)];
    assert_eq!(sunk_with(&twice, &helper), Value::OneOf(both));
    let handed = [
        call(5, HELPER, &[reg(0), constant(1)]),
        call(5, OTHER, &[func(HELPER)]),
        ret(0),
    ];
    let besides = vec![Value::Constant(1), Value::Parameter(1)];
    assert_eq!(sunk_with(&handed, &helper), Value::OneOf(besides));
    assert_eq!(sunk_with(&[ret(0)], &helper), Value::Parameter(1));
}

/// What a closure captured comes after what it is called with.
#[test]
fn closures_are_followed() {
    let vm = VOID + 1;
    let main = [
        call(5, MAKE_CLOSURE, &[func(HELPER), constant(1)]),
        call(6, INVOKE, &[vm, reg(5), constant(2)]),
        sink(6),
        ret(0),
    ];
    assert_eq!(sunk_with(&main, &[ret(1)]), Value::Constant(1));
    assert_eq!(sunk_with(&main, &[ret(0)]), Value::Constant(2));
    let unknown = [call(6, INVOKE, &[vm, reg(0), constant(2)]), sink(6), ret(0)];
    let opaque = Value::Call {
        callee: INVOKE,
        instruction: 0,
    };
    assert_eq!(sunk_with(&unknown, &[ret(1)]), opaque);
}

#[test]
fn a_shape_comes_back_out_of_a_tensor() {
    let round = |made| {
        sunk(&[
            call(5, made, &[constant(1)]),
            call(6, TO_SHAPE, &[reg(5)]),
            sink(6),
            ret(0),
        ])
    };
    assert_eq!(round(TO_TENSOR), Value::Constant(1));
    let opaque = Value::Call {
        callee: TO_SHAPE,
        instruction: 1,
    };
    assert_eq!(round(OTHER), opaque);
}

#[test]
fn an_argument_that_is_not_followed_says_why() {
    let mut args = vec![imm(0); 28];
    args[0] = reg(5);
    args[15] = reg(1);
    let executable = program(&[call(5, OTHER, &[]), call(6, CREATE, &args), ret(6)]);
    let cache = &kv_cache::kv_caches(&executable)[0];
    let (configs, why) = cache.config.parts();
    assert!(configs.is_empty());
    assert_eq!(why, Some("the result of `other`, instruction 0"));
    let (_, why) = cache.sites[0].value.parts();
    assert!(
        why.is_some_and(|why| why.starts_with("parameter 1 ")),
        "{why:?}"
    );
    assert!(!cache.takes_functions());
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
