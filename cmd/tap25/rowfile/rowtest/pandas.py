"""Prints the rows of exported files as lines of JSON, as 'tap25 export --format json' writes them."""
import base64
import datetime
import json
import sys

import pandas


def plain(value):
    """Returns what JSON has for a value that it does not know."""
    if isinstance(value, datetime.datetime):
        assert value.utcoffset() == datetime.timedelta(0)
        return value.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if value is pandas.NA:
        return None
    return list(value)


for row in pandas.read_parquet(sys.argv[1], dtype_backend="pyarrow").to_dict("records"):
    print(json.dumps(row, default=plain))
