"""The tables that the page offers, and questions to begin with. Both are made up here."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class DemoTable:
    """A table under its title, and questions that people may ask of it."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    questions: tuple[str, ...]


BOATS = DemoTable(
    "Boats in a harbour",
    ("Boat", "Class", "Length (m)", "Skipper", "Home port"),
    (
        ("Aurora", "Sloop", "11.2", "Lindqvist", "Bergen"),
        ("Petrel", "Ketch", "14.6", "Okafor", "Lerwick"),
        ("Curlew", "Sloop", "9.8", "Brandt", "Husum"),
        ("Marigold", "Yawl", "12.4", "Lindqvist", "Bergen"),
        ("Northern Light", "Ketch", "17.1", "Sato", "Reykjavik"),
        ("Teal", "Cutter", "8.5", "Moreau", "Saint-Malo"),
        ("Kittiwake", "Cutter", "10.9", "Brandt", "Husum"),
        ("Saltmarsh", "Yawl", "13.3", "Dunne", "Cork"),
    ),
    (
        "Who is the skipper of Petrel?",
        "How many boats have class Sloop?",
        "What is the longest length of a boat with home port Husum?",
        "Which boat has a length more than 15?",
    ),
)
LOAVES = DemoTable(
    "What a bakery sells",
    ("Loaf", "Flour", "Minutes in the oven", "Price", "Baked on"),
    (
        ("Country Rye", "rye", "55", "4.20", "Monday"),
        ("Baguette", "wheat", "22", "1.60", "every day"),
        ("Spelt Ring", "spelt", "38", "3.90", "Thursday"),
        ("Walnut", "wheat", "45", "4.80", "Saturday"),
        ("Pumpernickel", "rye", "240", "5.10", "Friday"),
        ("Focaccia", "wheat", "25", "3.20", "Saturday"),
    ),
    (
        "What is the price of Baguette?",
        "What is the average price of a loaf with rye flour?",
        "Which loaf is baked on Thursday?",
        "How many loaves have a price less than 4?",
    ),
)
LINES = DemoTable(
    "Tram lines of a town",
    ("Line", "From", "To", "Stops", "Opened", "Depot"),
    (
        ("1", "Harbour", "Central Station", "14", "1898", "East"),
        ("2", "Old Mill", "University", "19", "1911", "East"),
        ("3", "Central Station", "Airport", "23", "1987", "West"),
        ("4", "Botanic Garden", "Stadium", "12", "1926", "West"),
        ("5", "University", "Harbour", "17", "2009", "North"),
    ),
    (
        "Where does line 3 go to?",
        "What is the lowest number of stops for depot West?",
        "Which line opened in 1926?",
        "What is the total number of stops of lines opened before 1950?",
    ),
)
TABLES = (BOATS, LOAVES, LINES)
