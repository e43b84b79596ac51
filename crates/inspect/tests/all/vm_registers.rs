//! What one function shows of its registers, in small programs written for it.

use std::collections::BTreeSet;

use artcheck_inspect::vm::argument_kind::ArgumentKind;
use artcheck_inspect::vm::calls::{RawCall, all_calls};
use artcheck_inspect::vm::forms;
use artcheck_inspect::vm::kernel::KernelParameter;
use artcheck_inspect::vm::misfit::Misfit;
use artcheck_inspect::vm::register_kinds::Registers;
use artcheck_inspect::vm::{Executable, Magic};

use crate::writer::{assemble, function};

const VOID: i64 = 1 << 54;
const VM: i64 = VOID + 1;
const CHECK: i64 = 1;
const MATCH: i64 = 2;
const TUPLE: i64 = 3;
const ITEM: i64 = 4;
const RESHAPE: i64 = 5;
const COPY: i64 = 6;
const SINK: i64 = 7;
const KILL: i64 = 8;
const STORAGE: i64 = 9;
const TENSOR: i64 = 10;
const TO_SHAPE: i64 = 11;
const READ_IF: i64 = 12;
const CHECK_SHAPE: i64 = 13;
const CHECK_TUPLE: i64 = 14;
const HEAP: i64 = 15;
const MAKE_SHAPE: i64 = 16;
const CLOSURE: i64 = 17;
const INVOKE: i64 = 18;
const PENALTY: i64 = 20;
const SAMPLE: i64 = 21;
/// A function of the program, with one parameter, as callee.
const OTHER: i64 = (3 << 56) + 19;
/// Constants: float32, the shape (3, 2), the shape (2, 2), and those of the tests of forms.
const FLOAT: i64 = 2 << 56;
const SIX: i64 = FLOAT + 1;
const FOUR: i64 = FLOAT + 2;
const INT64: i64 = FLOAT + 3;
const INT8: i64 = FLOAT + 4;
const BOOL: i64 = FLOAT + 5;
const THREE: i64 = FLOAT + 6;
const NEGATIVE: i64 = FLOAT + 7;
const TEXT: i64 = FLOAT + 8;
const SCOPE: i64 = FLOAT + 9;

fn imm(value: i64) -> i64 {
    (1 << 56) | (value & ((1 << 56) - 1))
}
fn call(dst: i64, callee: i64, args: &[i64]) -> Vec<i64> {
    [&[1, dst, callee, args.len() as i64], args].concat()
}
fn branch() -> Vec<i64> {
    vec![4, 1, 2]
}
/// The first parameter is a float tensor of four elements.
fn checks() -> [Vec<i64>; 2] {
    [
        call(VOID, CHECK, &[0, imm(1), FLOAT, VOID]),
        call(VOID, MATCH, &[0, VOID, imm(1), imm(0), imm(4), VOID]),
    ]
}

fn program(code: &[Vec<i64>]) -> Executable {
    let packed = |name: &str| function(0, name, 0..0, -2, 0);
    let functions = [
        function(1, "main", 0..code.len() as i64, 2, 64),
        packed("vm.builtin.check_tensor_info"),
        packed("vm.builtin.match_shape"),
        packed("vm.builtin.make_tuple"),
        packed("vm.builtin.tuple_getitem"),
        packed("vm.builtin.reshape"),
        packed("vm.builtin.copy"),
        packed("vm.builtin.shape_of"),
        packed("vm.builtin.null_value"),
        packed("vm.builtin.alloc_storage"),
        packed("vm.builtin.alloc_tensor"),
        packed("vm.builtin.tensor_to_shape"),
        packed("vm.builtin.read_if_cond"),
        packed("vm.builtin.check_shape_info"),
        packed("vm.builtin.check_tuple_info"),
        packed("vm.builtin.alloc_shape_heap"),
        packed("vm.builtin.make_shape"),
        packed("vm.builtin.make_closure"),
        packed("vm.builtin.invoke_closure"),
        function(1, "other", 0..0, 1, 2),
        packed("vm.builtin.apply_repetition_penalty"),
        packed("vm.builtin.sample_top_p_from_logits"),
    ];
    let shape = |sizes: &[i64]| {
        let mut bytes = Vec::from(69_i32.to_le_bytes());
        bytes.extend((sizes.len() as u64).to_le_bytes());
        bytes.extend(sizes.iter().flat_map(|size| size.to_le_bytes()));
        bytes
    };
    let text = |text: &str| {
        let mut bytes = Vec::from(65_i32.to_le_bytes());
        bytes.extend((text.len() as u64).to_le_bytes());
        bytes.extend(text.as_bytes());
        bytes
    };
    let constants = [
        vec![5, 0, 0, 0, 2, 32, 1, 0],
        shape(&[3, 2]),
        shape(&[2, 2]),
        vec![5, 0, 0, 0, 0, 64, 1, 0],
        vec![5, 0, 0, 0, 0, 8, 1, 0],
        vec![5, 0, 0, 0, 6, 8, 1, 0],
        shape(&[3]),
        shape(&[-1, 2]),
        text("what the error says"),
        text("global"),
    ];
    let bytes = assemble(Magic::V2, &functions, &constants, code);
    Executable::decode(&bytes).expect("a program")
}

/// The last call, and what is asked of it.
fn last<T>(code: &[Vec<i64>], ask: impl Fn(&str, &RawCall<'_>, &Registers<'_>) -> T) -> T {
    let executable = program(code);
    let registers = Registers::of(&executable, 0, &BTreeSet::new());
    let call = all_calls(&executable).last().expect("a call");
    let callee = usize::try_from(call.callee).expect("a function");
    ask(&executable.functions[callee].name, &call, &registers)
}

/// What is known of a value: kind, items, elements, bytes of one.
type Known = (Option<ArgumentKind>, Option<u64>, Option<u64>, Option<u64>);

const UNKNOWN: Known = (None, None, None, None);

fn sunk(code: &[Vec<i64>]) -> Known {
    let sink = |register| call(9, SINK, &[register]);
    let (register, code) = (code.last().expect("a register")[0], &code[..code.len() - 1]);
    let code = [code, &[sink(register)]].concat();
    last(&code, |_, call, registers| {
        let argument = call.args.get(0).expect("an argument");
        let held = registers.held(call.instruction, argument);
        (held.kind, held.items, held.elements(), held.element())
    })
}

fn misfit(code: &[Vec<i64>]) -> Option<String> {
    last(code, |name, call, registers| {
        let misfit = Misfit::of(name, call, registers);
        let misfit = misfit.or_else(|| forms::misfit(name, call, registers));
        misfit.map(|misfit| format!("{misfit:?}"))
    })
}

fn is(misfit: Misfit<'_>) -> Option<String> {
    Some(format!("{misfit:?}"))
}

#[test]
fn a_parameter_is_what_it_was_checked_to_be_before_any_branch() {
    let [check, shape] = checks();
    let held = sunk(&[check.clone(), shape, vec![0]]);
    assert_eq!(held, (Some(ArgumentKind::Tensor), None, Some(4), Some(4)));
    assert_eq!(sunk(&[check.clone(), vec![1]]), UNKNOWN);
    // One way through the code does not check it.
    assert_eq!(sunk(&[branch(), check.clone(), vec![0]]), UNKNOWN);
    // What is checked once more was checked before.
    let demands = call(VOID, MATCH, &[0, VOID, imm(1), 0, imm(4), TEXT]);
    let other = |takes: &str, given: ArgumentKind| {
        let (takes, given) = (takes.to_owned(), given.word().to_owned());
        is(Misfit::Argument("vm.builtin.match_shape", 3, takes, given))
    };
    assert_eq!(
        misfit(&[check.clone(), demands.clone()]),
        other("a number", ArgumentKind::Tensor)
    );
    assert_eq!(misfit(&[demands]), None);
    // It is overwritten, if only behind.
    assert_eq!(sunk(&[check, call(0, COPY, &[1]), vec![0]]), UNKNOWN);
}

#[test]
fn a_result_is_known_where_one_call_alone_writes_it() {
    let [check, _] = checks();
    let tuple = call(5, TUPLE, &[0, 1]);
    let copy = call(6, COPY, &[5]);
    let held = sunk(&[tuple.clone(), copy.clone(), vec![6]]);
    assert_eq!((held.0, held.1), (Some(ArgumentKind::Array), Some(2)));
    let again = call(5, COPY, &[1]);
    assert_eq!(sunk(&[tuple.clone(), again, copy, vec![6]]), UNKNOWN);
    let item = call(7, ITEM, &[5, imm(0)]);
    let held = sunk(&[check, tuple, item, vec![7]]);
    assert_eq!(held.0, Some(ArgumentKind::Tensor));
    // A register that is made of itself holds nothing then.
    let nothing = (Some(ArgumentKind::Null), None, None, None);
    assert_eq!(sunk(&[call(5, COPY, &[5]), vec![5]]), nothing);
}

#[test]
fn items_that_a_tuple_does_not_have() {
    let tuple = call(5, TUPLE, &[0, 1]);
    let item = |index| [tuple.clone(), call(6, ITEM, &[5, index])];
    assert_eq!(misfit(&item(imm(5))), is(Misfit::Item(5, 2)));
    assert_eq!(misfit(&item(imm(2))), is(Misfit::Item(2, 2)));
    assert_eq!(misfit(&item(imm(1))), None);
    assert_eq!(misfit(&item(3)), None);
    // Another tuple may be there.
    let [made, taken] = item(imm(5));
    assert_eq!(misfit(&[made, call(5, COPY, &[1]), taken]), None);
}

#[test]
fn views_larger_than_their_tensor() {
    let view = |shape| {
        let [check, sizes] = checks();
        misfit(&[check, sizes, call(6, RESHAPE, &[0, shape])])
    };
    assert_eq!(view(SIX), is(Misfit::View(24, 16)));
    assert_eq!(view(FOUR), None);
    assert_eq!(view(1), None);
}

#[test]
fn nothing_is_in_a_register_before_it_is_written_and_after_it_is_let_go() {
    let nothing = Some(ArgumentKind::Null);
    assert_eq!(sunk(&[vec![5]]).0, nothing);
    let [tuple, kill] = [call(5, TUPLE, &[0]), call(5, KILL, &[])];
    assert_eq!(sunk(&[tuple.clone(), vec![5]]).0, Some(ArgumentKind::Array));
    assert_eq!(sunk(&[tuple.clone(), kill.clone(), vec![5]]).0, nothing);
    // Behind a branch it may be either.
    assert_eq!(
        sunk(&[tuple.clone(), branch(), kill.clone(), vec![5]]),
        UNKNOWN
    );
    // What was taken out of it before stays.
    let item = call(6, ITEM, &[5, imm(0)]);
    let [check, _] = checks();
    let kept = sunk(&[check, tuple, item, kill, vec![6]]);
    assert_eq!(kept.0, Some(ArgumentKind::Tensor));
    assert_eq!(
        misfit(&[call(VOID, CHECK, &[5, imm(1), FLOAT])]),
        is(Misfit::Nothing("vm.builtin.check_tensor_info"))
    );
}

/// What the wheels of 0.25 to 0.27 refuse, each called with such a value.
#[test]
fn values_of_a_form_that_builtins_refuse() {
    let with = |shape, dtype, callee: i64, more: &[i64]| {
        let storage = call(5, STORAGE, &[VM, SIX, imm(0), FLOAT, VOID]);
        let tensor = call(6, TENSOR, &[5, imm(0), shape, dtype]);
        let arguments = [&[6], more].concat();
        misfit(&[storage, tensor, call(7, callee, &arguments)])
    };
    let refused = |shape, dtype, callee, more: &[i64]| with(shape, dtype, callee, more).is_some();
    assert!(refused(FOUR, INT64, TO_SHAPE, &[]));
    assert!(refused(THREE, FLOAT, TO_SHAPE, &[]));
    assert!(refused(THREE, INT8, TO_SHAPE, &[]));
    assert_eq!(with(THREE, INT64, TO_SHAPE, &[]), None);
    assert!(refused(THREE, FLOAT, READ_IF, &[]));
    assert_eq!(with(FOUR, INT8, READ_IF, &[]), None);
    assert_eq!(with(THREE, BOOL, READ_IF, &[]), None);
    assert!(refused(FOUR, FLOAT, RESHAPE, &[NEGATIVE]));
    assert_eq!(with(FOUR, FLOAT, RESHAPE, &[THREE]), None);
    assert!(refused(FOUR, FLOAT, CHECK, &[imm(1), FLOAT, VOID]));
    assert!(refused(FOUR, FLOAT, CHECK, &[imm(2), INT64, VOID]));
    assert_eq!(with(FOUR, FLOAT, CHECK, &[imm(2), FLOAT, VOID]), None);
    assert_eq!(with(FOUR, FLOAT, CHECK, &[imm(-1), FLOAT, VOID]), None);
    let sizes = |size| [VOID, imm(2), imm(0), imm(2), imm(0), imm(size), TEXT];
    assert!(refused(FOUR, FLOAT, MATCH, &sizes(3)));
    assert_eq!(with(FOUR, FLOAT, MATCH, &sizes(2)), None);
    // Logits are one row of float32, token ids are int32.
    assert!(refused(FOUR, INT64, PENALTY, &[1, imm(1)]));
    assert!(refused(FOUR, FLOAT, PENALTY, &[6, imm(1)]));
    assert_eq!(with(FOUR, FLOAT, PENALTY, &[1, imm(1)]), None);
    assert!(refused(FOUR, FLOAT, SAMPLE, &[imm(1), imm(1), imm(0)]));
    assert_eq!(with(THREE, FLOAT, SAMPLE, &[imm(1), imm(1), imm(0)]), None);
    // A shape has as many sizes as its tensor has dimensions.
    let shape = |wanted| {
        let [check, sizes] = checks();
        misfit(&[
            check,
            sizes,
            call(6, SINK, &[0]),
            call(7, CHECK_SHAPE, &[6, imm(wanted), VOID]),
        ])
    };
    assert!(shape(2).is_some());
    assert_eq!(shape(1), None);
    let tuple = |wanted| {
        misfit(&[
            call(5, TUPLE, &[0, 1]),
            call(6, CHECK_TUPLE, &[5, imm(wanted), VOID]),
        ])
    };
    assert!(tuple(3).is_some());
    assert_eq!(tuple(2), None);
    // 0.25 to 0.27 end with a signal.
    for callee in [TO_SHAPE, READ_IF, SINK] {
        assert!(misfit(&[call(6, callee, &[5])]).is_some());
    }
}

/// What the wheels of 0.25 to 0.27 refuse or die of, where another value stands in a call.
#[test]
fn arguments_that_builtins_without_a_signature_refuse() {
    let refused = |callee, arguments: &[i64]| misfit(&[call(7, callee, arguments)]).is_some();
    // Sizes are kept in a heap, and the text for errors stands behind them.
    let of_heap = |code: &[i64], heap| {
        let made = call(5, HEAP, &[VM, imm(4)]);
        misfit(&[made, call(7, code[0], &[&[0, heap], &code[1..]].concat())]).is_some()
    };
    let kept = [MATCH, imm(1), imm(1), imm(0), TEXT];
    assert!(!of_heap(&kept, 5));
    assert!(!of_heap(&kept, 0));
    assert!(of_heap(&[MATCH, imm(1), imm(1), imm(4), TEXT], 5));
    for heap in [VOID, TEXT, imm(0), SIX] {
        assert!(of_heap(&kept, heap), "{heap:#x}");
    }
    for text in [VOID, imm(0), SIX, FLOAT] {
        assert!(
            of_heap(&[MATCH, imm(1), imm(1), imm(0), text], 5),
            "{text:#x}"
        );
    }
    assert!(of_heap(&[MATCH, imm(1), imm(1), imm(0)], 5));
    assert!(refused(MAKE_SHAPE, &[TEXT, imm(1), imm(1), imm(0)]));
    assert!(!refused(MAKE_SHAPE, &[0, imm(1), imm(1), imm(0)]));
    // The machine, a place in a storage, a scope.
    assert!(refused(HEAP, &[VOID, imm(4)]));
    assert!(!refused(HEAP, &[VM, imm(4)]));
    let storage = |machine, scope| refused(STORAGE, &[machine, SIX, imm(0), FLOAT, scope]);
    assert!(!storage(VM, SCOPE));
    assert!(storage(VOID, SCOPE));
    assert!(storage(VM, TEXT));
    assert!(refused(TENSOR, &[0, imm(-1), SIX, FLOAT]));
    assert!(!refused(TENSOR, &[0, imm(4), SIX, FLOAT]));
}

#[test]
fn closures_that_are_given_other_arguments_than_their_function_takes() {
    let invoked = |function, captured: &[i64], given: &[i64]| {
        let made = call(5, CLOSURE, &[&[function], captured].concat());
        let invoke = call(7, INVOKE, &[&[VM, 5], given].concat());
        misfit(&[made, invoke]).is_some()
    };
    assert!(!invoked(OTHER, &[0], &[]));
    assert!(!invoked(OTHER, &[], &[0]));
    assert!(invoked(OTHER, &[0], &[1]));
    assert!(invoked(OTHER, &[], &[]));
    let main = 3 << 56;
    assert!(!invoked(main, &[0], &[1]));
    assert!(invoked(main, &[0], &[]));
    // Which closure it is cannot be told.
    assert!(misfit(&[call(7, INVOKE, &[VM, 0])]).is_none());
    assert!(misfit(&[call(7, INVOKE, &[VM, OTHER])]).is_some());
    assert!(misfit(&[call(7, INVOKE, &[VOID, 0, 1])]).is_some());
    for other in [imm(1), TEXT, SIX] {
        assert!(misfit(&[call(7, CLOSURE, &[other])]).is_some());
    }
}

#[test]
fn tensors_that_end_behind_their_storage() {
    let tensor = |offset, shape| {
        let storage = call(5, STORAGE, &[VM, SIX, imm(0), FLOAT, VOID]);
        misfit(&[storage, call(6, TENSOR, &[5, imm(offset), shape, FLOAT])])
    };
    assert_eq!(tensor(0, SIX), None);
    assert_eq!(tensor(8, FOUR), None);
    // Allocators give whole pages.
    assert_eq!(tensor(12, FOUR), None);
    assert_eq!(tensor(4084, FOUR), is(Misfit::Room(4100, 24)));
}

#[test]
fn what_a_kernel_does_not_take() {
    let tensor = |dims: &[Option<i64>], dtype: &str| KernelParameter::Tensor {
        dims: dims.to_vec(),
        dtype: dtype.to_owned(),
        at_start: true,
    };
    let takes = |takes: &[KernelParameter], arguments: &[i64]| {
        let [check, sizes] = checks();
        let code = [check, sizes, call(9, SINK, arguments)];
        last(&code, |_, call, registers| {
            let misfit = Misfit::of_kernel("kernel", takes, call, registers);
            misfit.map(|misfit| format!("{misfit:?}"))
        })
    };
    let four = [tensor(&[Some(4)], "float32"), KernelParameter::Other];
    assert_eq!(takes(&four, &[0, imm(1)]), None);
    assert_eq!(takes(&four, &[1, imm(1)]), None);
    assert_eq!(takes(&four, &[0]), is(Misfit::Count("kernel", 2, 1)));
    let wrong = |parameter: KernelParameter, argument| takes(&[parameter], &[argument]).is_some();
    assert!(wrong(tensor(&[Some(4)], "float32"), imm(1)));
    assert!(wrong(tensor(&[Some(4)], "float32"), 7));
    assert!(wrong(tensor(&[Some(4)], "int32"), 0));
    assert!(wrong(tensor(&[Some(5)], "float32"), 0));
    assert!(wrong(tensor(&[None, None], "float32"), 0));
    assert!(!wrong(tensor(&[None], "float32"), 0));
    assert!(wrong(KernelParameter::Number("int64".into()), 0));
    assert!(!wrong(KernelParameter::Number("int64".into()), imm(3)));
    // What begins inside its storage.
    let lies_at = |offset| {
        let storage = call(5, STORAGE, &[VM, SIX, imm(0), FLOAT, VOID]);
        let made = call(6, TENSOR, &[5, imm(offset), FOUR, FLOAT]);
        let square = [tensor(&[Some(2), Some(2)], "float32")];
        last(
            &[storage, made, call(9, SINK, &[6])],
            |_, call, registers| Misfit::of_kernel("kernel", &square, call, registers).is_some(),
        )
    };
    assert!(!lies_at(0));
    assert!(lies_at(8));
}

/// Compiled functions are read in an order of ways, not of time: a value that is let go
/// somewhere is the one that was written, or none.
#[test]
fn a_storage_that_is_let_go_somewhere_has_its_size() {
    let back = vec![3, -1];
    let storage = call(5, STORAGE, &[VM, SIX, imm(0), FLOAT, VOID]);
    let tensor = |at, shape| call(6, TENSOR, &[5, imm(at), shape, FLOAT, VOID]);
    let after_kill = |shape| {
        [
            storage.clone(),
            call(5, KILL, &[]),
            back.clone(),
            tensor(4084, shape),
        ]
    };
    assert_eq!(misfit(&after_kill(FOUR)), is(Misfit::Room(4100, 24)));
    assert_eq!(misfit(&after_kill(THREE)), None);
    // Its kind may be that of nothing.
    let sink = [tensor(0, FOUR), call(6, KILL, &[]), back.clone(), vec![6]];
    assert_eq!(sunk(&sink).0, None);
}
