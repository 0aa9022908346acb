internal import Geospatial
internal import JobTypes

/// What a loaded table holds: rows and geometries counted by PostgreSQL, and of each column the rows without a value, its range
/// and its frequent values.
struct TableSurvey {
  var rows: Int64
  var withGeometry: Int64
  var columns: [ColumnStatistics]

  /// PostgreSQL takes 1,664 expressions in a select list.
  private static let columnsAtOnce = 500
  /// More columns than this are nobody's to look at one by one.
  private static let columnsWithFrequentValues = 200

  /// Reads the table once for 500 columns, in parallel where PostgreSQL thinks that it pays. It has been analysed.
  /// - Parameter table: quoted, with its schema; `schema` and `name` are the same as they are.
  static func run(
    table: String, schema: String, name: String, _ columns: [Column], hasGeometry: Bool,
    _ connection: DatabaseConnection
  ) throws -> TableSurvey {
    try connection.run("SET TimeZone = 'UTC'")
    var survey = TableSurvey(rows: 0, withGeometry: 0, columns: [])
    var rest = columns[...]
    repeat {
      let some = rest.prefix(columnsAtOnce)
      rest = rest.dropFirst(columnsAtOnce)
      let wanted = ["count(*)", hasGeometry ? "count(geom)" : "0"] + some.flatMap(aggregates)
      var row = (try connection.run("SELECT \(wanted.joined(separator: ", ")) FROM \(table)").first ?? [])[...]
      guard row.count == wanted.count, let rows = row.removeFirst().flatMap({ Int64($0) }),
        let geometries = row.removeFirst().flatMap({ Int64($0) })
      else { throw DatabaseError(sqlState: "", message: "count(*) gave no number") }
      (survey.rows, survey.withGeometry) = (rows, geometries)
      for column in some {
        let values = row.removeFirst().flatMap { Int64($0) } ?? 0
        var statistics = ColumnStatistics(nulls: rows - values)
        if column.kind.isOrdered {
          statistics.minimum = row.removeFirst()
          statistics.maximum = row.removeFirst()
        }
        survey.columns.append(statistics)
      }
    } while !rest.isEmpty
    if columns.count <= columnsWithFrequentValues {
      try survey.addFrequentValues(schema: schema, name: name, columns, connection)
    }
    return survey
  }

  private static func aggregates(_ column: Column) -> [String] {
    let name = DatabaseConnection.quoted(column.name)
    switch column.kind {
    // NaN would be the largest of all.
    case .float4, .float8: return ["count(\(name))", "min(\(name))", "max(nullif(\(name), 'NaN'))"]
    case let kind where kind.isOrdered: return ["count(\(name))", "min(\(name))", "max(\(name))"]
    default: return ["count(\(name))"]
    }
  }

  /// By the sample of ANALYZE: nothing is read again.
  private mutating func addFrequentValues(
    schema: String, name: String, _ columns: [Column], _ connection: DatabaseConnection
  ) throws {
    var found: [String: [ColumnStatistics.FrequentValue]] = [:]
    let rows = try connection.run(
      """
      SELECT s.attname, left(v.value, 100), v.share::float8
      FROM pg_stats s, unnest((s.most_common_vals::text::text[])[1:5], s.most_common_freqs[1:5])
        WITH ORDINALITY AS v (value, share, position)
      WHERE s.schemaname = $1 AND s.tablename = $2 AND v.share >= 0.01 ORDER BY s.attname, v.position
      """, [schema, name])
    for row in rows {
      guard row.count == 3, let column = row[0], let value = row[1], let share = row[2].flatMap({ Double($0) }) else {
        continue
      }
      found[column, default: []].append(.init(value: value, share: share))
    }
    for (index, column) in columns.enumerated() where column.kind == .text || column.kind == .bool {
      self.columns[index].frequent = found[column.name] ?? []
    }
  }
}

extension Column.Kind {
  /// Has a smallest and a largest value worth telling.
  fileprivate var isOrdered: Bool {
    switch self {
    case .int2, .int4, .int8, .float4, .float8, .date, .time, .timestamptz: true
    default: false
    }
  }
}
