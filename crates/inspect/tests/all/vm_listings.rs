//! Listing and statistics of executables that hold what no model does, against
//! what TVM 0.25, 0.26 and 0.27 printed of the same bytes
//! (`listings/make.py` wrote them and asked). Names and numbers of every length
//! against plain formatting.

use crate::writer;
use artcheck_inspect::vm::disassemble::disassemble;
use artcheck_inspect::vm::stats::stats;
use artcheck_inspect::vm::{ConstantValue, Executable, Magic};
use serde_json::Value as Json;

/// Stands in TVM's statistics where the pool has a float; see `make.py`.
const MARKER: u64 = 7_000_000_000;

fn cases() -> Vec<Json> {
    serde_json::from_str(include_str!("listings/listings.json")).unwrap()
}

fn field<'a>(case: &'a Json, name: &str) -> &'a str {
    case[name].as_str().unwrap()
}

fn bytes(case: &Json) -> Vec<u8> {
    let hex = field(case, "bytes").as_bytes();
    hex.chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

#[test]
fn listings_are_tvms() {
    let mut magics = Vec::new();
    for case in cases() {
        let executable = Executable::decode(&bytes(&case)).unwrap();
        assert_eq!(
            disassemble(&executable).unwrap(),
            field(&case, "as_text"),
            "{}",
            case["name"]
        );
        magics.push(executable.magic);
    }
    assert!(magics.contains(&Magic::V1) && magics.contains(&Magic::V2));
}

/// Texts are kept ready up to a length and a number; beyond, each is made.
#[test]
fn names_and_numbers_of_every_length_are_formatted_alike() {
    let numbers = [0, 9, 10, 99, 100, 999, 1000, 1001, 123_456_789, -1];
    let forms: [fn(i64) -> String; 3] = [
        |number| format!("%{number}"),
        |number| format!("i{number}"),
        |number| format!("c[{number}]"),
    ];
    for length in 0..100_usize {
        let name = "n".repeat(length);
        let mut code = Vec::new();
        let mut expected = "@main:\n".to_owned();
        for (index, number) in numbers.into_iter().enumerate() {
            let (mut call, mut texts) = (vec![1, number, 1, 0], Vec::new());
            for (kind, form) in forms.iter().cycle().enumerate().take(index) {
                let word = (i64::try_from(kind % 3).unwrap() << 56) | (number & ((1 << 56) - 1));
                call.push(word);
                texts.push(form(number));
            }
            call[3] = i64::try_from(texts.len()).unwrap();
            let arguments = texts.join(", ");
            expected += &format!("  call  {name:<16} in: {arguments:<12} dst: %{number}\n");
            code.push(call);
        }
        expected += &format!("\n@{name} packed_func;\n\n");
        let functions = [
            writer::function(1, "main", 0..i64::try_from(numbers.len()).unwrap(), 0, 1),
            writer::function(0, &name, 0..0, -2, 0),
        ];
        let bytes = writer::assemble(Magic::V2, &functions, &[], &code);
        let executable = Executable::decode(&bytes).unwrap();
        assert_eq!(disassemble(&executable).unwrap(), expected, "{length}");
    }
}

#[test]
fn statistics_are_tvms_and_go_on_at_floats() {
    let mut floats = 0;
    for case in cases() {
        let executable = Executable::decode(&bytes(&case)).unwrap();
        let mut expected = field(&case, "stats").to_owned();
        for (index, constant) in executable.constants.iter().enumerate() {
            if let ConstantValue::Float(value) = constant.value {
                let marker = (MARKER + index as u64).to_string();
                assert!(expected.contains(&marker));
                expected = expected.replace(&marker, &format!("{value:?}"));
                floats += 1;
            }
        }
        assert_eq!(stats(&executable), expected, "{}", case["name"]);
    }
    assert!(floats > 5);
}

/// Every byte of these files matters: none can be cut off, none is left over.
#[test]
fn cut_and_lengthened_executables_are_refused() {
    for case in cases() {
        let bytes = bytes(&case);
        for length in 0..bytes.len() {
            let error = Executable::decode(&bytes[..length]).unwrap_err();
            assert!(error.at <= length as u64, "{error}");
        }
        let longer = [&bytes[..], &[0]].concat();
        assert!(Executable::decode(&longer).is_err());
    }
}
