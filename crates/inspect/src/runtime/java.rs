//! Native methods that TVM's Java classes declare (`org.apache.tvm`), by the names
//! under which a virtual machine looks for them in libraries.
//!
//! From the class files in `.jar` and `.aar` archives; the code of an `.apk` is in
//! another form, which is not read. Facts: the Java virtual machine specification,
//! chapter 4; the JNI specification, "Resolving Native Method Names".

use crate::place::Place;
use crate::source::is_tvm_class;

/// Beginning of the name of a native method's function.
pub const PREFIX: &str = "Java_org_apache_tvm_";

/// The native methods of one class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Natives {
    /// The class file.
    pub place: Place,
    /// The class, with dots.
    pub class: String,
    /// Its native methods.
    pub methods: Vec<Native>,
}

/// A native method.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Native {
    /// As a virtual machine names it: `int org.apache.tvm.LibInfo.init(java.lang.String)`.
    pub method: String,
    /// The function that is looked for first.
    pub function: String,
    /// The one that is looked for then, which also says the types.
    pub long: String,
}

/// The native methods of a class file; `None` where it has none, or is none.
pub fn natives(place: &Place, bytes: &[u8]) -> Option<Natives> {
    if !is_tvm_class(place.inside().as_bytes()) {
        return None;
    }
    let class = Class::read(bytes)?;
    (!class.natives.is_empty()).then(|| Natives {
        place: place.clone(),
        methods: class
            .natives
            .iter()
            .map(|(name, types)| native(&class.name, name, types))
            .collect(),
        class: class.name.replace('/', "."),
    })
}

fn native(class: &str, name: &str, types: &str) -> Native {
    let function = format!("Java_{}_{}", mangled(class), mangled(name));
    let arguments = types
        .strip_prefix('(')
        .and_then(|types| types.split(')').next());
    Native {
        method: declared(class, name, types),
        long: format!("{function}__{}", mangled(arguments.unwrap_or_default())),
        function,
    }
}

/// A method with its types in Java's words.
fn declared(class: &str, name: &str, types: &str) -> String {
    let mut rest = types.strip_prefix('(').unwrap_or(types);
    let mut arguments = Vec::new();
    while !rest.is_empty() && !rest.starts_with(')') {
        arguments.push(java_type(&mut rest));
    }
    rest = rest.strip_prefix(')').unwrap_or(rest);
    let result = java_type(&mut rest);
    let class = class.replace('/', ".");
    format!("{result} {class}.{name}({})", arguments.join(", "))
}

/// The first of some types, which is taken off.
fn java_type(types: &mut &str) -> String {
    let plain = types.trim_start_matches('[');
    let dimensions = types.len().saturating_sub(plain.len());
    let first = plain.chars().next().unwrap_or('V');
    let (name, rest) = match first {
        'L' => plain.split_once(';').unwrap_or((plain, "")),
        _ => plain
            .split_at_checked(first.len_utf8())
            .unwrap_or((plain, "")),
    };
    *types = rest;
    let name = match name {
        "V" => "void".to_owned(),
        "Z" => "boolean".to_owned(),
        "B" => "byte".to_owned(),
        "C" => "char".to_owned(),
        "S" => "short".to_owned(),
        "I" => "int".to_owned(),
        "J" => "long".to_owned(),
        "F" => "float".to_owned(),
        "D" => "double".to_owned(),
        class => class.trim_start_matches('L').replace('/', "."),
    };
    name + &"[]".repeat(dimensions.min(255))
}

/// A name as it is written in a function's.
fn mangled(name: &str) -> String {
    let mut out = String::new();
    for unit in name.encode_utf16() {
        match u8::try_from(unit) {
            Ok(b'/') => out.push('_'),
            Ok(b'_') => out.push_str("_1"),
            Ok(b';') => out.push_str("_2"),
            Ok(b'[') => out.push_str("_3"),
            Ok(byte) if byte.is_ascii_alphanumeric() => out.push(char::from(byte)),
            _ => out.push_str(&format!("_0{unit:04x}")),
        }
    }
    out
}

/// What of a class file is of interest.
struct Class {
    name: String,
    /// Names and types.
    natives: Vec<(String, String)>,
}

/// Big-endian fields, one after the other.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn u16(&mut self) -> Option<u16> {
        let bytes = self.take(2)?.first_chunk::<2>()?;
        Some(u16::from_be_bytes(*bytes))
    }

    fn u32(&mut self) -> Option<u32> {
        let bytes = self.take(4)?.first_chunk::<4>()?;
        Some(u32::from_be_bytes(*bytes))
    }

    /// Passes over the attributes of a field or method.
    fn skip_attributes(&mut self) -> Option<()> {
        for _ in 0..self.u16()? {
            self.u16()?;
            let length = usize::try_from(self.u32()?).ok()?;
            self.take(length)?;
        }
        Some(())
    }
}

/// Texts and classes of the constant pool.
#[derive(Clone, Copy)]
enum Constant<'a> {
    Text(&'a [u8]),
    Class(u16),
    Other,
}

impl Class {
    fn read(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields(bytes);
        if fields.u32()? != 0xcafe_babe {
            return None;
        }
        fields.u32()?;
        let pool = pool(&mut fields)?;
        let text = |index: u16| match pool.get(usize::from(index))? {
            Constant::Text(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
            _ => None,
        };
        // Access flags.
        fields.u16()?;
        let this = fields.u16()?;
        let Constant::Class(name) = pool.get(usize::from(this))? else {
            return None;
        };
        let name = text(*name)?;
        fields.u16()?;
        let interfaces = usize::from(fields.u16()?);
        fields.take(interfaces.saturating_mul(2))?;
        let mut natives = Vec::new();
        for is_method in [false, true] {
            for _ in 0..fields.u16()? {
                const NATIVE: u16 = 0x0100;
                let flags = fields.u16()?;
                let (name, types) = (fields.u16()?, fields.u16()?);
                fields.skip_attributes()?;
                if is_method && flags & NATIVE != 0 {
                    natives.push((text(name)?, text(types)?));
                }
            }
        }
        Some(Self { name, natives })
    }
}

/// The constant pool, its unused first entry included.
fn pool<'a>(fields: &mut Fields<'a>) -> Option<Vec<Constant<'a>>> {
    let count = usize::from(fields.u16()?);
    let mut pool = vec![Constant::Other];
    while pool.len() < count {
        let tag = *fields.take(1)?.first()?;
        let constant = match tag {
            1 => {
                let length = usize::from(fields.u16()?);
                Constant::Text(fields.take(length)?)
            }
            7 => Constant::Class(fields.u16()?),
            8 | 16 | 19 | 20 => fields.take(2).map(|_| Constant::Other)?,
            15 => fields.take(3).map(|_| Constant::Other)?,
            3 | 4 | 9..=12 | 17 | 18 => fields.take(4).map(|_| Constant::Other)?,
            // Numbers of 64 bits take two entries.
            5 | 6 => {
                pool.push(Constant::Other);
                fields.take(8).map(|_| Constant::Other)?
            }
            _ => return None,
        };
        pool.push(constant);
    }
    Some(pool)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_named_as_the_specification_says() {
        let native = native(
            "org/apache/tvm/LibInfo",
            "ffi_get",
            "(ILjava/lang/String;[J)I",
        );
        assert_eq!(native.function, "Java_org_apache_tvm_LibInfo_ffi_1get");
        assert_eq!(
            native.long,
            "Java_org_apache_tvm_LibInfo_ffi_1get__ILjava_lang_String_2_3J"
        );
        assert_eq!(
            native.method,
            "int org.apache.tvm.LibInfo.ffi_get(int, java.lang.String, long[])"
        );
        assert_eq!(mangled("größe"), "gr_000f6_000dfe");
    }

    #[test]
    fn what_is_no_class_has_no_methods() {
        assert!(Class::read(b"").is_none());
        assert!(Class::read(&[0xca, 0xfe, 0xba, 0xbe, 0, 0, 0, 52, 0xff, 0xff]).is_none());
        let lying = [0xca, 0xfe, 0xba, 0xbe, 0, 0, 0, 52, 0, 2, 1, 0xff, 0xff];
        assert!(Class::read(&lying).is_none());
    }
}
