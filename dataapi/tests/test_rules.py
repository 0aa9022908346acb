"""The rules behind the answers, without a server: what a filter may say, and whose fault an error is."""

import asyncpg
import pytest
from starlette.requests import Request
from terrane_dataapi import filters
from terrane_dataapi.origin import normal_accept
from terrane_dataapi.problems import Problem, translate
from terrane_dataapi.registry import Name


@pytest.mark.parametrize(
    ("text", "sql"),
    [
        ("name = 'it''s'", "name = E'it\\'s'"),
        ("a BETWEEN 1 AND 2 OR NOT b IS NULL", "a BETWEEN 1 AND 2 OR NOT b IS NULL"),
        ("a + 1 > 2 * b", "a + 1 > 2 * b"),
        ("T_AFTER(t, TIMESTAMP('2020-01-01T00:00:00Z'))", "CAST('2020-01-01T00:00:00Z' AS TIMESTAMP WITH TIME ZONE) < t"),
    ],
)  # fmt: skip
def test_filters_of_the_standard_are_taken(text, sql):
    assert filters.Expr(filters.parse(text, "cql2-text")).to_sql() == sql


@pytest.mark.parametrize(
    "text",
    [
        "pg_read_file('/etc/passwd') = 'x'", "a = pg_sleep(10)", "CASEI(current_setting('x')) = 'y'", "a", "true", "'x'", "",
        '{"op":"=;--","args":[1,2]}', '{"op":"=","args":[{"property":"a"},{"evil":1}]}', '{"op":"=","args":[{"property":1},1]}',
        '{"op":"and","args":"x"}', '{"op":"=","args":[1]}', '{"property":"a"}', "[]", "{", "(" * 300 + "a=1" + ")" * 300,
        " AND ".join(["a=1"] * 600), "S_INTERSECTS(g, POLYGON((0 0, 1 1, 2 2, 3 3)))", "a = '" + "x" * 40000 + "'",
        '{"op":"s_intersects","args":[{"property":"g"},{"type":"Point","coordinates":["1",2]}]}',
        '{"op":"not","args":[' * 60 + '{"op":"=","args":[1,1]}' + "]}" * 60,
    ],
)  # fmt: skip
def test_anything_else_is_refused(text):
    with pytest.raises(Problem) as refused:
        filters.parse(text, None)
    assert (refused.value.status, refused.value.reason) == (400, "INVALID_FILTER")


def test_names_and_values_cannot_leave_their_quotes():
    tree = {"op": "=", "args": [{"property": 'a" OR 1=1 --'}, "x' OR '1'='1"]}
    assert filters.Expr(filters.check(tree)).to_sql() == "\"a\"\" OR 1=1 --\" = E'x\\' OR \\'1\\'=\\'1'"
    with pytest.raises(Problem) as refused:
        filters.check(tree, {"a"})
    assert refused.value.reason == "UNKNOWN_PROPERTY"


def request(query: str = "") -> Request:
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/x",
        "query_string": query.encode(),
        "headers": [],
        "root_path": "",
    }
    return Request({**scope, "scheme": "http", "server": ("x", 80)})


@pytest.mark.parametrize(
    ("error", "query", "status"),
    [
        (asyncpg.QueryCanceledError("slow"), "", 503),
        (asyncpg.CannotConnectNowError("starting"), "", 503),
        (asyncpg.TooManyConnectionsError("full"), "", 503),
        (asyncpg.AdminShutdownError("bye"), "", 503),
        (ConnectionRefusedError(), "", 503),
        (asyncpg.InterfaceError("connection is closed"), "", 503),
        (asyncpg.UndefinedTableError("gone"), "", 404),
        (asyncpg.UndefinedFunctionError("text = integer"), "filter=a=1", 400),
        # The same without anything of the client's in the query is our own defect, and so is what nobody named.
        (asyncpg.UndefinedFunctionError("text = integer"), "", 500),
        (asyncpg.InsufficientPrivilegeError("no"), "filter=a=1", 500),
        (ValueError("x"), "filter=a=1", 500),
        (KeyError("x"), "filter=a=1", 500),
    ],
)
def test_an_error_is_whose_it_is(error, query, status):
    problem = translate(error, request(query))
    assert problem.status == status
    assert (problem.retry_after is not None) == (status == 503)
    assert status != 500 or "x" not in problem.message.split()


def test_accept_headers_are_made_plain():
    assert (
        normal_accept("text/html;level=1;q=0.5, a b, */*;q=x, application/json")
        == "text/html;q=0.5,*/*,application/json;q=1"
    )


def test_a_name_has_one_spelling():
    name, rest = Name.parse("/api/data/@a-1/d/r/v/collections/x")
    assert (name, rest) == (Name("a-1", "d", "r", "v"), "/collections/x")
    assert name.path == "/api/data/@a-1/d/r/v"
    assert Name.parse("/api/data/d/r/v")[0].path == "/api/data/d/r/v"
    for path in ("@default/d/r/v", "@A/d/r/v", "d/r", ".d/r/v", "d/r/" + "v" * 51, "d/é/v", "d/r\n/v", "@a/d/r"):
        assert Name.parse("/api/data/" + path) is None, path
