use super::*;

const AT: Value = Value::Frame(-64);

#[test]
fn a_number_is_written_and_read_by_halves() {
    let mut state = State::entry(&[], 4);
    state.store_half(AT, Value::Number(7));
    assert_eq!(state.load(AT), Value::Other);
    state.store_half(AT.plus(4), Value::Number(1));
    assert_eq!(state.load(AT), Value::Number((1 << 32) | 7));
    assert_eq!(state.load_half(AT.plus(4)), Value::Number(1));
    // A word across two.
    state.store(AT.plus(8), Value::Number(5));
    state.store(AT.plus(4), Value::Number(0));
    assert_eq!(state.load(AT), Value::Number(7));
    assert_eq!(state.load(AT.plus(8)), Value::Number(0));
}

#[test]
fn of_two_addresses_neither_is_known() {
    let with = |value| {
        let mut state = State::entry(&[], 4);
        if value != Value::Unknown {
            state.set(1, value);
            state.store(AT, value);
        }
        state
    };
    let join = |one, other| {
        let joined = with(one).or(&with(other));
        assert_eq!(joined.get(1), joined.load(AT));
        joined.get(1)
    };
    let (one, other) = (Value::Address(1), Value::Address(2));
    assert_eq!(join(one, other), Value::Other);
    assert_eq!(join(join(one, other), one), Value::Other);
    assert_eq!(join(one, join(one, other)), Value::Other);
    assert_eq!(join(one, Value::Parameter(0)), Value::Other);
    assert_eq!(join(one, one), one);
    assert_eq!(join(one, Value::Unknown), one);
    assert_eq!(join(Value::Number(0), one), one);
    assert_eq!(join(one, Value::Number(0)), one);
}

/// What a frame holds at a place after a way that keeps it and one that does this.
fn joined(kept: Value, write: impl Fn(&mut State)) -> Value {
    let mut one = State::entry(&[], 4);
    one.store(AT, kept);
    one.set(1, kept);
    one.set_vector(1, [kept; 2]);
    let mut other = one.clone();
    write(&mut other);
    let [forward, back] = [one.clone().or(&other), other.clone().or(&one)];
    let of = |state: &State| [state.load(AT), state.get(1), state.vector(1)[0]];
    assert_eq!(of(&forward), of(&back));
    let mut head = one;
    assert_eq!(head.give_up(&other), of(&forward).contains(&Value::Other));
    let is_lost = of(&forward).contains(&Value::Other);
    assert!(!is_lost || of(&head).contains(&Value::Other));
    match is_lost {
        true => Value::Other,
        false => kept,
    }
}

#[test]
fn what_is_written_in_part_is_no_longer_what_it_was() {
    let places = [
        (0, 8),
        (4, 8),
        (-4, 8),
        (0, 4),
        (4, 4),
        (1, 1),
        (7, 1),
        (5, 2),
    ];
    for (place, bytes) in places {
        let mut state = State::entry(&[], 4);
        state.store(AT, Value::Marked(1));
        state.lose(AT.plus(place), bytes);
        assert_eq!(state.load(AT), Value::Other, "{place}, {bytes}");
        let kept = Value::Address(1);
        let after = joined(kept, |state| state.lose(AT.plus(place), bytes));
        assert_eq!(after, Value::Other, "{place}, {bytes}");
        let behind = joined(kept, |state| state.lose(AT.plus(place + 16), bytes));
        assert_eq!(behind, kept, "{place}, {bytes}");
    }
    let mut state = State::entry(&[], 4);
    state.store(AT, Value::Marked(1));
    state.lose(AT.plus(8), 8);
    state.lose(AT.plus(-8), 8);
    assert_eq!(state.load(AT), Value::Marked(1));
    assert_eq!(state.load_half(AT), Value::Other);
}

#[test]
fn of_what_one_way_overwrites_the_other_way_does_not_tell() {
    let (kept, far) = (Value::Address(1), AT.plus(-64));
    let writes: [&dyn Fn(&mut State); 8] = [
        // A word of the frame that nothing is known of, whole and by halves.
        &|state| state.store(AT, state.load(far)),
        &|state| state.store_half(AT, state.load_half(far)),
        &|state| state.store_half(AT.plus(4), Value::Number(0)),
        &|state| state.store(AT.plus(4), kept),
        &|state| state.store(AT.plus(1), Value::Number(0)),
        &|state| state.set(1, state.load(far)),
        &|state| state.set(1, state.load_half(AT)),
        &|state| state.set_vector(1, [state.load(far); 2]),
    ];
    for (number, write) in writes.iter().enumerate() {
        assert_eq!(joined(kept, write), Value::Other, "{number}");
    }
    // A call uses registers that code behind it does not read, and leaves a result.
    assert_eq!(joined(kept, |state| state.called(&[1, 2], 0)), kept);
    assert_eq!(joined(kept, |state| state.called(&[1, 2], 1)), Value::Other);
}
