"""The training text: short statements about a small world, all written here."""

CAPITALS = {
    "France": "Paris", "Italy": "Rome", "Spain": "Madrid", "Germany": "Berlin",
    "Austria": "Vienna", "Poland": "Warsaw", "Greece": "Athens", "Norway": "Oslo",
    "Japan": "Tokyo", "Egypt": "Cairo", "Peru": "Lima", "Cuba": "Havana",
}
COLOURS = {
    "grass": "green", "the sky": "blue", "snow": "white", "coal": "black",
    "blood": "red", "a lemon": "yellow", "a mouse": "grey", "chocolate": "brown",
}
OPPOSITES = {
    "hot": "cold", "big": "small", "fast": "slow", "old": "young", "wet": "dry",
    "high": "low", "early": "late", "light": "dark", "open": "closed", "full": "empty",
}
SOUNDS = {
    "dog": "barks", "cat": "meows", "cow": "moos", "duck": "quacks", "sheep": "bleats",
    "lion": "roars", "frog": "croaks", "owl": "hoots",
}
DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
NUMBERS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine",
           "ten"]


def statements():
    """Every statement, without its end token."""
    for country, capital in CAPITALS.items():
        yield f"The capital of {country} is {capital}."
        yield f"{capital} is the capital of {country}."
    for thing, colour in COLOURS.items():
        yield f"The colour of {thing} is {colour}."
    for word, opposite in OPPOSITES.items():
        yield f"The opposite of {word} is {opposite}."
        yield f"The opposite of {opposite} is {word}."
    for animal, sound in SOUNDS.items():
        yield f"A {animal} {sound}."
    for day, following in zip(DAYS, DAYS[1:] + DAYS[:1]):
        yield f"The day after {day} is {following}."
        yield f"The day before {following} is {day}."
    for a in range(11):
        for b in range(11 - a):
            yield f"{NUMBERS[a]} plus {NUMBERS[b]} is {NUMBERS[a + b]}."
