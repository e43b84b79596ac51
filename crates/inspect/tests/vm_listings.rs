//! Listing and statistics of executables that hold what no model does, against
//! what TVM 0.25, 0.26 and 0.27 printed of the same bytes
//! (`listings/make.py` wrote them and asked).

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
        let (executable, consumed) = Executable::decode_prefix(&longer).unwrap();
        assert_eq!(consumed, bytes.len());
        assert_eq!(executable, Executable::decode(&bytes).unwrap());
    }
}
