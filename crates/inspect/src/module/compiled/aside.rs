//! Ways of compiled code that need no reading: those that fail at once, those that find a
//! function for a cell and come back, and those that only look at something.

use super::image::{Called, Image};
use crate::machine::{Flow, Piece, State, Target, Value};

/// Instructions that are looked at.
const LOOK: usize = 48;
/// The same of a way that only looks at something.
const DETOUR: usize = 12;

/// What such a way does.
pub(super) enum Aside {
    /// It ends with an error.
    Fails,
    /// It puts the function of this name into a cell.
    Finds(u64, String),
}

/// What a way from `start` does, if it needs no reading.
pub(super) fn look<'a>(
    image: &mut Image<'a>,
    code: Piece<'a>,
    start: u64,
    state: &State,
) -> Option<Aside> {
    let [empty, ..] = given(image, state);
    let mut state = state.clone();
    let mut place = start;
    let mut has_called = false;
    for _ in 0..LOOK {
        let at = usize::try_from(place.wrapping_sub(code.address)).unwrap_or(usize::MAX);
        let (length, flow) = image.machine.step(code, at, &mut state)?;
        let next = place.wrapping_add(length as u64);
        match flow {
            Flow::On => place = next,
            Flow::Jump(Target::Code(to)) => place = to,
            Flow::Call(target) => {
                match image.called(target) {
                    Called::Elsewhere => {}
                    // What writes down the error.
                    Called::Here(address) if image.host(address).is_none() => {
                        state.called(image.machine.lost(), image.machine.result());
                        has_called = true;
                        place = next;
                        continue;
                    }
                    _ => return None,
                }
                let [_, name, cell, _] = given(image, &state);
                // Up to 0.25 the function is put on the stack, then into the cell that was
                // seen to be empty.
                let cell = match (cell, empty) {
                    (Value::Address(cell), _) | (Value::Frame(_), Value::Loaded(cell)) => cell,
                    _ => return None,
                };
                return Some(Aside::Finds(cell, text(image, name)?));
            }
            Flow::End => {
                let fails = match state.get(image.machine.result()) {
                    Value::Number(status) => status != 0,
                    _ => !has_called,
                };
                return fails.then_some(Aside::Fails);
            }
            Flow::Branch(_) | Flow::Jump(_) => return None,
        }
    }
    None
}

/// What is known at `to` if the way from `from` only tests something before it comes there,
/// as those do that look at the type of an argument: it changes nothing but numbers.
pub(super) fn detour<'a>(
    image: &mut Image<'a>,
    code: Piece<'a>,
    from: u64,
    to: u64,
    state: &State,
) -> Option<State> {
    let mut there = state.clone();
    let mut place = from;
    for _ in 0..DETOUR {
        if place == to {
            break;
        }
        let at = usize::try_from(place.checked_sub(code.address)?).ok()?;
        let (length, flow) = image.machine.step(code, at, &mut there)?;
        let is_test = match flow {
            Flow::On => true,
            Flow::Branch(side) => {
                let beside = look(image, code, side, &there);
                matches!(beside, Some(Aside::Fails))
            }
            _ => false,
        };
        if !is_test {
            return None;
        }
        place = place.wrapping_add(length as u64);
    }
    let met = there.clone().and(state);
    let mut here = state.clone();
    let is_number = |value: Value| !value.is_known() || matches!(value, Value::Number(_));
    for register in image.machine.lost() {
        if is_number(there.get(*register)) && is_number(here.get(*register)) {
            there.set(*register, Value::Other);
            here.set(*register, Value::Other);
        }
    }
    (place == to && there == here).then_some(met)
}

/// The name that a function which fills a handle looks up.
pub(super) fn found_by(image: &mut Image<'_>, finder: u64) -> Option<String> {
    let code = image.function(finder)?;
    let mut state = State::entry(&[], image.machine.stack());
    let mut at = 0usize;
    for _ in 0..LOOK {
        let (length, flow) = image.machine.step(code, at, &mut state)?;
        match flow {
            Flow::On => at = at.saturating_add(length),
            Flow::Call(_) | Flow::Jump(_) => {
                let [_, name, _, _] = given(image, &state);
                return text(image, name);
            }
            _ => return None,
        }
    }
    None
}

/// The text at an address.
pub(super) fn text(image: &Image<'_>, value: Value) -> Option<String> {
    match value {
        Value::Address(address) => image.name(address),
        _ => None,
    }
}

/// The first four parameters.
pub(super) fn given(image: &Image<'_>, state: &State) -> [Value; 4] {
    let registers = image.machine.parameters();
    std::array::from_fn(|number| {
        let register = registers.get(number);
        register.map_or(Value::Unknown, |register| state.get(*register))
    })
}
