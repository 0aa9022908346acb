import Foundation
import JobTypes
import PostgreSQL
import PostgreSQLTesting
import TaskProtocol
import Testing

@testable import DatasetTasks

/// Loads against PostgreSQL and PostGIS, as the slot's role: it may create in the staging schema and nowhere else.
@Suite("Ingest") struct IngestTests {
  private struct Slot {
    var admin: PostgresConnection
    var database: TaskDatabase
  }

  private func slot() async throws -> Slot {
    let cluster = try await TestCluster.shared()
    let settings = try await cluster.freshDatabase()
    let name = "slot_of_\(settings.database)"  // Roles belong to the whole cluster; tests run side by side.
    let role = try await cluster.role(name, on: settings)
    let admin = try await PostgresConnection.connect(settings, on: cluster.thread)
    try await admin.execute(
      script: """
        CREATE EXTENSION postgis;
        CREATE SCHEMA staging;
        GRANT USAGE, CREATE ON SCHEMA staging TO \(name);
        """)
    return Slot(
      admin: admin,
      database: TaskDatabase(
        host: role.host, port: Int(role.port), database: role.database, user: role.user, password: role.password ?? "",
        applicationName: "task-1-attempt-1"))
  }

  /// Probe, then ingest, as the planner chains them.
  private func load(
    _ source: String, _ folder: Folder, _ slot: Slot, layers: [String] = [], reports: Reports = Reports(),
    change: (inout IngestVectorParameters) throws -> Void = { _ in }
  ) throws -> Result<IngestVectorResult, ProblemReport> {
    let probed = Reports().run(try folder.assignment(JobType.probe, ProbeParameters(source: source, layers: layers)))
    guard case .completed(let text) = probed else {
      guard case .failed(let problem) = probed else { throw CocoaError(.featureUnsupported) }
      return .failure(problem)
    }
    let probe = try JSONText.decode(ProbeResult.self, from: text)
    var parameters = IngestVectorParameters(
      source: source, pin: probe.pin,
      layers: probe.layers.enumerated().map { IngestLayer(layer: $1, table: "d1_b7_t\($0)", title: $1.name) })
    try change(&parameters)
    switch reports.run(try folder.assignment(JobType.ingestVector, parameters, database: slot.database)) {
    case .completed(let text): return .success(try JSONText.decode(IngestVectorResult.self, from: text))
    case .failed(let problem): return .failure(problem)
    default: throw CocoaError(.featureUnsupported)
    }
  }

  @Test("columns are told with what is empty, the range, and what is frequent")
  func columnsAreTold() async throws {
    let slot = try await slot()
    let folder = try Folder()
    let features = (0..<200).map { n in
      let half = n % 4 == 0 ? "null" : "\(Double(n) / 2 - 10)"
      let kind = n % 10 == 0 ? "\"rare\"" : n % 10 == 1 ? "null" : "\"usual\""
      return """
        {"type":"Feature","geometry":{"type":"Point","coordinates":[\(n % 90),1]},"properties":{"n":\(n - 5),"half":\(half),\
        "kind":\(kind),"flag":\(n % 2 == 0),"day":"2024-01-\(n % 28 + 1 < 10 ? "0" : "")\(n % 28 + 1)","each":"text \(n)","none":null}}
        """
    }
    let source = try folder.write(
      "p.geojson", #"{"type":"FeatureCollection","features":["# + features.joined(separator: ",") + "]}")
    let layer = try #require(try load(source, folder, slot).get().layers.first)
    let columns = Dictionary(uniqueKeysWithValues: layer.columns.map { ($0.name, $0.statistics) })
    #expect(columns["n"] == ColumnStatistics(nulls: 0, minimum: "-5", maximum: "194"))
    #expect(columns["half"] == ColumnStatistics(nulls: 50, minimum: "-9.5", maximum: "89.5"))
    #expect(columns["day"] == ColumnStatistics(nulls: 0, minimum: "2024-01-01", maximum: "2024-01-28"))
    let kind = try #require(columns["kind"] ?? nil)
    #expect(kind.nulls == 20 && kind.minimum == nil && kind.frequent?.map(\.value) == ["usual", "rare"])
    #expect(kind.frequent?.map { ($0.share * 100).rounded() } == [80, 10])
    #expect(columns["flag"]??.frequent?.map { ($0.share * 100).rounded() } == [50, 50])
    #expect(columns["each"] == ColumnStatistics(nulls: 0, frequent: []))
    #expect(columns["none"]??.nulls == 200)
  }

  @Test("of a thousand columns each is counted, in as many reads as it takes")
  func manyColumnsAreTold() async throws {
    let slot = try await slot()
    let folder = try Folder()
    let names = (0..<1_100).map { "c\($0)" }
    let row = (0..<1_100).map { $0 % 2 == 0 ? "\($0)" : "" }
    let table = "lon,lat," + names.joined(separator: ",") + "\n1,2," + row.joined(separator: ",") + "\n"
    let layer = try #require(try load(try folder.write("wide.csv", table), folder, slot).get().layers.first)
    #expect(layer.columns.count == 1_102 && layer.counts.loaded == 1)
    #expect(layer.columns.allSatisfy { $0.statistics?.frequent == nil })
    #expect(layer.columns[1_100].statistics == ColumnStatistics(nulls: 0, minimum: "1098", maximum: "1098"))
    #expect(layer.columns[1_101].statistics?.nulls == 1)
  }

  @Test("what the source holds is what the table holds, indexed and analysed")
  func whole() async throws {
    let slot = try await slot()
    let folder = try Folder()
    let source = try folder.write("p.geojson", points(2_500))
    let reports = Reports()
    let result = try load(source, folder, slot, reports: reports).get()
    let layer = try #require(result.layers.first)
    #expect(layer.counts.source == 2_500 && layer.counts.read == 2_500 && layer.counts.loaded == 2_500)
    #expect(layer.counts.withGeometry == 2_500 && layer.counts.renamedColumns == 1)
    #expect(result.sourceSHA256.count == 64 && result.storedBytes > 0)
    let row = try #require(
      try await slot.admin.query(
        """
        SELECT count(*) AS rows, count(DISTINCT fid) AS ids, min(n)::bigint AS low, max(n)::bigint AS high,
          count(*) FILTER (WHERE name = 'point ' || n)::bigint AS names,
          count(*) FILTER (WHERE ST_X(ST_GeometryN(geom, 1)) = (n % 3600)::float8 / 20 - 90
            AND ST_Y(ST_GeometryN(geom, 1)) = (n % 1700)::float8 / 20 - 42)::bigint AS places,
          max(ST_SRID(geom))::bigint AS srid, max(GeometryType(geom)) AS type FROM staging.d1_b7_t0
        """
      ).rows.first)
    #expect(try row.int64("rows") == 2_500 && row.int64("ids") == 2_500 && row.int64("names") == 2_500)
    #expect(try row.int64("places") == 2_500, "every point lies where the source has it")
    #expect(try row.int64("srid") == 4326 && row.text("type") == "MULTIPOINT")
    let box = try #require(layer.bbox)
    #expect(box[0] == -90 && box[1] == -42)
    let indexes = try await slot.admin.query("SELECT indexdef FROM pg_indexes WHERE tablename = 'd1_b7_t0'")
    let definitions = try indexes.rows.map { try $0.text("indexdef") }
    #expect(definitions.count == 2 && definitions.contains { $0.contains("gist (geom)") })
    let progress = reports.all.compactMap { if case .progress(let p) = $0 { p } else { nil } }
    #expect(progress.contains { $0.phase == "load" && $0.total == 2_500 })
  }

  @Test("a source that changed since the probe fails and leaves no table")
  func changed() async throws {
    let slot = try await slot()
    let folder = try Folder()
    let source = try folder.write("p.geojson", points(30))
    let outcome = try load(source, folder, slot) { _ in try folder.write("p.geojson", points(31)) }
    #expect(problem(outcome)?.reason == "SOURCE_CHANGED")
    #expect(try await tables(slot) == 0)
  }

  @Test("an announced count that is not read fails and leaves no table")
  func counts() async throws {
    let slot = try await slot()
    let folder = try Folder()
    let source = try folder.write("p.geojson", points(30))
    let outcome = try load(source, folder, slot) { $0.layers[0].layer.featureCount = 31 }
    #expect(problem(outcome)?.reason == "COUNT_MISMATCH")
    #expect(try await tables(slot) == 0)
  }

  @Test("feature ids that are not unique give way to the ordinal", arguments: [20, 60_000])
  func ids(count: Int) async throws {
    let slot = try await slot()
    let folder = try Folder()
    // A view has no key of its own: GDAL takes the column it is told, here one with equal values.
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = [
      "sh", "-c",
      """
      cd "$0" && ogr2ogr -f GPKG p.gpkg p.geojson -nln base && ogrinfo -q p.gpkg -sql "CREATE VIEW v AS SELECT 5 AS OGC_FID, n, geom FROM base" &&
      ogrinfo -q p.gpkg -sql "INSERT INTO gpkg_contents (table_name, identifier, data_type, srs_id) VALUES ('v','v','features',4326)" &&
      ogrinfo -q p.gpkg -sql "INSERT INTO gpkg_geometry_columns VALUES ('v','geom','POINT',4326,0,0)"
      """, folder.path,
    ]
    _ = try folder.write("p.geojson", points(count))
    try process.run()
    process.waitUntilExit()
    try #require(process.terminationStatus == 0)
    let reports = Reports()
    let result = try load("file://\(folder.path)/p.gpkg", folder, slot, layers: ["v"], reports: reports).get()
    #expect(result.layers[0].counts.loaded == Int64(count))
    let row = try await slot.admin.query("SELECT min(fid) AS low, max(fid) AS high FROM staging.d1_b7_t0").rows.first
    #expect(try row?.int64("low") == 1)
    #expect(try row?.int64("high") == Int64(count))
    #expect(reports.all.contains { if case .warning(let w) = $0 { w.reason == "FID_REPLACED" } else { false } })
  }

  @Test("many rows are indexed on two connections, and are as whole as few")
  func manyRows() async throws {
    let slot = try await slot()
    let folder = try Folder()
    let layer = try #require(try load(try folder.write("p.geojson", points(60_000)), folder, slot).get().layers.first)
    #expect(layer.counts.loaded == 60_000 && layer.columns.first?.statistics?.maximum == "59999")
    let indexes = try await slot.admin.query(
      "SELECT indexdef FROM pg_indexes WHERE schemaname = 'staging' ORDER BY indexdef"
    ).rows.map { try $0.text("indexdef") }
    #expect(
      indexes == [
        "CREATE INDEX d1_b7_t0_geom_idx ON staging.d1_b7_t0 USING gist (geom)",
        "CREATE UNIQUE INDEX d1_b7_t0_pkey ON staging.d1_b7_t0 USING btree (fid)",
      ])
    let key = try await slot.admin.query(
      "SELECT conname, contype::text AS type FROM pg_constraint WHERE conrelid = 'staging.d1_b7_t0'::regclass"
    ).rows
    let names = try key.map { try $0.text("type") + " " + $0.text("conname") }
    #expect(names == ["p d1_b7_t0_pkey"])
  }

  @Test("two tables are loaded beside each other, and are as whole as one after the other")
  func tablesTogether() async throws {
    let slot = try await slot()
    let folder = try Folder()
    let reports = Reports()
    let source = try folder.write("p.geojsonl", pointsAndLines(30_000))
    let result = try load(source, folder, slot, reports: reports).get()
    #expect(result.layers.map(\.table) == ["d1_b7_t0", "d1_b7_t1"])
    #expect(result.layers.map(\.counts.loaded) == [30_000, 30_000])
    for (table, count) in [("d1_b7_t0", 30_000), ("d1_b7_t1", 30_000)] {
      let row = try await slot.admin.query(
        "SELECT count(DISTINCT n) AS n, count(geom) AS g FROM staging.\(table)"
      ).rows.first
      #expect(try row?.int64("n") == Int64(count) && row?.int64("g") == Int64(count))
    }
    let keys = try await slot.admin.query(
      "SELECT count(*) AS n FROM pg_constraint WHERE contype = 'p' AND connamespace = 'staging'::regnamespace")
    #expect(try keys.rows.first?.int64("n") == 2)
    // Both threads read the three features without a geometry; one counts them.
    let warned = reports.all.compactMap {
      if case .warning(let w) = $0, w.reason == "NULL_GEOMETRY" { w.count } else { nil }
    }
    #expect(warned.max() == 3)
    #expect(
      reports.all.contains {
        if case .progress(let p) = $0 { p.message == "Loading 2 tables" && p.total == 120_006 } else { false }
      })
  }

  @Test("of two tables beside each other, the one that fails ends the other")
  func oneOfTwoFails() async throws {
    let slot = try await slot()
    let folder = try Folder()
    let source = try folder.write("p.geojsonl", pointsAndLines(40_000))
    let outcome = try load(source, folder, slot) { parameters in
      parameters.layers[1].layer.columns[0].name = "no such column"
      parameters.layers[1].layer.featureCount += 1
    }
    #expect(problem(outcome)?.reason == "COUNT_MISMATCH")
  }

  /// As many points as lines, in turn, and three features without a geometry.
  private func pointsAndLines(_ count: Int) -> String {
    let features = (0..<count).map { n in
      let (x, y) = (Double(n % 3600) / 20 - 90, Double(n % 1700) / 20 - 42)
      return
        "{\"type\":\"Feature\",\"properties\":{\"n\":\(n)},\"geometry\":{\"type\":\"Point\",\"coordinates\":[\(x),\(y)]}}\n"
        + "{\"type\":\"Feature\",\"properties\":{\"n\":\(n)},\"geometry\":{\"type\":\"LineString\",\"coordinates\":[[\(x),\(y)],[\(x + 1),\(y)]]}}\n"
    }
    return features.joined()
      + String(repeating: "{\"type\":\"Feature\",\"properties\":{\"n\":-1},\"geometry\":null}\n", count: 3)
  }

  @Test("a database that is not there is a transient failure")
  func noDatabase() throws {
    let folder = try Folder()
    let source = try folder.write("p.geojson", points(3))
    let nowhere = TaskDatabase(
      host: folder.path, port: 1, database: "d", user: "u", password: "p", applicationName: "a")
    let probed = Reports().run(try folder.assignment(JobType.probe, ProbeParameters(source: source)))
    guard case .completed(let text) = probed else { throw CocoaError(.featureUnsupported) }
    let probe = try JSONText.decode(ProbeResult.self, from: text)
    let parameters = IngestVectorParameters(
      source: source, pin: probe.pin, layers: [IngestLayer(layer: probe.layers[0], table: "t", title: "t")])
    let problem = Reports().problem(try folder.assignment(JobType.ingestVector, parameters, database: nowhere))
    #expect(problem?.reason == "DATABASE_ERROR" && problem?.transient == true)
  }

  private func problem(_ outcome: Result<IngestVectorResult, ProblemReport>) -> ProblemReport? {
    if case .failure(let problem) = outcome { problem } else { nil }
  }

  private func tables(_ slot: Slot) async throws -> Int64 {
    try await slot.admin.query("SELECT count(*) AS n FROM pg_tables WHERE schemaname = 'staging'").rows.first?.int64(
      "n")
      ?? -1
  }
}
