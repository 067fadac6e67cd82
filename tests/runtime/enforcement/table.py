"""Which column fits which type: one row per kind of pandas column, as data, so that it can be held against MLflow too.

An outcome is ``=`` (kept as it is), ``-`` (refused), or the dtype of the result.
"""

import datetime as dt
from decimal import Decimal

TYPES = ("boolean", "integer", "long", "float", "double", "string", "binary", "datetime")

UTC = dt.UTC


def source(name):
    """The column of a row, as a pandas Series."""
    import numpy as np
    import pandas as pd

    def objects(*values):
        return pd.Series(list(values), dtype=object)

    makers = {
        "bool": lambda: pd.Series([True, False]),
        "int8": lambda: pd.Series([1, 2], dtype="int8"),
        "int16": lambda: pd.Series([1, 2], dtype="int16"),
        "int32": lambda: pd.Series([1, 2], dtype="int32"),
        "int64": lambda: pd.Series([1, 2], dtype="int64"),
        "int64 of flags": lambda: pd.Series([0, 1], dtype="int64"),
        "uint8": lambda: pd.Series([1, 2], dtype="uint8"),
        "uint16": lambda: pd.Series([1, 2], dtype="uint16"),
        "uint32": lambda: pd.Series([1, 2], dtype="uint32"),
        "uint64": lambda: pd.Series([1, 2], dtype="uint64"),
        "uint64 of flags": lambda: pd.Series([0, 1], dtype="uint64"),
        "float16": lambda: pd.Series([1, 2.5], dtype="float16"),
        "float32": lambda: pd.Series([1, 2.5], dtype="float32"),
        "float64": lambda: pd.Series([1, 2.5], dtype="float64"),
        "float64 with gaps": lambda: pd.Series([1, float("nan")], dtype="float64"),
        "text objects": lambda: objects("a", "b"),
        "text objects with gaps": lambda: objects("a", None),
        "number texts": lambda: objects("1.5", "2"),
        "text, pandas' default": lambda: pd.Series(["a", "b"]),
        "string": lambda: pd.Series(["a", "b"], dtype="string"),
        "ISO dates": lambda: objects("2024-01-02", "2024-01-03"),
        "ISO dates and times": lambda: objects("2024-01-02", "2024-01-03T01:02:03.5"),
        "ISO dates with gaps": lambda: objects("2024-01-02", None),
        "ISO dates, string": lambda: pd.Series(["2024-01-02", None], dtype="string"),
        "ISO times with Z": lambda: objects("2024-01-02T03:04:05Z", "2024-01-02T03:04:05+02:00"),
        "month/day/year": lambda: objects("01/02/2020", "12/31/2020"),
        "int objects": lambda: objects(1, 2),
        "flag int objects": lambda: objects(0, 1),
        "int objects with gaps": lambda: objects(1, None),
        "int objects of 80 bits": lambda: objects(2**80),
        "float objects": lambda: objects(1.5, 2.0),
        "float objects with gaps": lambda: objects(1.5, None),
        "int and float objects": lambda: objects(1, 2.5),
        "bool objects": lambda: objects(True, False),
        "bool objects with gaps": lambda: objects(True, None),
        "bool and int objects": lambda: objects(True, 2),
        "bool and text objects": lambda: objects(True, "a"),
        "bytes objects": lambda: objects(b"a"),
        "None": lambda: objects(None, None),
        "NaN objects": lambda: objects(float("nan"), float("nan")),
        "Int64": lambda: pd.Series([1, 2], dtype="Int64"),
        "Int64 with gaps": lambda: pd.Series([1, None], dtype="Int64"),
        "Int32": lambda: pd.Series([1, 2], dtype="Int32"),
        "Float64": lambda: pd.Series([1, 2.5], dtype="Float64"),
        "boolean": lambda: pd.Series([True, False], dtype="boolean"),
        "boolean with gaps": lambda: pd.Series([True, None], dtype="boolean"),
        "category of text": lambda: pd.Series(["a", "b"], dtype="category"),
        "category of ints": lambda: pd.Series([1, 2], dtype="category"),
        "datetime64[ns]": lambda: pd.Series(np.array(["2024-01-02"], dtype="datetime64[ns]")),
        "datetime64[s]": lambda: pd.Series(np.array(["2024-01-02"], dtype="datetime64[s]")),
        "datetime64 with zone": lambda: pd.Series(pd.to_datetime(["2024-01-02"]).tz_localize("UTC")),
        "date objects": lambda: objects(dt.date(2024, 1, 2)),
        "date objects with gaps": lambda: objects(dt.date(2024, 1, 2), None),
        "datetime objects": lambda: objects(dt.datetime(2024, 1, 2)),
        "datetime objects with zone": lambda: objects(dt.datetime(2024, 1, 2, tzinfo=UTC)),
        "date objects of the year 9999": lambda: objects(dt.date(9999, 1, 1)),
        "Decimal objects": lambda: objects(Decimal("1.5")),
        "Decimal objects with gaps": lambda: objects(Decimal("1.5"), None),
        "timedelta": lambda: pd.Series(pd.to_timedelta([1], unit="s")),
        "complex": lambda: pd.Series([1 + 2j]),
        "list objects": lambda: objects([1]),
        "int and text objects": lambda: objects(1, "a"),
        "no rows, objects": lambda: objects(),
        "no rows, float64": lambda: pd.Series([], dtype="float64"),
        "no rows, int64": lambda: pd.Series([], dtype="int64"),
    }
    return makers[name]()


def _rows(text):
    lines = [line.split("|") for line in text.strip().splitlines()[1:]]
    return {name.strip(): dict(zip(TYPES, outcomes.split(), strict=True)) for name, outcomes in lines}


LENIENT_OUTCOMES = _rows("""
source                         | boolean   integer   long      float     double    string    binary    datetime
bool                           | =         -         -         -         -         -         -         -
int8                           | -         int32     int64     -         float64   -         -         -
int16                          | -         int32     int64     -         float64   -         -         -
int32                          | -         =         int64     -         float64   -         -         -
int64                          | -         -         =         -         -         -         -         -
int64 of flags                 | -         -         =         float32   float64   -         -         -
uint8                          | -         int32     int64     -         float64   -         -         -
uint16                         | -         int32     int64     -         float64   -         -         -
uint32                         | -         -         int64     -         float64   -         -         -
uint64                         | -         -         -         -         -         -         -         -
uint64 of flags                | -         -         -         -         -         -         -         -
float16                        | -         -         -         float32   float64   -         -         -
float32                        | -         -         -         =         float64   -         -         -
float64                        | -         -         -         -         =         -         -         -
float64 with gaps              | -         -         -         -         =         -         -         -
text objects                   | -         -         -         -         -         =         =         -
text objects with gaps         | -         -         -         -         -         =         =         -
number texts                   | -         -         -         -         -         =         =         -
text, pandas' default          | -         -         -         -         -         =         =         -
string                         | -         -         -         -         -         =         =         -
ISO dates                      | -         -         -         -         -         =         =         datetime64[ns]
ISO dates and times            | -         -         -         -         -         =         =         datetime64[ns]
ISO dates with gaps            | -         -         -         -         -         =         =         datetime64[ns]
ISO dates, string              | -         -         -         -         -         =         =         datetime64[ns]
ISO times with Z               | -         -         -         -         -         =         =         datetime64[ns]
month/day/year                 | -         -         -         -         -         =         =         datetime64[ns]
int objects                    | -         -         int64     -         -         =         =         -
flag int objects               | -         -         int64     float32   float64   =         =         -
int objects with gaps          | -         -         -         -         float64   =         =         -
int objects of 80 bits         | -         -         -         -         float64   =         =         -
float objects                  | -         -         -         -         float64   =         =         -
float objects with gaps        | -         -         -         -         float64   =         =         -
int and float objects          | -         -         -         -         float64   =         =         -
bool objects                   | bool      -         -         -         -         =         =         -
bool objects with gaps         | =         -         -         -         float64   =         =         -
bool and int objects           | -         -         -         -         float64   =         =         -
bool and text objects          | -         -         -         -         -         =         =         -
bytes objects                  | -         -         -         -         -         =         =         -
None                           | =         -         -         -         float64   =         =         datetime64[ns]
NaN objects                    | =         -         -         -         float64   =         =         datetime64[ns]
Int64                          | -         -         int64     -         -         -         -         -
Int64 with gaps                | -         -         -         -         -         -         -         -
Int32                          | -         int32     int64     -         float64   -         -         -
Float64                        | -         -         -         -         float64   -         -         -
boolean                        | bool      -         -         -         -         -         -         -
boolean with gaps              | -         -         -         -         -         -         -         -
category of text               | -         -         -         -         -         -         -         -
category of ints               | -         -         -         -         -         -         -         -
datetime64[ns]                 | -         -         -         -         -         -         -         =
datetime64[s]                  | -         -         -         -         -         -         -         datetime64[ns]
datetime64 with zone           | -         -         -         -         -         -         -         -
date objects                   | -         -         -         -         -         =         =         datetime64[ns]
date objects with gaps         | -         -         -         -         -         =         =         datetime64[ns]
datetime objects               | -         -         -         -         -         =         =         datetime64[ns]
datetime objects with zone     | -         -         -         -         -         =         =         -
date objects of the year 9999  | -         -         -         -         -         =         =         -
Decimal objects                | -         -         -         -         float64   =         =         -
Decimal objects with gaps      | -         -         -         -         float64   =         =         -
timedelta                      | -         -         -         -         -         -         -         -
complex                        | -         -         -         -         -         -         -         -
list objects                   | -         -         -         -         -         =         =         -
int and text objects           | -         -         -         -         -         =         =         -
no rows, objects               | bool      int32     int64     float32   float64   =         =         datetime64[ns]
no rows, float64               | bool      int32     int64     float32   =         object    object    datetime64[ns]
no rows, int64                 | bool      int32     =         float32   float64   object    object    datetime64[ns]
""")

STRICT_OUTCOMES = _rows("""
source                         | boolean   integer   long      float     double    string    binary    datetime
bool                           | =         -         -         -         -         -         -         -
int8                           | -         int32     int64     float32   float64   object    -         datetime64[ns]
int16                          | -         int32     int64     float32   float64   object    -         datetime64[ns]
int32                          | -         =         int64     float32   float64   object    -         datetime64[ns]
int64                          | -         int32     =         float32   float64   object    -         datetime64[ns]
int64 of flags                 | -         int32     =         float32   float64   object    -         datetime64[ns]
uint8                          | -         int32     int64     float32   float64   object    -         datetime64[ns]
uint16                         | -         int32     int64     float32   float64   object    -         datetime64[ns]
uint32                         | -         int32     int64     float32   float64   object    -         datetime64[ns]
uint64                         | -         int32     int64     float32   float64   object    -         datetime64[ns]
uint64 of flags                | -         int32     int64     float32   float64   object    -         datetime64[ns]
float16                        | -         -         -         float32   float64   -         -         -
float32                        | -         -         -         =         float64   -         -         -
float64                        | -         -         -         float32   =         -         -         -
float64 with gaps              | -         -         -         float32   =         -         -         datetime64[ns]
text objects                   | -         -         -         -         -         =         =         -
text objects with gaps         | -         -         -         -         -         =         =         -
number texts                   | -         -         -         -         -         =         =         -
text, pandas' default          | -         -         -         -         -         =         =         -
string                         | -         -         -         -         -         =         =         -
ISO dates                      | -         -         -         -         -         =         =         datetime64[ns]
ISO dates and times            | -         -         -         -         -         =         =         datetime64[ns]
ISO dates with gaps            | -         -         -         -         -         =         =         datetime64[ns]
ISO dates, string              | -         -         -         -         -         =         =         datetime64[ns]
ISO times with Z               | -         -         -         -         -         =         =         datetime64[ns]
month/day/year                 | -         -         -         -         -         =         =         -
int objects                    | -         int32     int64     float32   float64   =         =         datetime64[ns]
flag int objects               | -         int32     int64     float32   float64   =         =         datetime64[ns]
int objects with gaps          | -         -         -         float32   float64   =         =         datetime64[ns]
int objects of 80 bits         | -         -         -         -         -         =         =         -
float objects                  | -         -         -         float32   float64   =         =         -
float objects with gaps        | -         -         -         float32   float64   =         =         -
int and float objects          | -         -         -         float32   float64   =         =         -
bool objects                   | bool      -         -         -         -         =         =         -
bool objects with gaps         | =         -         -         -         -         =         =         -
bool and int objects           | -         -         -         -         -         =         =         -
bool and text objects          | -         -         -         -         -         =         =         -
bytes objects                  | -         -         -         -         -         =         =         -
None                           | =         -         -         float32   float64   =         =         datetime64[ns]
NaN objects                    | =         -         -         float32   float64   =         =         datetime64[ns]
Int64                          | -         int32     int64     float32   float64   object    -         datetime64[ns]
Int64 with gaps                | -         -         -         float32   float64   object    -         datetime64[ns]
Int32                          | -         int32     int64     float32   float64   object    -         datetime64[ns]
Float64                        | -         -         -         float32   float64   -         -         -
boolean                        | bool      -         -         -         -         -         -         -
boolean with gaps              | -         -         -         -         -         -         -         -
category of text               | -         -         -         -         -         -         -         -
category of ints               | -         -         -         -         -         -         -         -
datetime64[ns]                 | -         -         -         -         -         -         -         =
datetime64[s]                  | -         -         -         -         -         -         -         datetime64[ns]
datetime64 with zone           | -         -         -         -         -         -         -         -
date objects                   | -         -         -         -         -         =         =         datetime64[ns]
date objects with gaps         | -         -         -         -         -         =         =         datetime64[ns]
datetime objects               | -         -         -         -         -         =         =         datetime64[ns]
datetime objects with zone     | -         -         -         -         -         =         =         -
date objects of the year 9999  | -         -         -         -         -         =         =         -
Decimal objects                | -         -         -         float32   float64   =         =         -
Decimal objects with gaps      | -         -         -         float32   float64   =         =         -
timedelta                      | -         -         -         -         -         -         -         -
complex                        | -         -         -         -         -         -         -         -
list objects                   | -         -         -         -         -         =         =         -
int and text objects           | -         -         -         -         -         =         =         -
no rows, objects               | bool      int32     int64     float32   float64   =         =         datetime64[ns]
no rows, float64               | bool      int32     int64     float32   =         object    object    datetime64[ns]
no rows, int64                 | bool      int32     =         float32   float64   object    object    datetime64[ns]
""")
