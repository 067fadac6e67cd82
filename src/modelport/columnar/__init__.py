"""Parquet, Arrow and CSV ↔ the wire's own table format, so that no worker needs pyarrow.

Called in a thread: functions of their arguments alone. A body is not trusted: it is held against its limit before it grows,
and Arrow's own checks run over it before a byte of it is used.
"""

from modelport.columnar.reading import decode
from modelport.columnar.writing import encode

__all__ = ["decode", "encode"]
