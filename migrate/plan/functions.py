"""Which functions and which syntax may an expression of a plan use?

Everything here depends on its arguments only: no clock, no chance, no file, no session, no other
row. A function stands here when its golden rows (tests/unit/expressions.yaml) agree on every
engine that runs plans; today that is DuckDB. Names are DuckDB's, but for our own.
"""

from __future__ import annotations

from functools import cache

import sqlglot
from sqlglot import exp

# One call of each allowed function; its parsed form says which syntax nodes are allowed.
FUNCTIONS: dict[str, str] = {
    # text
    "lower": "lower(a)",
    "upper": "upper(a)",
    "trim": "trim(a, b)",
    "ltrim": "ltrim(a, b)",
    "rtrim": "rtrim(a, b)",
    "replace": "replace(a, b, c)",
    "translate": "translate(a, b, c)",
    "substring": "substring(a, 1, 2)",
    "substr": "substr(a, 1, 2)",
    "left": "left(a, 1)",
    "right": "right(a, 1)",
    "lpad": "lpad(a, 1, b)",
    "rpad": "rpad(a, 1, b)",
    "reverse": "reverse(a)",
    "repeat": "repeat(a, 2)",
    "length": "length(a)",
    "split_part": "split_part(a, b, 1)",
    "string_split": "string_split(a, b)",
    "concat": "concat(a, b)",
    "concat_ws": "concat_ws(a, b, c)",
    "contains": "contains(a, b)",
    "starts_with": "starts_with(a, b)",
    "ends_with": "ends_with(a, b)",
    "strpos": "strpos(a, b)",
    "strip_accents": "strip_accents(a)",
    "nfc_normalize": "nfc_normalize(a)",
    "chr": "chr(1)",
    "ascii": "ascii(a)",
    "md5": "md5(a)",
    "regexp_replace": "regexp_replace(a, b, c)",
    "regexp_extract": "regexp_extract(a, b, 1)",
    "regexp_matches": "regexp_matches(a, b)",
    # choice
    "coalesce": "coalesce(a, b)",
    "ifnull": "ifnull(a, b)",
    "nullif": "nullif(a, b)",
    "if": "if(a, b, c)",
    "greatest": "greatest(a, b)",
    "least": "least(a, b)",
    # numbers
    "abs": "abs(a)",
    "round": "round(a, 1)",
    "floor": "floor(a)",
    "ceil": "ceil(a)",
    "sign": "sign(a)",
    "mod": "mod(a, b)",
    # dates and instants (the session's zone is UTC)
    "year": "year(a)",
    "quarter": "quarter(a)",
    "month": "month(a)",
    "day": "day(a)",
    "date_part": "date_part('year', a)",
    "extract": "extract(year FROM a)",
    "date_trunc": "date_trunc('month', a)",
    "date_diff": "date_diff('day', a, b)",
    "last_day": "last_day(a)",
    "make_date": "make_date(a, b, c)",
    "strptime": "strptime(a, '%Y')",
    "try_strptime": "try_strptime(a, '%Y')",
    "strftime": "strftime(a, '%Y')",
    "timezone": "timezone('UTC', a)",
    # lists (multi-picklists)
    "array_to_string": "array_to_string(a, b)",
    "list_contains": "list_contains(a, b)",
    "list_distinct": "list_distinct(a)",
    "list_sort": "list_sort(a)",
    "list_concat": "list_concat(a, b)",
    "len": "len(a)",
    # mail and HTML: our own, see `migrate.macros`
    "html_escape": "html_escape(a)",
    "text_to_html": "text_to_html(a)",
    "people": "people(a)",
    "person_email": "person_email(a)",
    "person_name": "person_name(a)",
    "people_emails": "people_emails(a)",
    "email_headers": "email_headers(a, b, c, d, e)",
    "header_people": "header_people(a, b)",
}

STRUCTURE: tuple[type[exp.Expr], ...] = (
    exp.Column, exp.Identifier, exp.Literal, exp.Boolean, exp.Null, exp.Paren, exp.Var,
    exp.Case, exp.If, exp.Cast, exp.TryCast, exp.DataType, exp.DataTypeParam,
    exp.And, exp.Or, exp.Not, exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Is,
    exp.NullSafeEQ, exp.NullSafeNEQ, exp.Like, exp.ILike, exp.Escape, exp.RegexpLike, exp.Between, exp.In,
    exp.Add, exp.Sub, exp.Mul, exp.Div, exp.IntDiv, exp.Mod, exp.Neg, exp.DPipe,
    exp.Bracket, exp.Slice, exp.Array, exp.Interval, exp.AtTimeZone,
)  # fmt: skip

# `TIMESTAMPNTZ` is what sqlglot makes of DuckDB's `TIMESTAMP`.
# sqlglot's name of each type that an expression may cast to: DuckDB's.
TYPES = {
    "TEXT": "VARCHAR", "BOOLEAN": "BOOLEAN", "TINYINT": "TINYINT", "SMALLINT": "SMALLINT", "INT": "INTEGER",
    "BIGINT": "BIGINT", "DECIMAL": "DECIMAL(18,2)", "FLOAT": "FLOAT", "DOUBLE": "DOUBLE", "DATE": "DATE",
    "TIMESTAMPNTZ": "TIMESTAMP", "TIMESTAMPTZ": "TIMESTAMPTZ", "TIME": "TIME", "ARRAY": "VARCHAR[]",
    "INTERVAL": "INTERVAL",
}  # fmt: skip

# What may stand in an expression over many records of another object (`related`). Those that depend on an
# order take one, and records that are equal in it come in the order of their ids.
AGGREGATES: dict[str, type[exp.Expr]] = {
    "min": exp.Min, "max": exp.Max, "sum": exp.Sum, "count": exp.Count, "arg_min": exp.ArgMin,
    "arg_max": exp.ArgMax, "string_agg": exp.GroupConcat, "bool_or": exp.LogicalOr,
    "bool_and": exp.LogicalAnd,
}  # fmt: skip

# What to say of syntax that people try and that can't be; the first that fits is said.
REFUSED: tuple[tuple[type[exp.Expr], str, str], ...] = (
    (exp.Window, "a window function", "An expression sees one record; put totals into `validate.checks`."),
    (exp.AggFunc, "an aggregate", "An expression sees one record; put totals into `validate.sums`."),
    (exp.Query, "a sub-query", "An expression sees the fields of one record only."),
    (exp.Subquery, "a sub-query", "An expression sees the fields of one record only."),
    (exp.Exists, "a sub-query", "An expression sees the fields of one record only."),
    (exp.DDL, "a statement", "Write one scalar expression."),
    (exp.DML, "a statement", "Write one scalar expression."),
    (exp.Command, "a statement", "Write one scalar expression."),
    (exp.Lambda, "a lambda", "Name a Python function with `python: module:function` instead."),
    (exp.Star, "the sign for all fields", "Name the fields that you mean."),
    (exp.Columns, "a choice of several fields", "Name the fields that you mean."),
    (exp.Alias, "an alias", "Leave `AS …` out; the target field is the key in the plan."),
    (exp.Placeholder, "a parameter", "Write the value itself."),
    (exp.Parameter, "a parameter", "Write the value itself."),
    (exp.Struct, "a struct", "A field takes a plain value."),
    (exp.Collate, "a collation", "Use `lower(…)` to compare without regard to case."),
)


@cache
def allowed_nodes() -> tuple[type[exp.Expr], ...]:
    """Syntax nodes of the allowed functions and of plain expressions."""
    found = set(STRUCTURE)
    for example in FUNCTIONS.values():
        node = sqlglot.parse_one(example, read="duckdb")
        if not isinstance(node, exp.Anonymous):
            found.add(type(node))
    return tuple(found)
