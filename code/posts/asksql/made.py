"""Small stand-ins for every dataset, in the same forms and read by the same code: what the smoke profile runs on.

A random Llama of two layers in a GGUF file, quantised as the real one is; twenty questions written here, over tables
written here, in WikiSQL's and GeoQuery's canonical form; and tables with questions and answers.
"""

from __future__ import annotations

import json
import sqlite3
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from lockstep.datasets import Arrays, Made

OWN = "our own, MIT, as the code"
MERGES = ["S E", "SE L", "Ġ t", "e r", "i n", "o n", "a t", "e n", "Ġ a", "T A"]
SIZES = {"layers": 2, "d_model": 64, "heads": 4, "kv_heads": 2, "d_ff": 96}

# table, split, question, aggregate, column, [(column, sign, value)]
ASKED: list[tuple[str, str, str, str, str, list[tuple[str, str, str]]]] = [
    ("boats", "train", "Which skipper sails Aurora?", "", "skipper", [("boat name", "=", "Aurora")]),
    ("boats", "train", "How many boats are longer than 12 m?", "COUNT", "boat name", [("length (m)", ">", "12")]),
    ("boats", "train", "What is the longest boat of class Sloop?", "MAX", "length (m)", [("class", "=", "Sloop")]),
    ("boats", "train", "In which harbour does skipper Lindqvist lie?", "", "harbour", [("skipper", "=", "Lindqvist")]),
    ("boats", "train", "Name the class of Petrel", "", "class", [("boat name", "=", "Petrel")]),
    ("bread", "train", "How long does Rye bake?", "", "minutes", [("loaf", "=", "Rye")]),
    (
        "bread",
        "train",
        "What is the average price of loaves without seeds?",
        "AVG",
        "price",
        [("seeds", "=", "without")],
    ),
    ("bread", "train", "Which flour goes into Baguette?", "", "flour", [("loaf", "=", "Baguette")]),
    (
        "bread",
        "train",
        "Which loaf costs less than 3 and bakes more than 40?",
        "",
        "loaf",
        [("price", "<", "3"), ("minutes", ">", "40")],
    ),
    ("peaks", "train", "Who first climbed Mount Orrin?", "", "first ascent by", [("peak", "=", "Mount Orrin")]),
    ("peaks", "train", "How many peaks are in range Tolva?", "COUNT", "peak", [("range", "=", "Tolva")]),
    ("peaks", "train", "What is the total height of Tolva's peaks?", "SUM", "height", [("range", "=", "Tolva")]),
    ("trams", "dev", "Which depot serves line 7?", "", "depot", [("line", "=", "7")]),
    ("trams", "dev", "How many stops has line 12?", "", "stops", [("line", "=", "12")]),
    ("trams", "dev", "What is the lowest number of stops from depot East?", "MIN", "stops", [("depot", "=", "East")]),
    ("trams", "dev", "Which colour is line 3?", "", "colour", [("line", "=", "3")]),
    ("plants", "test", "When does Borage flower?", "", "month", [("plant", "=", "Borage")]),
    ("plants", "test", "How many plants have colour blue?", "COUNT", "plant", [("colour", "=", "blue")]),
    (
        "plants",
        "test",
        "Which plant flowers in May and is taller than 80?",
        "",
        "plant",
        [("month", "=", "May"), ("height", ">", "80")],
    ),
    ("plants", "test", "What is the height of Sage?", "", "height", [("plant", "=", "Sage")]),
]
STAFF = """
CREATE TABLE Staff (Staff_Name TEXT, Town TEXT, Salary INTEGER);
CREATE TABLE Project (Title TEXT, Staff_Name TEXT, Days INTEGER);
INSERT INTO Staff VALUES ('ada', 'oslo', 70), ('ben', 'bergen', 50), ('cay', 'oslo', 60), ('dov', 'voss', 40);
INSERT INTO Project VALUES ('roof', 'ada', 3), ('well', 'cay', 9), ('gate', 'ben', 2), ('barn', 'ada', 20);
"""
ASKED_OF_STAFF = [  # split, question, canonical SQL, values
    ("train", "who lives in town0", "SELECT STAFFalias0.STAFF_NAME FROM STAFF AS STAFFalias0 "
     'WHERE STAFFalias0.TOWN = "town0" ;', {"town0": "oslo"}),
    ("train", "what does staff_name0 earn", "SELECT STAFFalias0.SALARY FROM STAFF AS STAFFalias0 "
     'WHERE STAFFalias0.STAFF_NAME = "staff_name0" ;', {"staff_name0": "ben"}),
    ("train", "how many projects are there", "SELECT COUNT( * ) FROM PROJECT AS PROJECTalias0 ;", {}),
    ("dev", "who earns most", "SELECT STAFFalias0.STAFF_NAME FROM STAFF AS STAFFalias0 WHERE STAFFalias0.SALARY = "
     "( SELECT MAX( STAFFalias1.SALARY ) FROM STAFF AS STAFFalias1 ) ;", {}),
    ("test", "which projects are run from town0", "SELECT PROJECTalias0.TITLE FROM PROJECT AS PROJECTalias0 , STAFF "
     "AS STAFFalias0 WHERE STAFFalias0.STAFF_NAME = PROJECTalias0.STAFF_NAME AND STAFFalias0.TOWN = \"town0\" ;",
     {"town0": "oslo"}),
]  # fmt: skip
SHEETS = {
    "csv/1-csv/0.csv": '"Rower","Club","Year","Time"\n"Ana","Delta","2011","7.5"\n"Bo","Weir","2012","7.25"\n',
    "csv/1-csv/1.csv": '"Film","Prize","Votes"\n"Salt","Jury \\"A\\"","12"\n"Fog","Public","31"\n"Rain","Jury","4"\n',
}
SHEET_QUESTIONS = {
    "training": "id\tutterance\tcontext\ttargetValue\nnt-0\twhich club does ana row for?\tcsv/1-csv/0.csv\tDelta\n",
    "test": "id\tutterance\tcontext\ttargetValue\n"
    "nu-0\twhich film has more than 20 votes?\tcsv/1-csv/1.csv\tFog\n"
    "nu-1\thow many films are listed?\tcsv/1-csv/1.csv\t3\n",
}


def random_base() -> Arrays:
    """The bytes of a GGUF file with a random Llama, a byte-level vocabulary and a few merges."""
    import gguf  # a reader's build has neither
    from tokenizers import pre_tokenizers

    rng = np.random.default_rng(0)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *alphabet, *(merge.replace(" ", "") for merge in MERGES)]
    tokens += [f"<reserved{i}>" for i in range(-len(tokens) % 32)]  # whole blocks of a quantised matrix
    with tempfile.TemporaryDirectory() as folder:
        writer = gguf.GGUFWriter(path := Path(folder) / "tiny.gguf", "llama")
        writer.add_block_count(SIZES["layers"])
        writer.add_embedding_length(SIZES["d_model"])
        writer.add_head_count(SIZES["heads"])
        writer.add_head_count_kv(SIZES["kv_heads"])
        writer.add_feed_forward_length(SIZES["d_ff"])
        writer.add_rope_freq_base(10_000.0)
        writer.add_layer_norm_rms_eps(1e-5)
        writer.add_token_list(tokens)
        writer.add_token_merges(MERGES)
        writer.add_token_types([3 if token.startswith("<") and len(token) > 1 else 1 for token in tokens])
        for name, w in _tensors(rng, len(tokens)).items():
            kind = gguf.GGMLQuantizationType.F32 if w.ndim == 1 else gguf.GGMLQuantizationType.Q4_1
            writer.add_tensor(name, gguf.quantize(w, kind), raw_dtype=kind)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return {"gguf": np.frombuffer(path.read_bytes(), np.uint8)}


def _tensors(rng: np.random.Generator, vocabulary: int) -> dict[str, Any]:
    e, f = SIZES["d_model"], SIZES["d_ff"]
    kv = e // SIZES["heads"] * SIZES["kv_heads"]
    matrices = {"attn_q": (e, e), "attn_k": (kv, e), "attn_v": (kv, e), "attn_output": (e, e)}
    matrices |= {"ffn_gate": (f, e), "ffn_up": (f, e), "ffn_down": (e, f)}
    tensors = {"token_embd.weight": rng.normal(0, 0.3, (vocabulary, e)), "output_norm.weight": rng.uniform(0.5, 2, e)}
    for i in range(SIZES["layers"]):
        tensors |= {f"blk.{i}.{name}.weight": rng.normal(0, 0.15, size) for name, size in matrices.items()}
        tensors |= {f"blk.{i}.{name}.weight": rng.uniform(0.5, 2, e) for name in ("attn_norm", "ffn_norm")}
    return {name: w.astype(np.float32) for name, w in tensors.items()}


def _bytes(text: str) -> Any:
    return np.frombuffer(text.encode(), np.uint8)


def asked() -> Arrays:
    """The twenty questions in WikiSQL's canonical form."""
    entries = []
    for table, split, text, aggregate, column, conditions in ASKED:
        numbered = [(name, sign, f"var{i}", value) for i, (name, sign, value) in enumerate(conditions)]
        where = " AND ".join(f'{_field(name)} {sign} "{variable}"' for name, sign, variable, _ in numbered)
        selected = f"{aggregate} {_field(column)}".strip()
        variables = {variable: value for _, _, variable, value in numbered}
        sentence = {"original": text, "question-split": split, "table-id": table, "variables": variables}
        sql = f"SELECT {selected} FROM TABLE AS TABLEalias0 WHERE {where} ;"
        place = sorted({each[4] for each in ASKED if each[0] == table}).index(column)
        entries.append({"sql": [sql], "sentences": [sentence], "sql-original": [f"SELECT col{place} FROM table"]})
    return {"questions": _bytes(json.dumps(entries))}


def _field(name: str) -> str:
    return f"TABLEalias0.{name.upper().replace(' ', '_')}_FIELD"


def asked_of_staff() -> Arrays:
    """Five questions of two tables in GeoQuery's form, with their database."""
    entries = []
    for split, text, sql, values in ASKED_OF_STAFF:
        sentence = {"text": text, "question-split": split, "variables": values}
        variables = [{"name": name, "example": value} for name, value in values.items()]
        entries.append({"sql": [sql], "sentences": [sentence], "variables": variables})
    database = sqlite3.connect(":memory:")
    database.executescript(STAFF)
    content = np.frombuffer(database.serialize(), np.uint8)
    database.close()
    return {"questions": _bytes(json.dumps(entries)), "database": content}


def asked_of_sheets() -> Arrays:
    """Two tables with questions and answers in the form of WikiTableQuestions."""
    names = sorted(SHEETS)
    return {
        "table_names": _bytes("\n".join(names)),
        "table_bytes": _bytes("".join(SHEETS[name] for name in names)),
        "table_ends": np.cumsum([len(SHEETS[name].encode()) for name in names]),
    } | {name: _bytes(text) for name, text in SHEET_QUESTIONS.items()}


def captions() -> Arrays:
    """Lines of English that are no questions, in the form of Multi30k."""
    lines = [f"{text.rstrip('?')} is what somebody asked." for _, _, text, *_ in ASKED]
    return {"val_en": _bytes("\n".join(lines))}


made_base = Made("random_llama", random_base, licence=OWN)
made_wikisql = Made("twenty_questions", asked, licence=OWN)
made_geoquery = Made("staff_questions", asked_of_staff, licence=OWN)
made_sheets = Made("two_sheets", asked_of_sheets, licence=OWN)
made_captions = Made("twenty_lines", captions, licence=OWN)
