import PostgreSQL
import PostgreSQLTesting
import Testing

@Suite struct ValueTests {
  private func roundTrip<T: PGDecodable & Equatable>(_ value: PGValue, _ type: String, _ expected: T) async throws {
    let connection = try await Self.connection.value
    let row = try await connection.query("SELECT $1::\(type) AS value", [value]).oneRow()
    #expect(try row.value("value", as: T.self) == expected)
  }
  private static let connection = Task { try await TestCluster.shared().freshConnection() }

  @Test func `Integers, floats and booleans come back as they went`() async throws {
    try await roundTrip(.int64(.min), "int8", Int64.min)
    try await roundTrip(.int64(-7), "int4", Int32(-7))
    try await roundTrip(.int32(12345), "int2", Int16(12345))
    try await roundTrip(.int32(-9), "int8", Int64(-9))
    try await roundTrip(.float8(0.1), "float8", 0.1)
    try await roundTrip(.bool(true), "bool", true)
    try await roundTrip(.bool(false), "bool", false)
    try await roundTrip(.int64(-120_034_000_056), "numeric", "-120034000056")
    try await roundTrip("0012.34500", "numeric", "12.34500")
    try await roundTrip("0.000012", "numeric", "0.000012")
    try await roundTrip("-1e20", "numeric", "-100000000000000000000")
  }

  @Test func `Text, JSON, identifiers and bytes with NULs come back as they went`() async throws {
    try await roundTrip("", "text", "")
    try await roundTrip("häß \u{1F30D} '\\", "text", "häß \u{1F30D} '\\")
    try await roundTrip(.bytea([0, 1, 0, 255]), "bytea", [UInt8]([0, 1, 0, 255]))
    try await roundTrip(.bytea([]), "bytea", [UInt8]())
    try await roundTrip(.json(#"{"a" : [1, null]}"#), "json", #"{"a" : [1, null]}"#)
    try await roundTrip(.json(#"{"b":1,"a":[1,null]}"#), "jsonb", #"{"a": [1, null], "b": 1}"#)
    let identifier = try #require(PGUUID("123e4567-e89b-42d3-a456-426614174000"))
    try await roundTrip(.uuid(identifier), "uuid", identifier)
    #expect(identifier.description == "123e4567-e89b-42d3-a456-426614174000")
  }

  @Test func `A timestamp keeps its microseconds and is the server's moment`() async throws {
    let moment = PGTimestamp(microsecondsSince1970: 1_795_441_502_123_457)
    try await roundTrip(.timestamp(moment), "timestamptz", moment)
    let connection = try await Self.connection.value
    let row = try await connection.query(
      "SELECT extract(epoch FROM $1::timestamptz)::text AS seconds, '1969-12-31T23:59:59Z'::timestamptz AS before",
      [.timestamp(moment)]
    ).oneRow()
    #expect(try row.text("seconds") == "1795441502.123457")
    #expect(try row.timestamp("before").microsecondsSince1970 == -1_000_000)
  }

  @Test func `A composite value reads as the row it was made of`() async throws {
    let connection = try await Self.connection.value
    let columns = "9 AS n, 'häß'::text AS t, NULL::text AS none, ''::text AS empty, ARRAY[0.5, NULL]::float8[] AS reals"
    let bytes = try await connection.query("SELECT record_send(r) AS value FROM (SELECT \(columns)) r").oneRow()
      .bytes("value")
    let names = PGColumns(["n", "t", "none", "empty", "reals"])
    let row = try PGResult(composite: bytes, columns: names).oneRow()
    #expect(try row.int32("n") == 9)
    #expect(try row.text("t") == "häß")
    #expect(try row.optionalText("none") == nil)
    #expect(try row.text("empty") == "")
    let reals = try row.nullableArray("reals", of: Double.self)
    #expect(reals == [0.5, nil])
    // Nothing shorter, longer or of other columns.
    for end in bytes.indices {
      #expect(throws: PostgresError.self) { try PGResult(composite: Array(bytes[..<end]), columns: names) }
    }
    #expect(throws: PostgresError.self) { try PGResult(composite: bytes + [0], columns: names) }
    #expect(throws: PostgresError.self) { try PGResult(composite: bytes, columns: PGColumns(names.names + ["more"])) }
    #expect(throws: PostgresError.self) { try PGResult(composite: bytes, columns: PGColumns(names.names.dropLast())) }
  }

  @Test func `Arrays keep NULL elements and emptiness`() async throws {
    let connection = try await Self.connection.value
    let row = try await connection.query(
      """
      SELECT $1::bigint[] AS longs, $2::text[] AS texts, $3::bytea[] AS blobs, $4::jsonb[] AS documents, $5::bool[] AS flags,
        $6::int4[] AS none, $7::float8[] AS reals, $8::timestamptz[] AS moments, cardinality($1::bigint[]) AS size
      """,
      [
        .int64Array([1, nil, -3]), .textArray(["a", nil, "", "{\"x\"}"]), .byteaArray([[0], nil, []]),
        .jsonArray([#"{"a": 1}"#, nil]), .boolArray([true, nil, false]), .int32Array([]), .float8Array([0.5]),
        .timestampArray([PGTimestamp(microsecondsSince1970: 1), nil]),
      ]
    ).oneRow()
    #expect(try row.nullableArray("longs", of: Int64.self) == [1, nil, -3])
    #expect(try row.nullableArray("texts", of: String.self) == ["a", nil, "", "{\"x\"}"])
    #expect(try row.nullableArray("blobs", of: [UInt8].self) == [[0], nil, []])
    #expect(try row.nullableArray("documents", of: String.self) == [#"{"a": 1}"#, nil])
    #expect(try row.nullableArray("flags", of: Bool.self) == [true, nil, false])
    #expect(try row.int32Array("none") == [])
    #expect(try row.doubleArray("reals") == [0.5])
    #expect(
      try row.nullableArray("moments", of: PGTimestamp.self) == [PGTimestamp(microsecondsSince1970: 1), nil])
    #expect(try row.int("size") == 3)
    #expect(try await failure { try row.int64Array("longs") }.kind == .typeMismatch)
  }

  @Test func `NULL is nil, and an error where a value must be`() async throws {
    let connection = try await Self.connection.value
    let row = try await connection.query("SELECT $1::text AS nothing, NULL::int8[] AS none", [nil]).oneRow()
    #expect(try row.optionalText("nothing") == nil)
    #expect(try row.isNull("nothing"))
    #expect(try row.optionalArray("none", of: Int64.self) == nil)
    #expect(try await failure { try row.text("nothing") }.kind == .typeMismatch)
    #expect(try await failure { try row.text("absent") }.kind == .typeMismatch)
    #expect(try await failure { try row.int64("nothing") }.kind == .typeMismatch)
  }

  @Test func `A value that does not fit the parameter's type is refused before it is sent`() async throws {
    let connection = try await Self.connection.value
    for (value, type) in [
      (PGValue.int64(1 << 40), "int4"), (.float8(1), "int8"), (.bytea([1]), "text"), (.textArray(["1"]), "int8[]"),
      (.text("a\0b"), "int4"),
    ] {
      let error = try await failure { try await connection.query("SELECT $1::\(type)", [value]) }
      #expect(error.kind == .typeMismatch)
    }
    #expect(try await failure { try await connection.query("SELECT $1::int", [1, 2]) }.kind == .typeMismatch)
    // A NUL has no place in PostgreSQL's text: the server says so.
    #expect(try await failure { try await connection.query("SELECT $1::text", ["a\0b"]) }.sqlState == "22021")
  }

  @Test func `Text parameters reach any type, and enumerations read as text`() async throws {
    let connection = try await TestCluster.shared().freshConnection()
    try await connection.execute(script: "CREATE TYPE mood AS ENUM ('glad', 'sad'); CREATE TABLE t (m mood, d date)")
    try await connection.query("INSERT INTO t VALUES ($1, $2)", ["sad", "2026-11-23"])
    let row = try await connection.query("SELECT m, d::text AS d FROM t").oneRow()
    #expect(try row.text("m") == "sad")
    #expect(try row.text("d") == "2026-11-23")
  }

  @Test func `Affected rows and command tags are told`() async throws {
    let connection = try await TestCluster.shared().freshConnection()
    try await connection.execute(script: "CREATE TABLE t (n int)")
    let inserted = try await connection.query("INSERT INTO t SELECT generate_series(1, $1)", [5])
    #expect(inserted.affectedRows == 5)
    #expect(inserted.commandTag == "INSERT 0 5")
    #expect(inserted.isEmpty)
    #expect(try await connection.query("SELECT n FROM t ORDER BY n").map { try $0.int("n") } == [1, 2, 3, 4, 5])
  }
}
