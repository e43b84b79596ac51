//! The parameters that the metadata lists, nearly all of its text: read in one pass
//! over it where they have the shape that every release wrote, and from JSON that was
//! kept whole where not.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize, de};
use serde_json::{Map, Value as Json};

/// An extent of a parameter: a number, or a name resolved at load.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Extent {
    /// Known when the library was built.
    Fixed(i64),
    /// Named, e.g. `vocab_size`.
    Named(String),
}

/// A parameter the library wants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Parameter {
    /// Name, as in the tensor index.
    pub name: String,
    /// Shape.
    pub shape: Vec<Extent>,
    /// Element type, e.g. `float16`.
    pub dtype: String,
    /// Number of preprocessing steps.
    pub preprocs: usize,
}

/// The key of the parameters.
pub(super) const PARAMS: &str = "params";

/// An object, its parameters apart.
pub(super) struct Quick {
    /// Every key but `params`, and that where it is null.
    pub(super) others: Map<String, Json>,
    /// The parameters, or none of them where they are not wanted.
    pub(super) params: Option<Vec<Parameter>>,
}

/// The parameters of a list of them; `None` where any has another shape.
pub(super) fn read(json: &Json) -> Option<Vec<Parameter>> {
    json.as_array()?.iter().map(parameter).collect()
}

fn parameter(json: &Json) -> Option<Parameter> {
    let shape = json.get("shape")?.as_array()?;
    Some(Parameter {
        name: json.get("name")?.as_str()?.to_owned(),
        shape: shape.iter().map(extent).collect::<Option<_>>()?,
        dtype: json.get("dtype")?.as_str()?.to_owned(),
        preprocs: json
            .get("preprocs")
            .and_then(Json::as_array)
            .map_or(0, Vec::len),
    })
}

fn extent(json: &Json) -> Option<Extent> {
    match json {
        Json::String(name) => Some(Extent::Named(name.clone())),
        other => other.as_i64().map(Extent::Fixed),
    }
}

/// Reads a whole text, if it is an object with a list of that shape.
pub(super) fn with_others(text: &str, parameters_too: bool) -> Option<Quick> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let object = Object { parameters_too };
    let quick = deserializer.deserialize_map(object).ok()?;
    deserializer.end().ok()?;
    Some(quick)
}

struct Object {
    parameters_too: bool,
}

impl<'de> Visitor<'de> for Object {
    type Value = Quick;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Quick, A::Error> {
        let mut quick = Quick {
            others: Map::new(),
            params: None,
        };
        while let Some(key) = map.next_key::<Text<'de>>()? {
            if key.0 == PARAMS {
                let raw: Vec<Raw<'de>> = map.next_value()?;
                let wanted = raw.into_iter().filter(|_| self.parameters_too);
                quick.params = Some(wanted.map(Raw::keep).collect());
            } else {
                quick.others.insert(key.0.into_owned(), map.next_value()?);
            }
        }
        Ok(quick)
    }
}

/// A string, borrowed where nothing in it is escaped.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// A parameter that borrows the text.
struct Raw<'a> {
    name: Cow<'a, str>,
    shape: Vec<RawExtent<'a>>,
    dtype: Cow<'a, str>,
    preprocs: usize,
}

enum RawExtent<'a> {
    Fixed(i64),
    Named(Cow<'a, str>),
}

impl Raw<'_> {
    fn keep(self) -> Parameter {
        let shape = self.shape.into_iter().map(|extent| match extent {
            RawExtent::Fixed(extent) => Extent::Fixed(extent),
            RawExtent::Named(name) => Extent::Named(name.into_owned()),
        });
        Parameter {
            name: self.name.into_owned(),
            shape: shape.collect(),
            dtype: self.dtype.into_owned(),
            preprocs: self.preprocs,
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Raw<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a parameter")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw<'de>, A::Error> {
        let (mut name, mut shape, mut dtype, mut preprocs) = (None, None, None, 0);
        while let Some(key) = map.next_key::<Text<'de>>()? {
            match &*key.0 {
                "name" => name = Some(map.next_value::<Text<'de>>()?.0),
                "shape" => shape = Some(map.next_value()?),
                "dtype" => dtype = Some(map.next_value::<Text<'de>>()?.0),
                "preprocs" => preprocs = map.next_value::<Count>()?.0,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(Raw {
            name: name.ok_or_else(|| A::Error::missing_field("name"))?,
            shape: shape.ok_or_else(|| A::Error::missing_field("shape"))?,
            dtype: dtype.ok_or_else(|| A::Error::missing_field("dtype"))?,
            preprocs,
        })
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for RawExtent<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(ExtentVisitor)
    }
}

struct ExtentVisitor;

impl<'de> Visitor<'de> for ExtentVisitor {
    type Value = RawExtent<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number or a name")
    }

    fn visit_i64<E>(self, extent: i64) -> Result<RawExtent<'de>, E> {
        Ok(RawExtent::Fixed(extent))
    }

    fn visit_u64<E: de::Error>(self, extent: u64) -> Result<RawExtent<'de>, E> {
        let extent = i64::try_from(extent).map_err(E::custom)?;
        Ok(RawExtent::Fixed(extent))
    }

    fn visit_borrowed_str<E>(self, name: &'de str) -> Result<RawExtent<'de>, E> {
        Ok(RawExtent::Named(Cow::Borrowed(name)))
    }

    fn visit_str<E>(self, name: &str) -> Result<RawExtent<'de>, E> {
        Ok(RawExtent::Named(Cow::Owned(name.to_owned())))
    }
}

/// How many items a list has; a list it must be.
struct Count(usize);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_seq(CountVisitor)
    }
}

struct CountVisitor;

impl<'de> Visitor<'de> for CountVisitor {
    type Value = Count;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Count, A::Error> {
        let mut count = 0usize;
        while items.next_element::<IgnoredAny>()?.is_some() {
            count = count.saturating_add(1);
        }
        Ok(Count(count))
    }
}
