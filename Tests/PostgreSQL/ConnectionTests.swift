import PostgreSQL
import PostgreSQLTesting
import Testing

@Suite struct ConnectionTests {
  @Test func `A query answers its rows`() async throws {
    let connection = try await TestCluster.shared().freshConnection()
    let row = try await connection.query("SELECT $1::int8 + 1 AS sum, $2 AS word", [41, "hé\u{1F30D}"]).oneRow()
    #expect(try row.int64("sum") == 42)
    #expect(try row.text("word") == "hé\u{1F30D}")
  }
}
